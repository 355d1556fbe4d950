"""A run's start on Drive takes no longer than it has to: a large folder in which nothing is new is
not listed, and a chat's first folder waits for no other machine where none is at work.
"""

from __future__ import annotations

import pytest

from standins.telegram.world import worlds
from standins.telegram.world.plan import FilePlan
from tdl_sync.remote import one_of_several
from tdl_sync.run import unlisted
from tests.contract.rclones import Looker
from tests.e2e.conftest import SetScene
from tests.e2e.expectations import assert_moved
from tests.standins.rclone_on_drive import executable

TOLD = "there is more than one file in gdrive:a/b"
EMPTIED = "of 3 files (6.0 kB) that earlier runs have moved none is there now"


@pytest.mark.parametrize(
    ("listed_at_once", "is_listed"), [(2, False), (3, True)], ids=["large", "small"]
)
def test_what_is_in_a_large_folder_is_looked_at_when_there_is_something_to_do(
    scene: SetScene, monkeypatch: pytest.MonkeyPatch, listed_at_once: int, is_listed: bool
) -> None:
    """Until then a name that is there twice is not told; in a small folder it always is."""
    monkeypatch.setattr(unlisted, "LISTED_AT_ONCE_FILES", listed_at_once)
    on = scene(worlds.files(sizes=[1000, 2000, 3000]))
    del on.machine.variables["RCLONE_DISABLE"]  # for disks: nobody has Drive rename nothing
    assert_moved(on.run(), 3)
    (whole,) = (each for each in on.present() if each.name.startswith("1_"))
    on.drive.put_file(whole.parents[0], whole.name, whole.data or b"")
    nothing_new = on.run()
    assert (nothing_new.exit_status, nothing_new.result["status"]) == (0, "complete")
    assert "nothing new; 3 files (6.0 kB) are there" in nothing_new.stderr
    assert (TOLD in nothing_new.stderr) is is_listed
    plan = FilePlan("document", 4000, "late.bin", "application/octet-stream", 2)
    on.world.source.append(file=plan)
    new = on.run()
    assert new.numbers()["done"] == 1, new.stderr
    assert TOLD in new.stderr


def test_a_large_folder_that_somebody_has_emptied_is_noticed_though_nothing_is_new(
    scene: SetScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By any one of its files."""
    monkeypatch.setattr(unlisted, "LISTED_AT_ONCE_FILES", 2)
    on = scene(worlds.files(sizes=[1000, 2000, 3000]))
    assert_moved(on.run(), 3)
    path = next(each.path for each in on.present() if not each.is_folder)
    folder = path.rpartition("/")[0]
    for name, value in on.machine.environment().items():
        monkeypatch.setenv(name, value)
    Looker(executable(), on.rclone_config).run(["delete"], f"gdrive:{folder}")
    assert EMPTIED in on.run().stderr


def test_a_chats_first_folder_waits_for_no_other_machine_where_none_is_at_work(
    scene: SetScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a remote's folder in which there is something already."""
    on = scene(worlds.files(sizes=[1000, 2000]))
    base = on.drive.put_folder(on.drive.put_folder("root", "a"), "b")
    on.drive.put_folder(base, "Another chat [-1001]")
    monkeypatch.setattr(one_of_several, "WAIT_SECONDS", 3600.0)
    assert_moved(on.run(), 2)
