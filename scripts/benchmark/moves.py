"""Whole runs of the program that move a chat to a remote, measured from its start to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmark.frame import (
    MEGABYTE,
    BenchFailed,
    Checkout,
    StandInProcess,
    median,
    stand_in,
    temporary_directory,
)
from scripts.benchmark.program import Look, StagingLook, run_program
from tests.contract.rclone_servers import S3_KEY, S3_SECRET, can_serve, served

CALL_SECONDS = 0.15
"""What Google's answers take."""

LARGE_FILE_BYTES = 10 * MEGABYTE
"""From here on a speed is told in bytes."""


@dataclass(frozen=True)
class Remote:
    """An empty place to move to, and an empty directory for the machine that moves.

    No other has the same path: what Telegram keeps of a run is about the path.
    """

    path: str
    environment: Mapping[str, str]
    machine: Path
    calls_so_far: Callable[[], int] | None = None
    """None where nobody counts them."""


MakeRemote = Callable[[], AbstractContextManager[Remote]]


@contextmanager
def drive_remote() -> Iterator[Remote]:
    """The stand-in for Drive at 150 ms a call, its line as fast as it goes."""
    with stand_in("standins.drive") as drive, temporary_directory() as machine:
        drive.ask("shaping", {"call_seconds": CALL_SECONDS})
        yield Remote(
            f"gdrive:{machine.name}",
            drive.environment,
            machine,
            lambda: int(drive.ask("statistics")["api_calls"]),
        )


@contextmanager
def webdav_remote() -> Iterator[Remote]:
    with _served("webdav", lambda url: f"type = webdav\nurl = {url}\nvendor = other\n") as remote:
        yield remote


@contextmanager
def s3_remote() -> Iterator[Remote]:
    if not can_serve("s3"):
        raise BenchFailed("this rclone can't serve S3 (that came with 1.65)")
    with _served(
        "s3",
        lambda url: (
            f"type = s3\nprovider = Other\nendpoint = {url}\n"
            f"access_key_id = {S3_KEY}\nsecret_access_key = {S3_SECRET}\n"
        ),
    ) as remote:
        yield remote


@contextmanager
def local_remote() -> Iterator[Remote]:
    """A directory on the disk that is staged on: a move is a renaming."""
    with temporary_directory() as machine:
        yield Remote(str(machine / "remote"), {"RCLONE_CONFIG": ""}, machine)


@contextmanager
def _served(protocol: str, section: Callable[[str], str]) -> Iterator[Remote]:
    with temporary_directory() as machine:
        directory = machine / "served"
        directory.mkdir()
        config = machine / "rclone.conf"
        config.touch(mode=0o600)
        with served(protocol, directory) as url:
            config.write_text(f"[served]\n{section(url)}")
            yield Remote(f"served:bench/{machine.name}", {"RCLONE_CONFIG": str(config)}, machine)


@dataclass(frozen=True)
class Moved:
    """What one run needed."""

    files: int
    bytes: int
    seconds: float
    start_seconds: float
    """Of these, until the first file was seen in the staging directory."""
    cpu_seconds: float
    """Of the program and of all that it has started."""
    calls_without_start: int | None
    """To the remote's service, from the first download on."""

    @property
    def moving_seconds(self) -> float:
        """Without the start, which doesn't grow with the job."""
        return self.seconds - self.start_seconds

    @property
    def files_per_second(self) -> float:
        """While it moves."""
        return self.files / self.moving_seconds

    @property
    def megabytes_per_second(self) -> float:
        """While it moves."""
        return self.bytes / self.moving_seconds / MEGABYTE

    @property
    def calls_per_file(self) -> float:
        """To a remote that counts them."""
        assert self.calls_without_start is not None
        return self.calls_without_start / self.files

    @property
    def cpu_seconds_per_file(self) -> float:
        return self.cpu_seconds / self.files


def move_chat(
    checkout: Checkout,
    telegram: StandInProcess,
    remote: Remote,
    files: int,
    *arguments: str,
    looks: Sequence[Look] = (),
) -> Moved:
    """Move all ``files`` of the chat. Raises ``BenchFailed`` if it were more or less."""
    calls_at_start: list[int] = []

    def note_calls() -> None:
        if remote.calls_so_far is not None:
            calls_at_start.append(remote.calls_so_far())

    staging = StagingLook(remote.machine, note_calls)
    finished = run_program(
        checkout,
        remote.machine,
        {**telegram.environment, **remote.environment},
        "-u",
        f"@{telegram.greeting['username']}",
        "--remote",
        remote.path,
        *arguments,
        looks=[staging, *looks],
    )
    if finished.result["done"] != str(files):
        raise BenchFailed(f"{checkout.name} moved {finished.result} instead of {files} files")
    calls = None
    if remote.calls_so_far is not None and calls_at_start:
        calls = remote.calls_so_far() - calls_at_start[0]
    return Moved(
        files,
        int(finished.result["bytes"]),
        finished.seconds,
        staging.start_seconds,
        finished.cpu_seconds,
        calls,
    )


def figures(runs: Sequence[Moved]) -> str:
    """The medians."""
    if runs[0].bytes / runs[0].files < LARGE_FILE_BYTES:
        speed = f"{median([each.files_per_second for each in runs]):.1f} files/s"
    else:
        speed = f"{median([each.megabytes_per_second for each in runs]):.1f} MB/s"
    seconds = f"{median([each.seconds for each in runs]):.1f} s"
    if all(each.start_seconds for each in runs):
        seconds += f" with a start of {median([each.start_seconds for each in runs]):.1f} s"
    cpu = f"{median([each.cpu_seconds_per_file for each in runs]) * 1000:.0f} ms CPU a file"
    parts = [speed, seconds, cpu]
    if all(each.calls_without_start is not None for each in runs):
        parts.append(f"{median([each.calls_per_file for each in runs]):.2f} calls a file")
    return ", ".join(parts)
