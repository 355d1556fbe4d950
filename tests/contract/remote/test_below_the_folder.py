"""Folders below a chat's folder, and small texts of our own: each kind of remote and the fake."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.contract.places import FOLDER, Place, ignore_bytes, stage


def test_many_moves_at_once_into_folders_that_are_not_there_make_each_folder_once(
    place_of_most: Place, staging: Path
) -> None:
    place = place_of_most
    place.handoff.prepare_folder(FOLDER)
    folders = [f"{FOLDER}/2024-05", f"{FOLDER}/2024-05/Ann's $(touch x)"]

    def move(number: int) -> None:
        staged = stage(staging, f"content {number}".encode(), number)
        place.handoff.move(staged, folders[number % 2], f"{number}_a", ignore_bytes)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(move, range(1, 7)))
    listed = {(file.subfolder, file.name) for file in place.handoff.prepare_folder(FOLDER)}
    below = [folder.removeprefix(f"{FOLDER}/") for folder in folders]
    assert listed == {(below[number % 2], f"{number}_a") for number in range(1, 7)}
    assert place.content(folders[1], "3_a") == b"content 3"


def test_a_text_that_is_put_again_is_there_once_and_as_it_was_put_last(
    place_of_most: Place,
) -> None:
    place = place_of_most
    place.handoff.prepare_folder(FOLDER)
    below = f"{FOLDER}/texts"
    for content in (b"first", "second, é".encode()):
        for folder in (FOLDER, below):
            place.handoff.put(content, folder, "1.json")
    listing = place.handoff.prepare_folder(FOLDER)
    assert Counter((file.subfolder, file.name, file.size_bytes) for file in listing) == {
        ("", "1.json", 10): 1,
        ("texts", "1.json", 10): 1,
    }
    assert place.handoff.read(FOLDER, "1.json") == place.handoff.read(below, "1.json")
    assert place.content(FOLDER, "1.json") == place.content(below, "1.json") == b"second, \xc3\xa9"
