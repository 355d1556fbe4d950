"""The stand-in as a process of its own, and what it says to each line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tests.standins.rclone_on_drive import IMPATIENT, executable
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]


class Process:
    """A running stand-in; `started` is its first line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.started = self._read()

    def tell(self, **commands: Any) -> dict[str, Any]:
        self.stdin.write(json.dumps(commands) + "\n")
        self.stdin.flush()
        return self._read()

    def rclone(self, *arguments: str) -> int:
        environment = {**os.environ, **IMPATIENT, **self.started["environment"]}
        return subprocess.run(
            [executable(), *arguments],
            env=environment,
            input=b"data",
            timeout=PATIENCE_SECONDS,
            check=False,
        ).returncode

    @property
    def stdin(self) -> IO[str]:
        assert self.process.stdin is not None
        return self.process.stdin

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


@pytest.fixture
def drive() -> Iterator[Process]:
    with started_drive() as process:
        yield process


@contextmanager
def started_drive() -> Iterator[Process]:
    with subprocess.Popen(
        [sys.executable, "-m", "standins.drive"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Process(process)
        finally:
            process.kill()


def test_rclone_needs_nothing_but_the_environment(drive: Process) -> None:
    assert drive.rclone("rcat", "gdrive:file") == 0
    (file,) = drive.tell(files=True)["files"]
    assert (file["path"], file["size_bytes"]) == ("file", 4)
    statistics = drive.tell(statistics=True)["statistics"]
    assert statistics["received_bytes"] == 4
    assert statistics["unknown_requests"] == []


def test_calls_are_noted_with_their_times_from_when_that_is_asked_for(drive: Process) -> None:
    assert drive.rclone("rcat", "gdrive:before") == 0
    drive.tell(shaping={"call_seconds": 0.01}, note_calls=True)
    began = time.monotonic()
    assert drive.rclone("rcat", "gdrive:file") == 0
    ended = time.monotonic()
    noted = drive.tell(noted_calls=True)["noted_calls"]
    assert Counter(name for name, *_ in noted)["upload.multipart"] == 1, noted
    for _, call_began, call_ended in noted:
        assert began < call_began <= call_ended - 0.01 < ended


def test_faults_and_shaping_are_set_by_a_line_each(drive: Process) -> None:
    assert drive.tell(shaping={"call_seconds": 0.001}) == {"shaping": None}
    assert drive.tell(faults=[{"kind": "unauthorized"}]) == {"faults": None}
    assert drive.rclone("rcat", "gdrive:file") == 1
    assert drive.tell(strikes=True) == {"strikes": [1]}
    assert drive.rclone("rcat", "gdrive:file") == 0
    assert drive.tell(expire_access_tokens=True) == {"expire_access_tokens": None}
    assert drive.rclone("rcat", "gdrive:file") == 1


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ({"fault": []}, "no such command: fault"),
        ({"faults": [{"kind": "explode"}]}, "fault kind 'explode'"),
        ({"faults": [{"kind": "cut", "colour": 1}]}, "a fault has no colour"),
        ({"shaping": {"speed": 1}}, "speed"),
    ],
)
def test_a_line_that_makes_no_sense_is_answered_with_what_is_wrong(
    drive: Process, line: dict[str, Any], complaint: str
) -> None:
    assert complaint in drive.tell(**line)["error"]
    assert drive.tell(drop_connections=True) == {"drop_connections": 0}


def test_it_ends_with_its_input(drive: Process) -> None:
    drive.stdin.close()
    assert drive.process.wait(PATIENCE_SECONDS) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
def test_it_ends_on_sigterm(drive: Process) -> None:
    drive.process.send_signal(signal.SIGTERM)
    assert drive.process.wait(PATIENCE_SECONDS) == 0
