"""An rclone with its remote control, started as a run starts it, to be asked by hand."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import secrets
import shutil
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from scripts import reaper
from tests.contract.old_rclone import old_rclone
from tests.waiting import PATIENCE_SECONDS

COMMAND = (
    *("serve", "sftp", "--stdio", ":memory:", "--rc", "--rc-addr=127.0.0.1:0"),
    *("-vv", "--use-json-log", "--ask-password=false"),
)


def rclone_named(version: str) -> str:
    """The ``current`` one or the ``oldest``. Skips where that is not to be had."""
    if version == "oldest":
        return old_rclone()
    found = shutil.which("rclone")
    assert found is not None
    return found


def run(executable: str, *command: str) -> str:
    """What it prints, without any variable of its own."""
    return subprocess.run(
        [executable, *command],
        env=_environment({}),
        capture_output=True,
        text=True,
        check=True,
    ).stdout


class RemoteControl:
    """Use it in ``with``. ``variables`` are those of rclone's that it has, beside ours."""

    def __init__(
        self,
        executable: str,
        config_file: Path,
        *arguments: str,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        password = secrets.token_hex(8)
        self._authorization = "Basic " + base64.b64encode(f"me:{password}".encode()).decode()
        self._process = subprocess.Popen(
            [executable, *COMMAND, f"--config={config_file}", *arguments],
            env={
                **_environment(variables or {}),
                "RCLONE_RC_USER": "me",
                "RCLONE_RC_PASS": password,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self._port = 0
        self._lines: list[str] = []
        self._serves = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> RemoteControl:
        self._reader.start()
        assert self._serves.wait(PATIENCE_SECONDS)
        if not self._port:
            self.__exit__()
            raise AssertionError("rclone does not serve: " + "".join(self._lines[-5:]))
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stderr is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE_SECONDS)
        self._reader.join()
        self._process.stderr.close()

    def call(self, method: str, **parameters: Any) -> Any:
        """Its answer. Fails unless rclone says that it has done it."""
        status, answer = self.ask(method, **parameters)
        assert status == 200, answer.get("error")
        return answer

    def ask(self, method: str, **parameters: Any) -> tuple[int, Any]:
        body = json.dumps(parameters, default=dict).encode()
        return self._post(f"/{method}", body, "application/json")

    def upload(self, name: str, content: bytes, **parameters: Any) -> None:
        """By ``operations/uploadfile``, which takes its parameters from the address."""
        texts = {
            key: value if isinstance(value, str) else json.dumps(value, default=dict)
            for key, value in parameters.items()
        }
        head = f'--B\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        body = head.encode() + content + b"\r\n--B--\r\n"
        address = f"/operations/uploadfile?{urlencode(texts)}"
        status, answer = self._post(address, body, "multipart/form-data; boundary=B")
        assert status == 200, answer.get("error")

    def _post(self, address: str, body: bytes, content_type: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_SECONDS)
        try:
            headers = {"Content-Type": content_type, "Authorization": self._authorization}
            connection.request("POST", address, body, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._lines.append(line.decode("utf-8", "replace"))
            served = re.search(r"http://127\.0\.0\.1:(\d+)/", self._lines[-1])
            if served and not self._port:
                self._port = int(served[1])
                self._serves.set()
        self._serves.set()


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("RCLONE_")}
    return {**own, **variables, **reaper.mark()}
