"""Files that are on the remote twice all the same: they are seen, compared, and removed by their id
if somebody agrees."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import pytest

from standins.drive.faults import Fault, FaultKind
from standins.drive.files.world import DriveFile
from standins.drive.shaping import Shaping
from standins.telegram.world import worlds
from tdl_sync.remote import surplus_removal
from tests.contract.old_rclone import old_rclone
from tests.e2e.conftest import REMOTE, DriveScene, SetScene
from tests.e2e.expectations import assert_moved
from tests.e2e.looking.on_drive import path_on_drive, person_at
from tests.e2e.program import SOURCE, Ended
from tests.in_process import Answer, Person, run_here
from tests.standins.rclone_on_drive import executable
from tests.waiting import until

SIZES = [1000, 2000, 3000, 4000]
QUESTION = "Remove these 3 files from gdrive:a/b? [y/N] "


@pytest.fixture(params=["newest", "oldest"])
def rclone(request: pytest.FixtureRequest) -> str:
    return f"--rclone={executable() if request.param == 'newest' else old_rclone()}"


def moved(scene: SetScene, *arguments: str, sizes: Sequence[int] = SIZES) -> DriveScene:
    on = scene(worlds.files(sizes=list(sizes)))
    del on.machine.variables["RCLONE_DISABLE"]  # for disks: nobody has Drive rename nothing
    assert_moved(on.run(*arguments), len(sizes))
    return on


def files(on: DriveScene) -> dict[str, DriveFile]:
    """What is there, by id."""
    return {each.file_id: each for each in on.present() if not each.is_folder}


def put_beside(
    on: DriveScene, message_id: int, content: bytes | None = None, name: str = ""
) -> str:
    """One more file of a message, with its content and its name unless others are told; its id."""
    whole_name = f"{message_id}_file-{message_id}.bin"
    file = next(each for each in files(on).values() if each.name == whole_name)
    data = content if content is not None else file.data or b""
    return on.drive.put_file(file.parents[0], name or whole_name, data)


def verify(on: DriveScene, *arguments: str, person: Person | None = None) -> Ended:
    return run_here(
        on.machine, "verify", "-u", SOURCE, "--remote", REMOTE, *arguments, person=person
    )


def test_what_is_there_twice_is_removed_by_its_id_once_somebody_agrees(
    scene: SetScene, rclone: str
) -> None:
    """Of two with one name rclone itself would delete any."""
    on = moved(scene, rclone)
    right = files(on)
    same = put_beside(on, 1)
    renamed = put_beside(on, 2, name="2_copy.bin")
    same_again = put_beside(on, 1)
    users_own = put_beside(on, 3, b"notes", name="3_notes.txt")
    there = files(on).keys()

    looked = verify(on, rclone, "--json")
    (record,) = json.loads("\n".join(looked.stdout.splitlines()))
    assert looked.exit_status == 0
    assert sorted(
        (each["path"], each["content"], each["surplus"]) for each in record["double"]
    ) == [
        ("1_file-1.bin", "same", True),
        ("1_file-1.bin", "same", True),
        ("2_copy.bin", "same", True),
        ("3_notes.txt", "other", False),
    ]
    run = on.run(rclone)
    assert "of 2 messages there is more than one file in gdrive:a/b" in run.stderr
    assert "3 with the same content by their hash" in run.stderr

    unasked = verify(on, rclone, "--repair")
    assert "3 surplus copies left: nobody agreed to remove them" in unasked.stdout
    refused = verify(on, rclone, "--repair", person=Person(Answer(QUESTION, "")))
    assert "3 surplus copies left" in refused.stdout
    assert files(on).keys() == there

    agreed = verify(on, rclone, "--repair", person=Person(Answer(QUESTION, "y")))
    assert agreed.exit_status == 0, agreed.stderr
    assert "3 surplus copies removed from the remote" in agreed.stdout
    left = files(on)
    assert sorted(each.name for each in left.values()) == sorted(
        [*(each.name for each in right.values()), "3_notes.txt"]
    )
    assert {users_own} < left.keys()
    assert renamed not in left
    assert len(left.keys() & {same, same_again, *right}) == len(right)
    assert "double=1" in verify(on, rclone).stdout


def test_the_proven_one_stays_and_where_none_is_proven_neither_goes(scene: SetScene) -> None:
    """By its mark, or by its sidecar on a machine that has no mark; ``--yes`` answers for nobody
    who could be asked. Listings lag meanwhile."""
    on = moved(scene, "--sidecar")
    right = files(on)
    wrong_of_1 = put_beside(on, 1, b"x" * SIZES[0])  # the mark knows better
    short_of_2 = put_beside(on, 2, b"short")
    other_of_3 = put_beside(on, 3, b"y" * SIZES[2], name="3_other.bin")
    lost = on.machine.data_directory / "marks"
    kept = lost.rename(on.machine.directory / "kept")
    until_listed = time.monotonic() + 1.5
    until(lambda: time.monotonic() > until_listed)
    on.drive.shaping = Shaping(listing_lag_seconds=1.5)
    by_sidecar = verify(on, "--repair", "--yes")
    assert "2 surplus copies removed from the remote" in by_sidecar.stdout, by_sidecar.stderr
    assert files(on).keys() == {*right, other_of_3}
    assert not {wrong_of_1, short_of_2} & files(on).keys()

    for each in lost.iterdir():
        each.unlink()
    lost.rmdir()
    kept.rename(lost)
    on.drive.shaping = Shaping()
    (right_of_4,) = (each for each in files(on).values() if each.name == "4_file-4.bin")
    person_at(on).succeed("rcat", path_on_drive(on, right_of_4.name), stdin=b"z" * SIZES[3])
    newest = put_beside(on, 4, right_of_4.data)  # which is the one that rclone goes by
    assert "1 surplus copies removed" in verify(on, "--repair", "--yes").stdout  # by its mark
    assert files(on).keys() == {*right, other_of_3, newest} - {right_of_4.file_id}
    assert files(on)[newest].name == right_of_4.name


def test_two_that_differ_and_of_which_nothing_is_known_are_both_left(scene: SetScene) -> None:
    on = moved(scene)
    there = {*files(on), put_beside(on, 1, b"x" * SIZES[0])}
    (on.machine.data_directory / "marks").rename(on.machine.directory / "lost")
    left = verify(on, "--repair", "--yes")
    assert files(on).keys() == there
    assert "1_file-1.bin, beside 1_file-1.bin: other content" in left.stdout
    assert "removed" not in left.stdout


def test_below_a_union_rclone_would_change_what_lies_beside_it_so_both_are_left(
    scene: SetScene,
) -> None:
    on = scene(worlds.files(sizes=SIZES[:1]))
    del on.machine.variables["RCLONE_DISABLE"]
    with on.rclone_config.open("a") as config:
        config.write("\n[above]\ntype = union\nupstreams = gdrive:a gdrive:b\n")
    assert_moved(on.run(remote="above:"), 1)
    there = {*files(on), put_beside(on, 1, name="1_copy.bin")}
    left = run_here(on.machine, "verify", "-u", SOURCE, "--remote", "above:", "--repair", "--yes")
    assert "rclone can't tell two files from each other on this remote" in left.stdout
    assert files(on).keys() == there


@pytest.mark.parametrize("kind", ["error", "answer_lost", "server_error"])
def test_whatever_goes_wrong_on_the_way_each_is_there_and_the_next_try_removes_it(
    scene: SetScene, monkeypatch: pytest.MonkeyPatch, kind: FaultKind
) -> None:
    """A call to Drive that changes something, one after the other: refused, or with its answer
    lost."""
    monkeypatch.setattr(surplus_removal, "LISTING_LAG_SECONDS", 1.0)
    on = moved(scene, sizes=SIZES[:1])
    (right,) = files(on).values()
    on.machine.variables["RCLONE_LOW_LEVEL_RETRIES"] = "1"
    for after_calls in range(3):
        put_beside(on, 1)
        on.drive.faults.add(
            Fault(kind, call="files.update", times=1, after_calls=after_calls, status=403)
        )
        verify(on, "--repair", "--yes")
        on.drive.faults.clear()
        present = files(on).values()
        assert any(each.md5 == right.md5 for each in present)
        assert verify(on, "--repair", "--yes").exit_status == 0
        (left,) = files(on).values()
        assert (left.name, left.md5) == (right.name, right.md5)
