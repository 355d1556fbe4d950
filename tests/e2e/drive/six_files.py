"""Six small files and Drive's refusals of them: what all tests of those share."""

from __future__ import annotations

from standins.telegram.world import worlds
from tests.e2e.conftest import DriveScene, SetScene

FILES = 6
PROBE = 1  # the file by which the program finds out whether it may write there


def six_files(scene: SetScene) -> DriveScene:
    """The first is the largest: it is sent in more than one piece with a chunk size of 256 kB."""
    return scene(worlds.files(sizes=[600_000, 1000, 2000, 3000, 4000, 5000]))


def assert_next_run_finishes(on: DriveScene) -> None:
    on.drive.faults.clear()
    ended = on.run()
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    on.assert_all_there()
