"""Hand-offs as processes: what ends them, what they inherit, and that the file is kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tdl_sync.core.errors import HandOffFailed, Stopped
from tdl_sync.remote.check import check_remote
from tdl_sync.remote.rclone import Rclone
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
from tests.fakes.handoff import FakeHandOff


def encrypted_place(directory: Path, *extra: str) -> RclonePlace:
    """Encrypted, since a plain move within one disk is a rename and takes no time."""
    config = directory / "rclone.conf"
    config.write_text(
        f"[crypt]\ntype = crypt\nremote = {directory}/remote\nfilename_encryption = off\n"
        f"suffix = none\ndirectory_name_encryption = false\npassword = {OBSCURED_PASSWORD}\n"
    )
    rclone = Rclone.find(config_file=config, extra_arguments=extra)
    remote = check_remote(rclone, "crypt:base")
    return RclonePlace(Rclone.find(config_file=config), hand_off(rclone, remote), remote)


@pytest.fixture(params=["crypt", "fake"])
def slow_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A move of 400 kB takes about two seconds."""
    if request.param == "fake":
        return FakePlace(FakeHandOff(seconds_per_move=2.0))
    return encrypted_place(tmp_path, "--bwlimit=200k")


def test_a_failed_move_keeps_the_file_and_the_next_attempt_works(
    tmp_path: Path, staging: Path
) -> None:
    place = encrypted_place(tmp_path)
    staged = stage(staging, b"precious")
    in_the_way = tmp_path / "remote" / "base" / FOLDER
    in_the_way.write_bytes(b"a file where the folder should be")
    with pytest.raises(HandOffFailed, match=r"rclone ended with status 1: .+; the next run"):
        place.handoff.move(staged, FOLDER, "1_a", ignore_bytes)
    assert staged.path.read_bytes() == b"precious"
    in_the_way.unlink()
    place.handoff.move(staged, FOLDER, "1_a", ignore_bytes)
    assert place.content(FOLDER, "1_a") == b"precious"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


def test_a_move_that_ends_within_the_grace_is_done(
    slow_place: Place, staging: Path, pool: ThreadPoolExecutor
) -> None:
    slow_place.handoff.prepare_folder(FOLDER)
    staged = stage(staging, b"x" * 400_000)
    move = pool.submit(slow_place.handoff.move, staged, FOLDER, "1_a", ignore_bytes)
    time.sleep(0.5)
    slow_place.handoff.terminate(grace_seconds=60)
    assert move.result().name == "1_a"
    assert not staged.path.exists()
    assert slow_place.content(FOLDER, "1_a") == b"x" * 400_000


def test_a_move_that_outlasts_the_grace_is_ended_and_keeps_its_file(
    slow_place: Place, staging: Path, pool: ThreadPoolExecutor
) -> None:
    slow_place.handoff.prepare_folder(FOLDER)
    staged = stage(staging, b"x" * 400_000)
    move = pool.submit(slow_place.handoff.move, staged, FOLDER, "1_a", ignore_bytes)
    time.sleep(0.5)
    slow_place.handoff.terminate(grace_seconds=0.1)
    with pytest.raises(Stopped):
        move.result()
    assert staged.path.stat().st_size == 400_000


def test_a_second_terminate_cuts_a_long_grace_short(
    slow_place: Place, staging: Path, pool: ThreadPoolExecutor
) -> None:
    staged = stage(staging, b"x" * 400_000)
    slow_place.handoff.prepare_folder(FOLDER)
    move = pool.submit(slow_place.handoff.move, staged, FOLDER, "1_a", ignore_bytes)
    time.sleep(0.5)
    first = pool.submit(slow_place.handoff.terminate, 60.0)
    slow_place.handoff.terminate(grace_seconds=0)
    first.result()
    with pytest.raises(Stopped):
        move.result()
    assert staged.path.exists()


def running_rclone(parent: int) -> psutil.Process:
    """The rclone that this process has started, once it has begun to send."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for child in psutil.Process(parent).children(recursive=True):
            if "moveto" in child.cmdline():
                return child
        time.sleep(0.02)
    raise AssertionError("no rclone was started")


def test_a_killed_rclone_fails_the_move_and_keeps_the_file(
    tmp_path: Path, staging: Path, pool: ThreadPoolExecutor
) -> None:
    place = encrypted_place(tmp_path, "--bwlimit=100k")
    place.handoff.prepare_folder(FOLDER)
    staged = stage(staging, b"x" * 2_000_000)
    sending = threading.Event()
    move = pool.submit(place.handoff.move, staged, FOLDER, "1_a", lambda total_bytes: sending.set())
    assert sending.wait(20)
    running_rclone(os.getpid()).send_signal(signal.SIGKILL)
    with pytest.raises(HandOffFailed, match="killed by signal 9"):
        move.result()
    assert staged.path.stat().st_size == 2_000_000
    # An rclone before 1.63 may leave half a file on remotes that can't rename. It counts for
    # nothing: what is on the remote has to have the declared size.
    listed = place.handoff.prepare_folder(FOLDER)
    assert 2_000_000 not in [file.size_bytes for file in listed]


MOVE_IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
from tests.contract.places import FOLDER, stage
from tests.contract.remote.test_handoff_processes import encrypted_place
tmp_path = Path(sys.argv[1])
place = encrypted_place(tmp_path, "--bwlimit=100k")
place.handoff.prepare_folder(FOLDER)
staged = stage(tmp_path / "staging", b"x" * 2_000_000)
place.handoff.move(staged, FOLDER, "1_a", lambda sent: print("sending", flush=True))
"""


def test_when_the_program_is_killed_its_rclone_ends_and_the_file_is_kept(
    tmp_path: Path, staging: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", MOVE_IN_ANOTHER_PROCESS, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"sending\n"
        orphan = running_rclone(program.pid)
        program.kill()
    orphan.wait(10)
    assert (staging / "1.staged").stat().st_size == 2_000_000


def test_rclone_gets_no_variable_of_ours_and_none_that_makes_moves_unsafe(
    tmp_path: Path, staging: Path, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RCLONE_SIZE_ONLY would delete a file whose like-sized namesake is on the remote."""
    monkeypatch.setenv("TDL_SYNC_API_HASH", "secret")
    monkeypatch.setenv("RCLONE_SIZE_ONLY", "true")
    monkeypatch.setenv("RCLONE_LOG_FILE", str(tmp_path / "log"))
    monkeypatch.setenv("RCLONE_BWLIMIT", "200k")
    place = encrypted_place(tmp_path)
    place.handoff.prepare_folder(FOLDER)
    place.handoff.move(stage(staging, b"old content"), FOLDER, "1_a", ignore_bytes)
    place.handoff.move(stage(staging, b"new content"), FOLDER, "1_a", ignore_bytes)
    assert place.content(FOLDER, "1_a") == b"new content"
    staged = stage(staging, b"x" * 400_000)
    move = pool.submit(place.handoff.move, staged, FOLDER, "2_b", ignore_bytes)
    environment = running_rclone(os.getpid()).environ()
    assert not [name for name in environment if name.startswith("TDL_SYNC")]
    assert environment["RCLONE_BWLIMIT"] == "200k"
    move.result()
    assert not (tmp_path / "log").exists()
