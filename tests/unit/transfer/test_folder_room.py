"""What is too much for a folder goes into numbered ones in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tdl_sync.core.model import ListedFile
from tdl_sync.transfer.folder_room import FolderRoom


def files(count: int, subfolder: str = "") -> list[ListedFile]:
    return [ListedFile(f"{number}_a.bin", 1, subfolder) for number in range(1, count + 1)]


def test_a_folder_takes_files_up_to_its_bound_and_then_those_in_it_do() -> None:
    room = FolderRoom(3, files(2))
    assert room.of(()) == ()
    room.put((), 1)
    assert room.of(()) == ("part 2",)
    room.put(("part 2",), 4)
    assert room.of(()) == ("part 3",)


def test_what_is_there_already_is_counted_with_sidecars_and_folders() -> None:
    below = [*files(2, "x/y"), *files(1, "x")]
    assert FolderRoom(4, [*files(2), *below]).of(()) == ()
    assert FolderRoom(3, [*files(2), *below]).of(()) == ("part 2",)
    assert FolderRoom(2, [*files(2), *below]).of(("x",)) == ("x", "part 2")
    assert FolderRoom(2, [*files(2), *below]).of(("z",)) == ("z",)


def test_those_for_what_is_too_much_are_found_again() -> None:
    listing = [*files(5), *files(3, "part 2"), *files(1, "part 3")]
    assert FolderRoom(3, listing).of(()) == ("part 3",)
    assert FolderRoom(4, listing).of(()) == ("part 2",)


def test_without_a_bound_all_go_into_the_folder_until_the_remote_refuses_it() -> None:
    room = FolderRoom(None, files(1000))
    assert room.of(()) == ()
    assert room.refused(())
    assert room.of(()) == ("part 2",)


def test_a_new_folder_that_is_refused_as_well_is_not_refused_for_being_full() -> None:
    room = FolderRoom(None, files(2))
    assert room.refused(())
    assert not room.refused(("part 2",))
    room.put(("part 2",), 1)
    assert room.refused(("part 2",))
    assert room.of(()) == ("part 3",)


@given(st.integers(2, 20), st.integers(0, 60), st.integers(0, 60))
def test_no_folder_ever_gets_more_than_its_bound_in_one_run_or_in_two(
    most: int, first: int, second: int
) -> None:
    placed: list[ListedFile] = []
    for count in (first, second):
        room = FolderRoom(most, placed)
        for _ in range(count):
            folders = room.of(())
            room.put(folders, 1)
            placed.append(ListedFile(f"{len(placed) + 1}_a", 1, "/".join(folders)))
    by_folder = {each.subfolder for each in placed}
    for folder in by_folder:
        assert sum(each.subfolder == folder for each in placed) <= most
    assert len(by_folder) <= len(placed) // (most - 1) + 2
