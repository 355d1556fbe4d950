#!/usr/bin/env python3
"""Opens the page to watch (``--page``) in a real browser, with hostile names, and takes pictures.

    python3 scripts/page_in_browser.py DIRECTORY [--browser chromium]

Needs Chromium (Debian: ``apt install chromium``), which it talks to over a pipe; nothing leaves the
machine. It fails where the page runs or fetches anything, leads anywhere but to Telegram, is wider
than a phone, does not load itself again, or does not say that it was not renewed.
"""

from __future__ import annotations

import argparse
import base64
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tdl_sync.reporting.page import (
    RELOAD_SECONDS,
    ChatCard,
    FailedFile,
    Failures,
    FlyingFile,
    Page,
    html,
)
from tdl_sync.reporting.rates import SLOT_SECONDS, Rate

ANSWER_SECONDS = 30.0
PHONE, DESK = (360, 740), (1000, 1000)

HOSTILE = (
    "</title></style><script>window.ran=1</script><img src='http://127.0.0.1:9/x' onerror=ran=2>"
    "\"'><svg onload=ran=3><base href=//x><meta http-equiv=refresh content='0;url=http://x'>"
    "&#x3c;b&#x3e;\N{RIGHT-TO-LEFT OVERRIDE}4pm.exe\N{LEFT-TO-RIGHT ISOLATE}\x1b[2J\0\ud800"
)
"""All that a title, a name or a reason may hold."""


def hostile_page(now: datetime, *, lives: bool = True) -> Page:
    last = int(now.timestamp() // SLOT_SECONDS)
    rates = tuple(
        Rate(last - back, int(3e9 * abs(math.sin(back / 20))), int(2e9 * abs(math.cos(back / 25))))
        for back in range(200)
    )
    links = ("https://t.me/c/1234/4711", "javascript:window.ran=4", "https://evil.example/", None)
    failed = tuple(FailedFile(f"4711 {HOSTILE}", HOSTILE, link) for link in links)
    flying = (
        FlyingFile(False, f"4712_{HOSTILE}.mkv", 4 * 10**8, 10**9),
        FlyingFile(True, "4700_שלום עולם.mp4", 9 * 10**8, 10**9),
        FlyingFile(True, "4701_" + "W" * 240, 5, 0),
    )
    facts = ("120 of 4711 files by Telegram's count", "12.4 of ~374 GB", "↓ 12 MB/s", HOSTILE)
    return Page(
        now,
        "42 %",
        lives,
        (
            ChatCard(
                f"Films {HOSTILE}", 42, facts, flying, HOSTILE, (Failures(HOSTILE, 204, failed),)
            ),
            ChatCard("ערוץ הסרטים", 100, ("12 of 12 files",)),
        ),
        rates,
        (HOSTILE,),
    )


class Browser:
    """Speaks Chromium's own protocol over a pipe: https://chromedevtools.github.io/devtools-protocol"""

    def __init__(self, program: str, profile: Path) -> None:
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        self._process = subprocess.Popen(
            [
                *("sh", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "sh"),
                *(program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
                *("--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"),
            ],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._from, self._to = os.fdopen(ours_in, "rb"), os.fdopen(ours_out, "wb")
        self._numbers = count(1)
        self.requests: list[str] = []
        (target,) = (
            each
            for each in self._call("Target.getTargets")["targetInfos"]
            if each["type"] == "page"
        )
        attach = {"targetId": target["targetId"], "flatten": True}
        self._session = self._call("Target.attachToTarget", attach)["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._call(method, parameters, self._session)

    def value(self, expression: str) -> Any:
        """Of an expression in the page, which the page's own policy does not hinder."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    def open(self, address: str) -> None:
        self.ask("Page.navigate", url=address)
        end_at = time.monotonic() + ANSWER_SECONDS
        while self.value("document.readyState") != "complete" and time.monotonic() < end_at:
            time.sleep(0.1)

    def picture(self, path: Path, size: tuple[int, int], *, is_dark: bool) -> None:
        width, height = size
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        taken = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(taken["data"]))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _call(
        self, method: str, parameters: dict[str, Any] | None = None, session: str | None = None
    ) -> dict[str, Any]:
        number = next(self._numbers)
        call: dict[str, Any] = {"id": number, "method": method, "params": parameters or {}}
        if session is not None:
            call["sessionId"] = session
        self._to.write(json.dumps(call).encode() + b"\0")
        self._to.flush()
        while True:
            told = self._read()
            if told.get("method") == "Network.requestWillBeSent":
                self.requests.append(told["params"]["request"]["url"])
            if told.get("id") == number:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']}")
                return dict(told["result"])

    def _read(self) -> dict[str, Any]:
        message = bytearray()
        while (sign := self._from.read(1)) != b"\0":
            if not sign:
                raise RuntimeError("the browser has ended")
            message += sign
        return dict(json.loads(message))


def check(ok: bool, what: str) -> None:
    print(f"{'ok' if ok else 'NOT OK'}: {what}")
    if not ok:
        raise SystemExit(1)


def look(browser: Browser, pictures: Path) -> None:
    file = pictures / "page.html"
    page = hostile_page(datetime.now(timezone.utc))
    file.write_text(html(page), encoding="utf-8")
    browser.open(file.as_uri())
    check(browser.value("window.ran") is None, "nothing of the names is run")
    check(browser.value("document.title") == "tdl_sync: 42 %", "the title is ours")
    links = browser.value("[...document.querySelectorAll('a')].map(a => a.href)")
    check(
        links == [f"{file.as_uri()}?", "https://t.me/c/1234/4711"], "links lead to Telegram alone"
    )
    strange = "script,img,iframe,object,base,form,link,[onload],[onerror],style~style"
    check(
        browser.value(f"document.querySelectorAll('{strange}').length") == 0, "no strange element"
    )
    for name, size in (("desk", DESK), ("phone", PHONE)):
        for is_dark in (False, True):
            browser.picture(
                pictures / f"{name}-{'dark' if is_dark else 'light'}.png", size, is_dark=is_dark
            )
        wide = browser.value("document.documentElement.scrollWidth")
        check(wide <= size[0], f"on a {name} nothing is wider than {size[0]} ({wide})")
    is_stale = "getComputedStyle(document.querySelector('.stale')).display !== 'none'"
    check(browser.value(is_stale) is False, "a page that was just opened complains of nothing")
    later = replace(page, written_at=page.written_at + timedelta(seconds=10), headline="43 %")
    file.write_text(html(later), encoding="utf-8")
    time.sleep(RELOAD_SECONDS + 3)
    check(browser.value("document.title") == "tdl_sync: 43 %", "it loads itself again")
    check(browser.value(is_stale) is False, "one that was renewed complains of nothing")
    time.sleep(RELOAD_SECONDS + 3)
    check(browser.value(is_stale) is True, "one that was not renewed says so")
    browser.picture(pictures / "stale.png", PHONE, is_dark=False)
    file.write_text(html(hostile_page(later.written_at, lives=False)), encoding="utf-8")
    browser.value("document.querySelector('.stale a').click()")
    time.sleep(3)
    ended = browser.value("document.querySelector('.stale') === null")
    check(ended, "who looks again finds that the run has ended")
    others = {each for each in browser.requests if not each.startswith(file.as_uri())}
    check(others <= {"about:blank"}, f"nothing else is fetched: {sorted(others)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="where the pictures go")
    parser.add_argument("--browser", default="chromium")
    arguments = parser.parse_args()
    program = shutil.which(arguments.browser)
    if program is None:
        parser.error(f"there is no {arguments.browser} on this machine")
    arguments.directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(program, Path(profile))
        try:
            look(browser, arguments.directory.resolve())
        finally:
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
