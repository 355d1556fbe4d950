"""What earlier versions have put on a remote is known again by what rclone lists of it."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tdl_sync.commands.verify_comparison import NO_ID, UNFINISHED, Comparison
from tdl_sync.core.model import FileNumber, ListedFile, MarkedFile, SkippedItem
from tdl_sync.core.naming import chat_id_of_folder, number_of, path_of
from tdl_sync.remote.drive_folder import listed_folders
from tdl_sync.remote.listing import chat_folder_among, listed_files
from tdl_sync.remote.remnants import Remnants
from tdl_sync.remote.remote_control import Remote
from tdl_sync.transfer.sidecar import sidecar_folders
from tests.fakes.chat import item_of
from tests.kept.listings import CHAT_ID, FILES, FOLDER, FOLDERS, rclone_that_lists
from tests.kept.places import Kept

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the rclone of these is a script")

KINDS = ["local", "drive"]
MESSAGES = {
    "1_a.mp4": 1,
    "2_no file behind.partial": 2,
    "3_b.mp4.0a1b2c3d.partial": 3,
    "3_b.mp4": 3,
    f"4_{'n' * 100}.mp4": 4,
    f"4_{'n' * 87}.zzzzzzzz.partial": 4,
    "5_once.txt": 5,
    "5_twice.txt": 5,
    "2147483647_тест \U0001f3b5.ogg": 2**31 - 1,
    "2024-05/6_c.jpg": 6,
    "2024-05/video/7_d.mp4": 7,
    "2024-05/video/7_d.mp4.ABCDEFGH.partial": 7,
}
"""Of which messages' files are; all others are of none."""

REMNANTS = [
    ("", "3_b.mp4.0a1b2c3d.partial"),
    ("", f"4_{'n' * 87}.zzzzzzzz.partial"),
]
HASHES = {
    "1_a.mp4": "7668d2cd32a37eb45b51f002690d1b9a7c03f2da91791f96227ba9a61952fce8",
    "2147483647_тест \U0001f3b5.ogg": (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    ),
}


def files_of(kept: Kept, kind: str, what: str, directory: Path) -> list[ListedFile]:
    listing = kept.directory / "listings" / f"{kind}-{what}.json"
    with ExitStack() as closing:
        control = rclone_that_lists(closing, listing, directory)
        return listed_files(
            control, Remote("box:a"), hash_kinds=("sha256",) if what == "hashes" else ()
        )


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_is_known_with_its_size_and_its_message(
    kept: Kept, kind: str, tmp_path: Path
) -> None:
    files = files_of(kept, kind, "files", tmp_path)
    assert {path_of(file): file.size_bytes for file in files} == FILES
    assert {
        path_of(file): number_of(file.name) for file in files if number_of(file.name) is not None
    } == {path: FileNumber(message_id) for path, message_id in MESSAGES.items()}
    assert {file.sha256 for file in files} == {None}


@pytest.mark.parametrize("kind", KINDS)
def test_hashes_are_taken_from_the_listing(kept: Kept, kind: str, tmp_path: Path) -> None:
    found = {path_of(file): file.sha256 for file in files_of(kept, kind, "hashes", tmp_path)}
    assert {path: found[path] for path in HASHES} == HASHES
    assert all(found.values())


@pytest.mark.parametrize("kind", KINDS)
def test_the_chats_folder_is_known_by_its_id_whatever_its_title(
    kept: Kept, kind: str, tmp_path: Path
) -> None:
    with ExitStack() as closing:
        listing = kept.directory / "listings" / f"{kind}-folders.json"
        folders = listed_folders(rclone_that_lists(closing, listing, tmp_path), Remote("box:a"))
    assert folders is not None
    assert sorted(folder.name for folder in folders) == sorted(FOLDERS)
    assert all(bool(folder.drive_id) == (kind == "drive") for folder in folders)
    # Of two the first by name counts, on every machine.
    assert chat_folder_among(folders, CHAT_ID) == f"Another title [{CHAT_ID}]"
    assert chat_folder_among(folders, 5000000001) == "Saved [5000000001]"
    assert chat_folder_among(folders, 4711) is None
    assert [chat_id_of_folder(name) for name in FOLDERS] == [
        *(CHAT_ID, CHAT_ID, -1009876543210, 5000000001, None, None, None)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_sidecars_are_known_wherever_they_are(kept: Kept, kind: str, tmp_path: Path) -> None:
    files = files_of(kept, kind, "files", tmp_path)
    assert sidecar_folders(FOLDER, files) == {
        FileNumber(1): FOLDER,
        FileNumber(6): f"{FOLDER}/2024-05",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_what_rclone_did_not_finish_counts_for_no_file(
    kept: Kept, kind: str, tmp_path: Path
) -> None:
    files = files_of(kept, kind, "files", tmp_path)
    remnants = Remnants()
    whole = remnants.sort_out(FOLDER, files)
    assert {path_of(file) for file in files} - {path_of(file) for file in whole} == {
        "/".join(filter(None, each)) for each in REMNANTS
    }
    # Only what is left of a file that is there is removed.
    assert sorted(remnants.needless(FOLDER, whole)) == sorted(
        ("/".join(filter(None, (FOLDER, subfolder))), name) for subfolder, name in REMNANTS
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_remote_is_compared_with_the_chat_as_ever(
    kept: Kept, kind: str, tmp_path: Path
) -> None:
    files = files_of(kept, kind, "hashes", tmp_path)
    marks = {
        1: MarkedFile(FOLDER, "1_a.mp4", 11, HASHES["1_a.mp4"]),
        6: MarkedFile(f"{FOLDER}/2024-05", "6_c.jpg", 17, "0" * 64),
        8: MarkedFile(FOLDER, "8_lost.bin", 1, None),
    }
    comparison = Comparison(files, FOLDER, lambda key: marks.get(key.message_id), {})
    for message_id, size_bytes in ((1, 11), (3, 13), (4, 99), (5, 16), (6, 17), (8, 1)):
        comparison.take(item_of(message_id, size_bytes, chat_id=CHAT_ID))
    comparison.take(SkippedItem(item_of(7, 18).key, "type"))
    assert comparison.unclaimed() == [FileNumber(2), FileNumber(2**31 - 1)]
    found = comparison.findings()
    assert (found.there, found.there_bytes, found.compared_by_hash) == (3, 40, 1)
    assert [each.key.message_id for each in found.missing] == [8]
    assert [(each.key.message_id, each.reason, each.certainly_ours) for each in found.wrong] == [
        (4, "wrong size on the remote", False),
        (6, "other content on the remote", True),
    ]
    assert [(each.message_id, each.file.name) for each in found.double] == [(5, "5_once.txt")]
    unknown = {path_of(each.file): each.why for each in found.unknown}
    assert {path for path, why in unknown.items() if why == NO_ID} == {
        *("0_zero.bin", "007_agent.bin", "notes.txt"),
    }
    assert {path for path, why in unknown.items() if why == UNFINISHED} == {
        "/".join(filter(None, each)) for each in REMNANTS
    }
    assert found.not_compared == 2
