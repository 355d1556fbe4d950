"""A run asks Drive no more than it has to."""

from __future__ import annotations

from collections import Counter

from standins.telegram.world import worlds
from tests.e2e.conftest import SetScene
from tests.e2e.expectations import assert_moved

PROOF = Counter(
    {
        "files.get": 1,  # the drive that the path begins in
        "files.list": 3  # the folders there, in a and in b
        + 1  # rclone looks whether the proof's name is free, once
        + 1  # what was sent is shown
        + 1  # where it lies, to be removed
        + 1,  # what runs that were killed have left
        "upload.start": 1,
        "upload.finish": 1,
        "files.update": 1,  # into the bin
        "about.get": 1,  # the room that is left, beside
    }
)
CHAT = Counter({"files.list": 1})  # its folder, with all that is in it


def test_a_run_with_nothing_new_asks_drive_for_so_much_and_no_more(scene: SetScene) -> None:
    on = scene(worlds.files(sizes=[1000, 2000]))
    assert_moved(on.run(), 2)
    on.drive.statistics.reset()
    ended = on.run()
    assert (ended.exit_status, ended.numbers()["seen"]) == (0, 0), ended.stderr
    assert Counter(on.drive.statistics.counts().calls) == PROOF + CHAT


def test_a_first_run_asks_drive_for_so_much_and_no_more(scene: SetScene) -> None:
    """It makes each folder by one request, which rclone precedes with a look of its own, and sees
    it once before it uses it. What it alone has made it does not list."""
    on = scene(worlds.files(sizes=[1000]))
    assert_moved(on.run(), 1)
    making = Counter({"files.list": 2, "files.create": 1})
    file = Counter({"files.list": 1, "upload.start": 1, "upload.finish": 1})
    there_already = Counter({"files.list": 2})  # what is in a, and in b
    opened = Counter({"files.get": 1})  # the same drive, where no request is tried again
    expected = PROOF - there_already + opened + making + making + making + file
    assert Counter(on.drive.statistics.counts().calls) == expected
