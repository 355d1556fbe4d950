"""What every hand-off promises: each kind of remote with the current rclone and the oldest, and
the fake."""

from __future__ import annotations

from pathlib import Path

import pytest

from tdl_sync.core.errors import StagingFailed, Stopped
from tdl_sync.core.model import RemoteFile
from tests.contract.places import CHAT_ID, FOLDER, Place, RclonePlace, ignore_bytes, stage

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


def test_hostile_names_arrive_unchanged_and_run_nothing(
    place: Place, staging: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every name arrives as it is, in its folder, with its bytes; nothing else appears."""
    monkeypatch.chdir(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    place.handoff.prepare_folder(FOLDER)
    for number, name in enumerate(HOSTILE_NAMES):
        staged = stage(staging, f"content {number}".encode(), number)
        remote_file = place.handoff.move(staged, FOLDER, name, ignore_bytes)
        assert remote_file == RemoteFile.moved(staged, FOLDER, name)
        assert not staged.path.exists()
    listed = {file.name: file.size_bytes for file in place.handoff.prepare_folder(FOLDER)}
    assert listed == {name: len(f"content {n}") for n, name in enumerate(HOSTILE_NAMES)}
    for number, name in enumerate(HOSTILE_NAMES):
        assert place.content(FOLDER, name) == f"content {number}".encode()
    assert {path.name for path in tmp_path.iterdir()} == before
    assert list(staging.iterdir()) == []


def test_a_name_that_is_a_path_is_refused(rclone_place: RclonePlace, staging: Path) -> None:
    staged = stage(staging, b"x")
    for name in ["../out", "a/b", "..", ".", "", "nul\0"]:
        with pytest.raises(ValueError, match="not the name of one file"):
            rclone_place.handoff.move(staged, FOLDER, name, ignore_bytes)
    assert staged.path.exists()


def test_other_content_of_same_name_size_and_time_is_uploaded(place: Place, staging: Path) -> None:
    place.handoff.prepare_folder(FOLDER)
    place.handoff.move(stage(staging, b"old content"), FOLDER, "1_a", ignore_bytes)
    place.handoff.move(stage(staging, b"new content"), FOLDER, "1_a", ignore_bytes)
    assert place.content(FOLDER, "1_a") == b"new content"
    assert len(place.handoff.prepare_folder(FOLDER)) == 1


def test_the_same_content_again_is_there_once(place: Place, staging: Path) -> None:
    place.handoff.prepare_folder(FOLDER)
    for _ in range(2):
        staged = stage(staging, b"same content")
        place.handoff.move(staged, FOLDER, "1_a", ignore_bytes)
        assert not staged.path.exists()
    assert place.content(FOLDER, "1_a") == b"same content"
    assert len(place.handoff.prepare_folder(FOLDER)) == 1


def test_the_same_content_is_not_sent_again_where_its_hash_can_be_compared(
    rclone_place: RclonePlace, staging: Path
) -> None:
    rclone_place.handoff.prepare_folder(FOLDER)
    sent: list[list[int]] = []
    for _ in range(2):
        sent.append([])
        rclone_place.handoff.move(stage(staging, b"same content"), FOLDER, "1_a", sent[-1].append)
    assert [bool(bytes_told) for bytes_told in sent] == [True, not rclone_place.shares_hash]


def test_an_empty_file_is_a_file(place: Place, staging: Path) -> None:
    place.handoff.prepare_folder(FOLDER)
    place.handoff.move(stage(staging, b""), FOLDER, "1_empty", ignore_bytes)
    assert [(f.name, f.size_bytes) for f in place.handoff.prepare_folder(FOLDER)] == [
        ("1_empty", 0)
    ]


def test_progress_ends_at_the_size_of_the_file(place: Place, staging: Path) -> None:
    place.handoff.prepare_folder(FOLDER)
    told: list[int] = []
    place.handoff.move(stage(staging, b"x" * 300_000), FOLDER, "1_a", told.append)
    assert told[-1] == 300_000
    assert told == sorted(told)


def test_a_staged_file_that_vanished_is_said_so(place: Place, staging: Path) -> None:
    staged = stage(staging, b"x")
    staged.path.unlink()
    with pytest.raises(StagingFailed, match="not in the staging directory"):
        place.handoff.move(staged, FOLDER, "1_a", ignore_bytes)


def make_folder(place: Place, staging: Path, folder: str) -> None:
    """With a file in it: remotes that have no folders show only those."""
    place.handoff.prepare_folder(folder)
    place.handoff.move(stage(staging, b"x"), folder, "1_a", ignore_bytes)


def test_the_folder_of_a_chat_is_found_by_its_id_whatever_its_title(
    place: Place, staging: Path
) -> None:
    assert place.handoff.find_folder(CHAT_ID) is None
    make_folder(place, staging, f"Old title [{CHAT_ID}]")
    make_folder(place, staging, f"Another chat [{CHAT_ID}1]")
    assert place.handoff.find_folder(CHAT_ID) == f"Old title [{CHAT_ID}]"


def test_of_two_folders_for_a_chat_every_run_takes_the_same(place: Place, staging: Path) -> None:
    for title in ("B", "A", "C"):
        make_folder(place, staging, f"{title} [{CHAT_ID}]")
    assert place.handoff.find_folder(CHAT_ID) == f"A [{CHAT_ID}]"


def test_after_terminate_nothing_new_starts(place: Place, staging: Path) -> None:
    place.handoff.prepare_folder(FOLDER)
    place.handoff.terminate(grace_seconds=0)
    staged = stage(staging, b"x")
    with pytest.raises(Stopped):
        place.handoff.move(staged, FOLDER, "1_a", ignore_bytes)
    assert staged.path.exists()
