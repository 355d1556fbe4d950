"""A run's start on Drive takes no longer than it has to: a large folder in which nothing is new is
not listed, and a chat's first folder waits for no other machine where none is at work.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from standins.drive.shaping import Shaping
from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from standins.telegram.world.plan import FilePlan
from tdl_sync.remote import one_of_several
from tdl_sync.run import unlisted
from tdl_sync.state.claims import Subject, claim_text
from tdl_sync.state.run_state import RunIdentity
from tests.contract.rclones import Looker
from tests.e2e.conftest import REMOTE, SetScene
from tests.e2e.expectations import assert_moved, state_texts, the_state
from tests.e2e.program import Machine
from tests.standins.rclone_on_drive import executable

TOLD = "there is more than one file in gdrive:a/b"
NEWS = "stand_in_news"
ELSEWHERE = Subject("other:place", 7, "0123456789abcdef", "Another")
ANOTHER_RUN = RunIdentity("there", 2, "there-2", "another machine", 1_714_990_000, 300)
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


FOLDERS_THERE = {
    "nothing": (),
    "half of the path": ("a",),
    "an empty folder": ("a", "b"),
    "another chat": ("a", "b", "Another chat [-1001]"),
}


@pytest.mark.parametrize("there", FOLDERS_THERE.values(), ids=FOLDERS_THERE)
def test_a_first_run_waits_for_no_other_machine_where_none_is_at_work(
    scene: SetScene, monkeypatch: pytest.MonkeyPatch, there: Sequence[str]
) -> None:
    """Whatever is there of the remote's folder. What the run has claimed it releases."""
    on = scene(worlds.files(sizes=[1000, 2000]))
    parent = "root"
    for name in there:
        parent = on.drive.put_folder(parent, name)
    monkeypatch.setattr(one_of_several, "WAIT_SECONDS", 3600.0)
    assert_moved(on.run(), 2)
    assert the_state(on.world)["status"] == "complete"


def test_a_first_run_waits_where_another_run_may_be_making_the_remotes_folder(
    scene: SetScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = scene(worlds.files(sizes=[1000, 2000]))
    on.world.saved_messages.append(text=claim_text(ELSEWHERE, ANOTHER_RUN))
    monkeypatch.setattr(one_of_several, "ALONE_SECONDS", 0.5)
    monkeypatch.setattr(one_of_several, "WAIT_SECONDS", 2.0)
    ended = on.run()
    assert_moved(ended, 2)
    assert "'gdrive:a/b' yet, and another run of this account is at work: waiting" in ended.stderr
    assert "nothing is in the folder 'gdrive:a' yet: waiting 2 s" in ended.stderr


def test_a_first_run_of_a_part_waits_for_the_other_parts_runs(
    scene: SetScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be another account's, and not seen."""
    on = scene(worlds.files(sizes=[1000, 2000]))
    monkeypatch.setattr(one_of_several, "WAIT_SECONDS", 2.0)
    ended = on.run("--shard", "1/2")
    assert_moved(ended, 2)
    assert "nothing is in the folder 'gdrive:a' yet: waiting 2 s" in ended.stderr


def test_a_first_run_that_comes_to_no_chat_leaves_no_claim(scene: SetScene) -> None:
    on = scene(worlds.files(sizes=[1000]))
    on.telegram.faults.add(
        Fault("error", rpc="contacts.ResolveUsername", text="USERNAME_NOT_OCCUPIED", code=400)
    )
    ended = on.run()
    assert ended.exit_status == 2, ended.stderr
    assert "messages.SendMessage" in on.telegram.statistics.counts().calls
    assert state_texts(on.world) == {}


def test_two_first_runs_of_one_account_move_their_two_chats_into_one_folder(
    scene: SetScene, tmp_path: Path
) -> None:
    """They start at once, and Drive shows each what the other has made late. Where each has seen
    that the other begins as well both may make it, and what then counts for none stays empty."""
    on = scene(worlds.files(sizes=[1000, 2000]))
    on.drive.shaping = Shaping(0.05, listing_lag_seconds=0.75, lags_differ=True)
    (news,) = (each for each in on.world.channels.values() if each.username == NEWS)
    news.append(file=FilePlan("document", 4000, "news.bin", "application/octet-stream", 2))
    other = Machine(tmp_path / "other", on.telegram)
    other.rclone_config.unlink()
    on.drive.rclone_config(other.directory)
    for machine in (on.machine, other):
        machine.variables.update(on.drive.environment())
        machine.variables["RCLONE_DRIVE_PACER_MIN_SLEEP"] = "1ms"
        machine.variables["TESTS_FOLDER_WAIT_SECONDS"] = "3.5"
    for running in [on.start(), other.start("-u", f"@{NEWS}", "--remote", REMOTE)]:
        ended = running.wait()
        assert ended.exit_status == 0, ended.stderr
    present = on.present()
    folders = [each for each in present if each.is_folder]
    assert len({each.path for each in folders}) == 4  # the path's two, and the chats'
    used = {parent for each in present for parent in each.parents}
    assert sorted(each.path for each in folders if each.file_id in used) == sorted(
        {each.path for each in folders}
    )
