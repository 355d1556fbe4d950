"""Empty folders that machines which started at once have left beside the one with the files."""

from __future__ import annotations

import json

import pytest

from standins.telegram.world import worlds
from tdl_sync.remote import one_of_several
from tests.contract.old_rclone import old_rclone
from tests.e2e.conftest import REMOTE, DriveScene, SetScene
from tests.e2e.expectations import assert_moved
from tests.e2e.program import SOURCE, Ended
from tests.in_process import Answer, Person, run_here
from tests.standins.rclone_on_drive import executable

TWO_HOURS = 7200.0


@pytest.fixture(autouse=True)
def short_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_of_several, "LAG_SECONDS", 0.5)


def verify(on: DriveScene, *arguments: str, person: Person | None = None) -> Ended:
    words = ("verify", "-u", SOURCE, "--remote", REMOTE, *arguments)
    return run_here(on.machine, *words, person=person)


def folders(on: DriveScene) -> set[str]:
    return {each.file_id for each in on.present() if each.is_folder}


@pytest.mark.parametrize("rclone", ["newest", "oldest"])
def test_they_are_put_into_the_bin_once_somebody_agrees_and_nothing_else_is(
    scene: SetScene, rclone: str
) -> None:
    """Though rclone removes a folder by its name, of which the one with the files is any."""
    on = scene(worlds.files(sizes=[1000]))
    program = f"--rclone={executable() if rclone == 'newest' else old_rclone()}"
    chat = f"{on.world.source.title} [{on.world.source.chat_id}]"
    bases = [on.drive.put_folder("root", "a", TWO_HOURS) for _ in range(2)]
    (above,) = [on.drive.put_folder(min(bases), "b", TWO_HOURS)]
    before = {on.drive.put_folder(above, chat, TWO_HOURS) for _ in range(3)}
    ran = on.run(program)
    assert_moved(ran, 1)
    (file,) = [each for each in on.present() if not each.is_folder]
    assert file.parents == (min(before),)
    assert "the others are empty, and verify --repair removes them" in ran.stderr
    after = {on.drive.put_folder(above, chat, TWO_HOURS)}
    right = {min(bases), above, min(before)}
    empty = (set(bases) | before | after) - right

    looked = verify(on, program, "--json")
    (record,) = json.loads(looked.stdout)
    assert sorted(record["empty_folders"].values()) == [1, 3]
    question = "Put these empty folders into the bin? [y/N] "
    refused = verify(on, program, "--repair", person=Person(Answer(question, "n")))
    assert "nobody agreed to remove them" in refused.stdout
    assert folders(on) == right | empty

    repaired = verify(on, program, "--repair", "--yes")
    assert "4 empty folders put into the bin" in repaired.stdout, repaired.stdout
    assert folders(on) == right
    assert {each.file_id for each in on.drive.files("user") if each.trashed} >= empty
    assert file in on.present()


@pytest.mark.parametrize("rclone", ["newest", "oldest"])
def test_those_below_the_chats_folder_go_as_well_and_what_is_inside_of_one_stays(
    scene: SetScene, rclone: str
) -> None:
    on = scene(worlds.files(sizes=[1000, 1000, 1000]))
    program = f"--rclone={executable() if rclone == 'newest' else old_rclone()}"
    assert_moved(on.run(program, "--name=x/y/{file_name}"), 3)
    chat, x, y = sorted((each for each in on.present() if each.is_folder), key=lambda f: f.path)[2:]
    assert (x.path, y.path) == (f"{chat.path}/x", f"{chat.path}/x/y")
    empty = {on.drive.put_folder(x.file_id, "y", TWO_HOURS) for _ in range(2)}
    lonely = on.drive.put_folder(chat.file_id, "an empty one of another name", TWO_HOURS)
    there = {each.file_id for each in on.present()}

    looked = verify(on, program, "--json")
    (record,) = json.loads(looked.stdout)
    assert record["empty_folders"] == {f"gdrive:{y.path}": 2}
    repaired = verify(on, program, "--repair", "--yes")
    assert "2 empty folders put into the bin" in repaired.stdout, repaired.stdout
    assert {each.file_id for each in on.present()} == there - empty
    assert lonely in folders(on)

    # Of two that show something both stay, and what is in them is not looked at until one is left.
    other = on.drive.put_folder(chat.file_id, "x", TWO_HOURS)
    inside = [on.drive.put_folder(other, "y", TWO_HOURS) for _ in range(2)]
    assert verify(on, program, "--repair", "--yes").exit_status == 0
    assert {other, *inside} <= folders(on)


def test_none_is_removed_that_may_be_of_a_machine_that_is_just_starting(scene: SetScene) -> None:
    on = scene(worlds.files(sizes=[1000]))
    assert_moved(on.run(), 1)
    chat = next(each for each in on.present() if each.is_folder and each.path.count("/") == 2)
    on.drive.put_folder(chat.parents[0], chat.name, TWO_HOURS)
    on.drive.put_folder(chat.parents[0], chat.name)
    there = folders(on)
    repaired = verify(on, "--repair", "--yes")
    assert "one of them is not an hour old" in repaired.stdout
    assert folders(on) == there


def test_none_is_removed_while_it_is_not_known_which_one_gets_the_files(scene: SetScene) -> None:
    on = scene(worlds.files(sizes=[1000]))
    chat = f"{on.world.source.title} [{on.world.source.chat_id}]"
    base = on.drive.put_folder(on.drive.put_folder("root", "a"), "b")
    two = {on.drive.put_folder(base, chat, TWO_HOURS) for _ in range(2)}
    repaired = verify(on, "--repair", "--yes")
    assert "nothing is in any of them yet" in repaired.stdout
    assert two <= folders(on)
