"""One rclone with its remote control, as it is without any program of ours around it."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

from scripts import reaper
from tests.waiting import PATIENCE_SECONDS, until

USER = "a user"
PASSWORD = "a password"

# What may not reach it, and what it needs to be started at all (on Windows, too).
_OURS = re.compile("RCLONE_|AWS_|.*_PROXY$", re.IGNORECASE)

LIVES_AS_LONG_AS_ITS_INPUT = ("serve", "sftp", "--stdio", ":memory:")
REMOTE_CONTROL = ("--rc", "--rc-addr=127.0.0.1:0")
LOG = ("-vv", "--stats=500ms", "--use-json-log")


BROKEN_OFF = (
    ": EOF",
    ": connection reset by peer",
    ": broken pipe",
    ": use of closed network connection",
    ": http: server closed idle connection",
)
TIMED_OUT = ("timeout awaiting response headers", "i/o timeout")


@dataclass(frozen=True)
class Answer:
    """``said`` is what it answered; of a failed call ``error`` is the text."""

    status: int
    said: dict[str, Any]

    @property
    def succeeded(self) -> bool:
        return self.status == 200

    @property
    def error(self) -> str:
        return str(self.said.get("error", ""))

    @property
    def was_broken_off(self) -> bool:
        """The other side has closed the connection. Which words Go has for it depends on which of
        its threads sees that first."""
        return self.error.endswith(BROKEN_OFF)

    @property
    def was_waited_for_too_long(self) -> bool:
        """The other side has said nothing. Two clocks with the same time tell it: that of the
        answer, and that of the connection."""
        return self.error.endswith(TIMED_OUT)


class RawRclone:
    """Started by ``start``, at its end closed by its input (as a context manager).

    Its log is read by a thread, to its end. Calls may be made from any thread.
    """

    def __init__(
        self,
        executable: str,
        config: Path | str = "",
        environment: Mapping[str, str] | None = None,
        *options: str,
        serve: Sequence[str] = LIVES_AS_LONG_AS_ITS_INPUT,
        control: Sequence[str] = REMOTE_CONTROL,
    ) -> None:
        self.command = [
            executable,
            *serve,
            *control,
            *LOG,
            "--ask-password=false",
            f"--config={config}",
            *options,
        ]
        self.environment = {
            **{name: value for name, value in os.environ.items() if not _OURS.match(name)},
            **reaper.mark(),
            "RCLONE_RC_USER": USER,
            "RCLONE_RC_PASS": PASSWORD,
            **(environment or {}),
        }
        self.log: list[str] = []
        self.port: int | None = None
        self._read_log = threading.Event()
        self._read_log.set()
        self._ended = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> RawRclone:
        """Returns when it says where it listens, or has ended without."""
        self.begin_to_start()
        until(lambda: self.port is not None or self._ended.is_set())
        return self

    def begin_to_start(self) -> None:
        """For one that will not say where it listens."""
        self._process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=self.environment,
        )
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def call(self, command: str, /, **parameters: Any) -> Answer:
        """Has the user and the password; its answer may take as long as tests wait."""
        body = json.dumps(parameters, default=dict).encode()
        return self.post(f"/{command}", body, "application/json")

    def done(self, command: str, /, **parameters: Any) -> Any:
        """What it answers. Fails unless rclone says that it has done it."""
        answer = self.call(command, **parameters)
        assert answer.succeeded, answer.error
        return answer.said

    def upload(self, name: str, content: bytes, **parameters: Any) -> None:
        """By ``operations/uploadfile``, which takes its parameters from the address."""
        texts = {
            key: value if isinstance(value, str) else json.dumps(value, default=dict)
            for key, value in parameters.items()
        }
        head = f'--B\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        body = head.encode() + content + b"\r\n--B--\r\n"
        path = f"/operations/uploadfile?{urlencode(texts)}"
        answer = self.post(path, body, "multipart/form-data; boundary=B")
        assert answer.succeeded, answer.error

    def post(
        self, path: str, body: bytes, content_type: str, password: str | None = PASSWORD
    ) -> Answer:
        """Without a password nobody is named."""
        connection = self.connection()
        try:
            headers = {"Content-Type": content_type, **_authorization(password)}
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        try:
            said = json.loads(text)
        except ValueError:
            said = {"not JSON": text.decode(errors="replace")}
        return Answer(response.status, said)

    def status_of(self, method: str, path: str, password: str | None = PASSWORD) -> int:
        connection = self.connection()
        try:
            connection.request(method, path, headers=_authorization(password))
            return connection.getresponse().status
        finally:
            connection.close()

    def begin(self, command: str, /, **parameters: Any) -> HTTPConnection:
        """A call whose answer nobody has read yet."""
        connection = self.connection()
        headers = {"Content-Type": "application/json", **_authorization(PASSWORD)}
        connection.request("POST", f"/{command}", json.dumps(parameters).encode(), headers)
        return connection

    def connection(self) -> HTTPConnection:
        assert self.port is not None, self.log
        return HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)

    def stop_reading_its_log(self) -> None:
        self._read_log.clear()

    def read_its_log_again(self) -> None:
        self._read_log.set()

    def catch_up_with_its_log(self) -> None:
        """Until all is read that it has said before this. An answer may be heard sooner than what
        was said on the way to it."""
        last = f"the last of {len(self.log)} lines"
        assert self.call("rc/noop", text=last).succeeded
        until(lambda: any("reply" in line and last in line for line in list(self.log)))

    def logged(self, text: str) -> list[dict[str, Any]]:
        """The records of its log whose message has that in it."""
        return [record for record in self.records() if text in str(record.get("msg"))]

    def records(self) -> list[dict[str, Any]]:
        found = []
        for line in list(self.log):
            try:
                found.append(json.loads(line))
            except ValueError:
                found.append({"msg": line})  # what it says before it obeys its options
        return found

    def kill(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def close_its_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def exit_status(self) -> int:
        """Once it has ended, and its log is read."""
        status = self.process.wait(PATIENCE_SECONDS)
        until(self._ended.is_set)
        return status

    def __enter__(self) -> RawRclone:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        self._read_log.set()
        self.close_its_input()
        try:
            self.process.wait(PATIENCE_SECONDS)
        finally:
            self.process.kill()
            self.process.wait()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            text = line.decode(errors="replace")
            self.log.append(text)
            found = re.search(r"http://127\.0\.0\.1:(\d+)/", text)
            if found and self.port is None:
                self.port = int(found[1])
            self._read_log.wait()
        self._ended.set()


def _authorization(password: str | None) -> dict[str, str]:
    if password is None:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(f"{USER}:{password}".encode()).decode()}
