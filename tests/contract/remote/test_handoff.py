"""What every hand-off promises: each kind of remote with the current rclone and the oldest, and
the fake."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tdl_sync.core.errors import StagingFailed, Stopped
from tdl_sync.core.model import MarkedFile, RemoteFile
from tests.contract.places import CHAT_ID, FOLDER, Place, RclonePlace, hand_off, ignore_bytes, stage

HOSTILE_NAMES = [
    "1_plain.mp4",
    "2_$(touch ran).mp4",
    "3_`touch ran`.mp4",
    "4_'; touch ran; '.mp4",
    '5_" && touch ran "',
    "6_a:b\\c",
    "7_trailing dots...",
    "8_trailing spaces  ",
    "9_\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe",
    "10_\N{GRINNING FACE} é",
    "-11_leading dash",
    "--config=x",
    "12_~ %s {} * ? [a] | & # !",
    "14_" + "n" * 130,
]

CONTENTS = {name: b"x" * number for number, name in enumerate(["0_empty", *HOSTILE_NAMES])}
"""All of different sizes, so that a listing shows which file is which."""

SIZE_BYTES = 300_000


def test_hostile_names_arrive_unchanged_and_run_nothing(
    place_of_most: Place, staging: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every name arrives as it is, in its folder, also one of a file without a byte; nothing else
    appears."""
    place = place_of_most
    monkeypatch.chdir(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    place.handoff.prepare_folder(FOLDER)
    for number, (name, content) in enumerate(CONTENTS.items()):
        staged = stage(staging, content, number)
        remote_file = place.handoff.move(staged, FOLDER, name, ignore_bytes)
        assert remote_file == RemoteFile.moved(staged, FOLDER, name)
        assert not staged.path.exists()
    listed = {file.name: file.size_bytes for file in place.handoff.prepare_folder(FOLDER)}
    assert listed == {name: len(content) for name, content in CONTENTS.items()}
    for name in HOSTILE_NAMES[1:4]:
        assert place.content(FOLDER, name) == CONTENTS[name]
    assert {path.name for path in tmp_path.iterdir()} == before
    assert list(staging.iterdir()) == []


def test_a_name_that_is_a_path_is_refused(
    make_place: Callable[[str], RclonePlace], staging: Path
) -> None:
    """Before rclone is asked, whichever it is."""
    place = make_place("plain-current")
    staged = stage(staging, b"x")
    for name in ["../out", "a/b", "..", ".", "", "nul\0"]:
        with pytest.raises(ValueError, match="not the name of one file"):
            place.handoff.move(staged, FOLDER, name, ignore_bytes)
    assert staged.path.exists()


def test_other_content_of_same_name_size_and_time_is_uploaded(place: Place, staging: Path) -> None:
    """And the same content again is not, where its hash can be compared: it is there once.

    What is told of the bytes on the way goes up, and not beyond the size of the file.
    """
    place.handoff.prepare_folder(FOLDER)
    sent = [sent_bytes(place)]
    for letter in (b"o", b"n", b"n"):
        told: list[int] = []
        staged = stage(staging, letter * SIZE_BYTES)
        place.handoff.move(staged, FOLDER, "1_a", told.append)
        assert not staged.path.exists()
        assert [*told, SIZE_BYTES] == sorted([*told, SIZE_BYTES])
        sent.append(sent_bytes(place))
        if letter == b"n":
            assert place.content(FOLDER, "1_a") == b"n" * SIZE_BYTES
    listed = place.handoff.prepare_folder(FOLDER)
    assert [(file.name, file.size_bytes) for file in listed] == [("1_a", SIZE_BYTES)]
    if isinstance(place, RclonePlace):
        was_sent = [after - before >= SIZE_BYTES for before, after in pairwise(sent)]
        assert was_sent == [True, True, not place.shares_hash]


def sent_bytes(place: Place) -> int:
    return place.sent_bytes if isinstance(place, RclonePlace) else 0


def test_a_staged_file_that_vanished_is_said_so(simplest_place: Place, staging: Path) -> None:
    staged = stage(staging, b"x")
    staged.path.unlink()
    with pytest.raises(StagingFailed, match="not in the staging directory"):
        simplest_place.handoff.move(staged, FOLDER, "1_a", ignore_bytes)


def make_folder(place: Place, staging: Path, folder: str) -> None:
    """With a file in it: remotes that have no folders show only those."""
    place.handoff.prepare_folder(folder)
    place.handoff.move(stage(staging, b"x"), folder, "1_a", ignore_bytes)


def test_the_folder_of_a_chat_is_found_by_its_id_whatever_its_title(
    place_with_current: Place, staging: Path
) -> None:
    """Of several that have it every run takes the same."""
    place = place_with_current
    assert place.handoff.find_folder(CHAT_ID) is None
    make_folder(place, staging, f"B [{CHAT_ID}]")
    make_folder(place, staging, f"Another chat [{CHAT_ID}1]")
    assert place.handoff.find_folder(CHAT_ID) == f"B [{CHAT_ID}]"
    for title in ("A", "C"):
        make_folder(place, staging, f"{title} [{CHAT_ID}]")
    assert place.handoff.find_folder(CHAT_ID) == f"A [{CHAT_ID}]"


def test_after_terminate_nothing_new_starts(simplest_place: Place, staging: Path) -> None:
    place = simplest_place
    place.handoff.prepare_folder(FOLDER)
    place.handoff.terminate(grace_seconds=0)
    staged = stage(staging, b"x")
    with pytest.raises(Stopped):
        place.handoff.move(staged, FOLDER, "1_a", ignore_bytes)
    assert staged.path.exists()


def test_one_file_is_looked_at_with_its_hash_where_the_remote_can_tell_it(
    place: Place, staging: Path
) -> None:
    """Also where it has to be read for that: what is there is then no matter of belief."""
    content = b"precious"
    place.handoff.prepare_folder(FOLDER)
    assert place.handoff.look(FOLDER, "1_a") is None
    place.handoff.move(stage(staging, content), FOLDER, "1_a", ignore_bytes)
    found = place.handoff.look(FOLDER, "1_a")
    assert found is not None
    assert (found.name, found.size_bytes) == ("1_a", len(content))
    assert found.sha256 in (None, hashlib.sha256(content).hexdigest())
    if isinstance(place, RclonePlace) and place.remote.type in ("local", "alias"):
        assert found.sha256 is not None


def test_a_file_that_the_chats_folder_has_is_shown_without_listing_all(
    place: Place, staging: Path
) -> None:
    """By its name and size, also below the chat's folder; what is not there is not."""
    place.handoff.prepare_folder(FOLDER)
    for number, folder in enumerate([FOLDER, f"{FOLDER}/2026"], 1):
        place.handoff.move(stage(staging, b"abc", number), folder, f"{number}_a", ignore_bytes)
    again = place.as_started_again()
    there = MarkedFile(FOLDER, "1_a", 3, None)
    below = MarkedFile(f"{FOLDER}/2026", "2_a", 3, None)
    assert again.shows(there)
    assert again.shows(below)
    assert not again.shows(replace(there, size_bytes=4))
    assert not again.shows(replace(there, name="2_a"))
    assert not again.shows(replace(there, folder="Another [-5]"))


def test_a_file_that_gives_way_to_a_new_one_is_removed_alone_and_one_that_is_gone_is_no_error(
    place: Place, staging: Path
) -> None:
    place.handoff.prepare_folder(FOLDER)
    for name in ("1_a", "1.2_a"):
        place.handoff.move(stage(staging, b"x"), FOLDER, name, ignore_bytes)
    for _ in range(2):
        place.handoff.remove(FOLDER, "1_a")
    assert place.handoff.look(FOLDER, "1_a") is None
    assert place.handoff.look(FOLDER, "1.2_a") is not None


def test_what_may_be_there_already_is_compared_and_not_put_beside_it(
    place: Place, staging: Path
) -> None:
    """Whatever the folder's listing has shown before: another run, or a dead one, has put it."""
    place.handoff.prepare_folder(FOLDER)
    if isinstance(place, RclonePlace):
        other = hand_off(place.control, place.remote)
        other.prepare_folder(FOLDER)
        other.move(stage(staging, b"precious", 1), FOLDER, "1_a", ignore_bytes)
    else:
        place.handoff.move(stage(staging, b"precious", 1), FOLDER, "1_a", ignore_bytes)
    staged = replace(stage(staging, b"precious", 2), may_be_there=True)
    sent_before = place.sent_bytes if isinstance(place, RclonePlace) else 0
    place.handoff.move(staged, FOLDER, "1_a", ignore_bytes)
    assert not staged.path.exists()
    if isinstance(place, RclonePlace) and place.shares_hash:
        assert place.sent_bytes == sent_before
    listed = [file.name for file in place.handoff.prepare_folder(FOLDER)]
    assert listed == ["1_a"]
