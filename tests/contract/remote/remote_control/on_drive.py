"""One rclone with its remote control and a Drive that can be made to fail."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from standins.drive.api.tokens import ACCESS_TOKEN_SECONDS
from standins.drive.files.world import DriveFile
from standins.drive.server import DriveStandIn
from tests.contract.remote.remote_control.raw_rclone import Answer, RawRclone

FOLDER = "a chat's folder"
AT_ONCE = {"LowLevelRetries": 1}
"""What rclone does not do again by itself, when the remote was opened with it, too."""

EARLIER = "2020-01-01T00:00:00Z"


def encrypt(config: Path, password: str) -> None:
    """By the current rclone, which can do it without a terminal."""
    subprocess.run(
        ["rclone", "config", "encryption", "set", f"--config={config}"],
        env={**os.environ, "RCLONE_PASSWORD_COMMAND": f"echo {password}"},
        check=True,
        capture_output=True,
    )


class OnDrive:
    """Whose remote is ``gdrive``, and where files are staged."""

    def __init__(
        self, drive: DriveStandIn, executable: str, directory: Path, closing: ExitStack
    ) -> None:
        self.drive = drive
        self._executable = executable
        self._directory = directory
        self._closing = closing
        self._rclone: RawRclone | None = None
        self._password = ""
        self.staging = directory / "staging"
        self.staging.mkdir(exist_ok=True)

    def start(
        self,
        *options: str,
        token_seconds: int = ACCESS_TOKEN_SECONDS,
        section: str = "",
        environment: Mapping[str, str] | None = None,
        password: str = "",
    ) -> OnDrive:
        """``section`` is what the remote's section has besides, and what follows it.

        With ``password`` the configuration is encrypted.
        """
        config = self.drive.rclone_config(self._directory, token_seconds=token_seconds)
        if section:
            text = config.read_text().replace("[gdrive]\n", "").partition("\n\n")[0]
            config.write_text(f"[gdrive]\n{text}\n{section}")
        self._password = password
        if password:
            encrypt(config, password)
            environment = {**(environment or {}), "RCLONE_CONFIG_PASS": password}
        variables = {**self.drive.environment(), **(environment or {})}
        rclone = RawRclone(self._executable, config, variables, *options)
        self._rclone = self._closing.enter_context(rclone)
        return self

    @property
    def rclone(self) -> RawRclone:
        assert self._rclone is not None
        return self._rclone

    def make_folder(self, name: str = FOLDER, **options: str) -> str:
        """The remote string of the new folder, by its id and with these options."""
        assert self.call("operations/mkdir", fs="gdrive:", remote=name).succeeded
        (folder,) = [file for file in self.there(name) if file.is_folder]
        self.forget_calls()
        options = {"root_folder_id": folder.file_id, "pacer_min_sleep": "10ms", **options}
        return f"gdrive,{','.join(f'{name}={value}' for name, value in options.items())}:"

    def put_into_the_bin(self, name: str = FOLDER) -> None:
        """By a remote string that nobody else uses."""
        other = "gdrive,description=bin,pacer_min_sleep=10ms:"
        assert self.call("operations/purge", fs=other, remote=name).succeeded
        assert self.there(name) == []
        self.forget_calls()

    def stage(self, name: str, content: bytes = b"content") -> Path:
        path = self.staging / name
        path.write_bytes(content)
        return path

    def call(self, command: str, /, **parameters: Any) -> Answer:
        return self.rclone.call(command, **parameters)

    def move(self, source: Path, remote: str, name: str, **more: Any) -> Answer:
        return self.call("operations/movefile", **self.of_a_move(source, remote, name), **more)

    def of_a_move(self, source: Path, remote: str, name: str) -> dict[str, str]:
        return {
            "srcFs": str(source.parent),
            "srcRemote": source.name,
            "dstFs": remote,
            "dstRemote": name,
        }

    def look(self, remote: str, **more: Any) -> Answer:
        return self.call("operations/list", fs=remote, remote="", **more)

    @property
    def calls(self) -> dict[str, int]:
        """Drive's calls since they were forgotten."""
        return self.drive.statistics.counts().calls

    def forget_calls(self) -> None:
        self.drive.statistics.reset()

    def there(self, path: str) -> list[DriveFile]:
        """What has that path and is not in the bin."""
        return [file for file in self.drive.files("user") if file.path == path and not file.trashed]

    def in_the_bin(self, path: str) -> list[DriveFile]:
        return [file for file in self.drive.files("user") if file.path == path and file.trashed]

    def token(self) -> dict[str, Any]:
        """As the configuration has it now."""
        section = self.call("config/get", name="gdrive").said
        token: dict[str, Any] = json.loads(section["token"])
        return token

    def token_ends_in_seconds(self) -> float:
        ends = datetime.fromisoformat(self.token()["expiry"])
        return (ends - datetime.now(timezone.utc)).total_seconds()

    def renew_the_token_elsewhere(self) -> None:
        """As another rclone does, into the same configuration."""
        config = self.drive.rclone_config(self._directory)
        if self._password:
            encrypt(config, self._password)

    def make_the_token_old(self) -> Answer:
        token = json.dumps({**self.token(), "expiry": EARLIER})
        return self.call(
            "config/update",
            name="gdrive",
            parameters={"token": token},
            opt={"nonInteractive": True},
        )
