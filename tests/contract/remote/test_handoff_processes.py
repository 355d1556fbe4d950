"""Hand-offs as processes: what ends them, what they inherit, and that the file is kept."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tdl_sync.core.errors import HandOffFailed, RcloneEnded, Stopped
from tdl_sync.core.model import StagedFile
from tdl_sync.core.ports import HandOff
from tdl_sync.remote.check import check_remote
from tests.contract.conftest import RCLONES
from tests.contract.old_rclone import old_rclone
from tests.contract.places import (
    FOLDER,
    OBSCURED_PASSWORD,
    FakePlace,
    Place,
    RclonePlace,
    hand_off,
    ignore_bytes,
    stage,
)
from tests.contract.rclones import opened_control
from tests.fakes.handoff import FakeHandOff
from tests.standins.rclone_on_drive import executable
from tests.waiting import PATIENCE_SECONDS, finished, in_thread, result_of, until

CONTENT = b"x" * 200_000

ALL_DAY = 10_000
"""Seconds that no test waits for."""


def encrypted_place(
    closing: ExitStack, directory: Path, *user_options: str, program: str | None = None
) -> RclonePlace:
    """Encrypted, since a plain move within one disk is a rename and takes no time."""
    config = directory / "rclone.conf"
    config.write_text(
        f"[crypt]\ntype = crypt\nremote = {directory}/remote\nfilename_encryption = off\n"
        f"suffix = none\ndirectory_name_encryption = false\npassword = {OBSCURED_PASSWORD}\n"
    )
    control = opened_control(closing, program, config, *user_options)
    remote = check_remote(control, "crypt:base")
    return RclonePlace(control, hand_off(control, remote), remote)


MakeSlowPlace = Callable[[int], Place]


@pytest.fixture(params=["crypt", "fake"])
def slow_place(request: pytest.FixtureRequest, tmp_path: Path, closing: ExitStack) -> MakeSlowPlace:
    """Called with the seconds that a move of ``CONTENT`` takes."""

    def make(seconds: int) -> Place:
        if request.param == "fake":
            return FakePlace(FakeHandOff(seconds_per_move=seconds))
        return encrypted_place(closing, tmp_path, f"--bwlimit-file={len(CONTENT) // seconds}B")

    return make


class Sending:
    """A move in a thread of its own that has begun to send, and has told so."""

    def __init__(self, handoff: HandOff, staged: StagedFile) -> None:
        begun = threading.Event()

        def on_bytes(total_bytes: int) -> None:
            if total_bytes > 0:
                begun.set()

        handoff.prepare_folder(FOLDER)
        self.move = in_thread(lambda: handoff.move(staged, FOLDER, "1_a", on_bytes))
        until(lambda: begun.is_set() or self.move.done())
        assert begun.is_set(), self.move.exception()


def test_a_failed_move_keeps_the_file_and_the_next_attempt_works(
    tmp_path: Path, staging: Path, closing: ExitStack
) -> None:
    place = encrypted_place(closing, tmp_path)
    staged = stage(staging, b"precious")
    in_the_way = tmp_path / "remote" / "base" / FOLDER
    in_the_way.write_bytes(b"a file where the folder should be")
    with pytest.raises(HandOffFailed, match=r"rclone did not move it: .+; the next run"):
        place.handoff.move(staged, FOLDER, "1_a", ignore_bytes)
    assert staged.path.read_bytes() == b"precious"
    in_the_way.unlink()
    place.handoff.move(staged, FOLDER, "1_a", ignore_bytes)
    assert place.content(FOLDER, "1_a") == b"precious"


def test_a_move_that_ends_within_the_grace_is_done(
    slow_place: MakeSlowPlace, staging: Path
) -> None:
    place = slow_place(3)  # so that it has told of its first bytes before it ends
    staged = stage(staging, CONTENT)
    sending = Sending(place.handoff, staged)
    place.handoff.terminate(grace_seconds=PATIENCE_SECONDS)
    assert result_of(sending.move).name == "1_a"
    assert not staged.path.exists()
    assert place.content(FOLDER, "1_a") == CONTENT


def test_a_move_that_outlasts_the_grace_is_ended_and_keeps_its_file(
    slow_place: MakeSlowPlace, staging: Path
) -> None:
    place = slow_place(ALL_DAY)
    staged = stage(staging, CONTENT)
    sending = Sending(place.handoff, staged)
    place.handoff.terminate(grace_seconds=0.1)
    with pytest.raises(Stopped):
        result_of(sending.move)
    assert staged.path.read_bytes() == CONTENT


def test_a_second_terminate_cuts_a_long_grace_short(
    slow_place: MakeSlowPlace, staging: Path
) -> None:
    place = slow_place(ALL_DAY)
    staged = stage(staging, CONTENT)
    sending = Sending(place.handoff, staged)
    first = in_thread(lambda: place.handoff.terminate(float(ALL_DAY)))
    finished(lambda: place.handoff.terminate(grace_seconds=0))
    result_of(first)
    with pytest.raises(Stopped):
        result_of(sending.move)
    assert staged.path.read_bytes() == CONTENT


def running_rclone(directory: Path, parent: int) -> psutil.Process:
    """The one that this process has started for the place in this directory."""
    config = f"--config={directory}/rclone.conf"
    found = []
    for child in psutil.Process(parent).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # another one that ends meanwhile
            if config in child.cmdline():
                found.append(child)
    (rclone,) = found
    return rclone


def test_a_killed_rclone_fails_the_move_and_keeps_the_file(
    tmp_path: Path, staging: Path, closing: ExitStack
) -> None:
    place = encrypted_place(closing, tmp_path, "--bwlimit-file=10k")
    staged = stage(staging, CONTENT)
    sending = Sending(place.handoff, staged)
    running_rclone(tmp_path, os.getpid()).send_signal(signal.SIGKILL)
    with pytest.raises(RcloneEnded, match="killed by signal 9"):
        result_of(sending.move)
    assert staged.path.read_bytes() == CONTENT
    # An rclone before 1.63 may leave half a file on remotes that can't rename. It counts for
    # nothing: what is on the remote has to have the declared size.
    listed = place.handoff.prepare_folder(FOLDER)
    assert len(CONTENT) not in [file.size_bytes for file in listed]


MOVE_IN_ANOTHER_PROCESS = """
import sys
from contextlib import ExitStack
from pathlib import Path
from tests.contract.places import stage
from tests.contract.remote.test_handoff_processes import CONTENT, Sending, encrypted_place
tmp_path = Path(sys.argv[1])
place = encrypted_place(ExitStack(), tmp_path, "--bwlimit-file=10k", program=sys.argv[2])
sending = Sending(place.handoff, stage(tmp_path / "staging", CONTENT))
print("sending", flush=True)
sending.move.result()
"""


@pytest.mark.parametrize("which", RCLONES)
def test_when_the_program_is_killed_its_rclone_ends_and_the_file_is_kept(
    tmp_path: Path, staging: Path, which: str
) -> None:
    """What a directory may show of it is known by its size, or its name, as no whole file."""
    rclone = old_rclone() if which == "oldest" else executable()
    with subprocess.Popen(
        [sys.executable, "-c", MOVE_IN_ANOTHER_PROCESS, str(tmp_path), rclone],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"sending\n"
        orphan = running_rclone(tmp_path, program.pid)
        program.kill()
    orphan.wait(PATIENCE_SECONDS)
    assert (staging / "1.staged").read_bytes() == CONTENT
    left = [path for path in (tmp_path / "remote").rglob("*") if path.is_file()]
    assert [path for path in left if path.stat().st_size >= len(CONTENT)] == []


def test_rclone_gets_no_variable_of_ours_and_none_that_makes_moves_unsafe(
    tmp_path: Path, staging: Path, closing: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RCLONE_SIZE_ONLY would delete a file whose like-sized namesake is on the remote."""
    monkeypatch.setenv("TDL_SYNC_API_HASH", "secret")
    monkeypatch.setenv("RCLONE_SIZE_ONLY", "true")
    monkeypatch.setenv("RCLONE_LOG_FILE", str(tmp_path / "log"))
    monkeypatch.setenv("RCLONE_BWLIMIT", "200k")
    place = encrypted_place(closing, tmp_path)
    place.handoff.prepare_folder(FOLDER)
    place.handoff.move(stage(staging, b"old content"), FOLDER, "1_a", ignore_bytes)
    place.handoff.move(stage(staging, b"new content"), FOLDER, "1_a", ignore_bytes)
    assert place.content(FOLDER, "1_a") == b"new content"
    environment = running_rclone(tmp_path, os.getpid()).environ()
    assert not [name for name in environment if name.startswith("TDL_SYNC")]
    assert environment["RCLONE_BWLIMIT"] == "200k"
    assert not (tmp_path / "log").exists()
