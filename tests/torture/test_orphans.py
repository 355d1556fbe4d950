"""What an rclone has moved counts, also if its program was killed meanwhile; and an rclone that
outlives its program is waited for."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from scripts.rclones import uploaded_by, uploads_below
from standins.drive.faults import Fault
from standins.telegram.world import worlds
from tests.e2e.conftest import Scene, SetScene, scene, set_stage
from tests.e2e.expectations import assert_on_remote, wanted
from tests.e2e.program import PATIENCE_SECONDS, SOURCE, Ended, Running
from tests.waiting import until

__all__ = ["scene"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


SENT_BYTES = 1_000_000


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Scene]:
    """A chat with one file that takes two seconds to upload."""
    with ExitStack() as stack:
        yield set_stage(stack, tmp_path)(worlds.files(sizes=[4_000_000]))


def killed_in_mid_upload(local: Scene) -> psutil.Process:
    """What is left of a run: the rclone that was uploading, stopped before the kill."""
    slowly = {"RCLONE_BWLIMIT_FILE": "2M", "RCLONE_DISABLE": "Move"}
    running = local.machine.start("-u", SOURCE, variables=slowly)
    rclone = uploading(running, local.machine.staging_directory)
    rclone.suspend()
    running.kill()
    return rclone


def uploading(running: Running, staging: Path) -> psutil.Process:
    found: list[psutil.Process] = []

    def look() -> bool:
        found.extend(uploads_below(running.process.pid, staging))
        return bool(found)

    running.wait_until(look)
    return found[0]


def assert_moved_once(local: Scene, ended: Ended) -> None:
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert ended.numbers()["done"] == ended.numbers()["seen"] == 1
    assert_on_remote(local.machine, (local.world.source, wanted(local.world.source)))
    assert set(local.telegram.statistics.counts().parts.values()) == {1}


def test_no_run_works_beside_an_rclone_of_a_killed_one_that_does_not_end(local: Scene) -> None:
    """Whatever holds it up, when it comes back it may still upload, or delete what it has sent."""
    rclone = killed_in_mid_upload(local)
    try:
        ended = local.machine.run("-u", SOURCE)
        assert ended.exit_status == 5, ended.stderr
        assert "another run uses the staging directory" in ended.said
        assert len(list(local.machine.staging_directory.glob("*.staged"))) == 1
    finally:
        rclone.resume()
    # Its program is gone: it notices that and ends by itself.
    rclone.wait(PATIENCE_SECONDS)
    assert_moved_once(local, local.machine.run("-u", SOURCE))


def test_what_has_arrived_when_the_program_is_killed_is_not_sent_again(scene: SetScene) -> None:
    """Drive has the file, and neither rclone nor the program has heard so."""
    on = scene(worlds.files(sizes=[SENT_BYTES]))
    on.drive.faults.add(Fault("answer_held", call="upload.finish", of_bytes=SENT_BYTES))
    running = on.start()
    running.wait_until(lambda: [file.size_bytes for file in on.present()][-1:] == [SENT_BYTES])
    rclone = uploading(running, on.machine.staging_directory)
    running.kill()
    until(lambda: uploaded_by(rclone, on.machine.staging_directory) == set())
    assert len(on.staged()) == 1
    on.drive.faults.clear()
    on.drive.statistics.reset()
    ended = on.run()
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert ended.numbers()["done"] == ended.numbers()["seen"] == 1
    on.assert_all_there()
    assert on.drive.statistics.received_bytes < SENT_BYTES
    assert set(on.telegram.statistics.counts().parts.values()) == {1}


def test_the_next_run_waits_for_an_rclone_of_the_killed_one_that_ends_soon(local: Scene) -> None:
    rclone = killed_in_mid_upload(local)
    try:
        running = local.machine.start("-u", SOURCE)
        # Enough for a run to come to the lock that the rclone holds, and less than it waits there.
        time.sleep(2.0)
    finally:
        rclone.resume()
    assert_moved_once(local, running.wait())
