"""What a killed rclone leaves on a remote is never taken for a file, and goes when the file is
there; nothing else goes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tdl_sync.core.stop import StopFlag
from tdl_sync.remote.handoff import RcloneHandOff
from tdl_sync.remote.pace import Pace
from tdl_sync.remote.remnants import is_remnant, is_under_way
from tests.contract.places import FOLDER, RclonePlace, ignore_bytes, stage
from tests.waiting import until

MakePlace = Callable[[str], RclonePlace]
LONG = f"7_{'é' * 60}x.bin"


@pytest.mark.parametrize(
    ("partial_name", "name", "is_one"),
    [
        ("7_a.mp4.0f1e40d3.partial", "7_a.mp4", True),
        ("7_a.mp4.balo3tir.partial", "7_a.mp4", True),  # before they were hashes
        (f"7_{'é' * 54}.0f1e40d3.partial", LONG, True),  # cut between two bytes of a sign
        ("7_a.mp4.0f1e40d3.partial", "17_a.mp4", False),
        ("7_a.mp4.0f1e40d3.partial", "7_b.mp4", False),
        ("7_a.mp4.0f1e40d3.partial", "7_a.mp4.0f1e40d3.partial", False),
        ("7_a.mp4.0f1e40d3.partial.0f1e40d3.partial", "7_a.mp4.0f1e40d3.partial", True),
        (f"7_{'é' * 20}.0f1e40d3.partial", LONG, False),
        (f"{LONG[:-17]}.0f1e40d3.partial", f"{LONG[:-17]}.0f1e40d3.partial", False),
        ("notes.txt.0f1e40d3.partial", "notes.txt", False),
        ("7_a.mp4.0f1e40d3.part", "7_a.mp4", False),
        ("7_a.mp4.0F1E40D3.partial", "7_a.mp4", False),
    ],
)
def test_a_remnant_is_known_by_the_name_of_its_own_file_alone(
    partial_name: str, name: str, is_one: bool
) -> None:
    assert is_remnant(partial_name, name) is is_one


def handoff_that_tells(place: RclonePlace, lines: list[str]) -> RcloneHandOff:
    def unexpected(*told: object) -> None:
        raise AssertionError(told)

    return RcloneHandOff(place.control, place.remote, Pace(StopFlag(), unexpected), lines.append)


def names_in(place: RclonePlace, folder: str) -> list[str]:
    listed = place.looker.run(["lsf", "--files-only"], place.path(folder))
    return sorted(listed.decode().splitlines())


def write(place: RclonePlace, folder: str, name: str, content: bytes = b"part") -> None:
    place.looker.run(["rcat"], place.path(folder, name), stdin=content)


@pytest.mark.parametrize("name", ["7_a film.bin", LONG])
def test_what_a_killed_rclone_left_goes_when_its_file_is_moved(
    make_place: MakePlace, staging: Path, name: str
) -> None:
    """With the name that this rclone really makes. (A newer one that sends the same file again
    uses the same name again, so this one is given another date.)"""
    place = make_place("crypt-current")
    content = bytes(6_000_000)
    place.looker.run(["mkdir"], place.path(FOLDER))
    command = [place.looker.executable, f"--config={place.looker.config_file}", "--bwlimit=100k"]
    source = stage(staging, content, 7)
    target = place.path(FOLDER, name)
    with subprocess.Popen([*command, "moveto", str(source.path), target]) as killed:
        until(lambda: names_in(place, FOLDER) != [])
        killed.kill()
    (left,) = names_in(place, FOLDER)
    if not is_under_way(left):
        pytest.skip("this rclone writes to the file's own name")
    lines: list[str] = []
    handoff = handoff_that_tells(place, lines)
    assert handoff.prepare_folder(FOLDER) == []
    assert names_in(place, FOLDER) == [left]
    os.utime(source.path, (1_000_000_000, 1_000_000_000))
    handoff.move(source, FOLDER, name, ignore_bytes)
    assert names_in(place, FOLDER) == [name]
    assert place.content(FOLDER, name) == content
    assert lines == [f"removed {left}, which an upload that was killed left on the remote"]


def test_only_what_was_to_be_a_file_that_is_there_goes(
    make_place: MakePlace, staging: Path
) -> None:
    """Other files' remnants stay, those of other folders too, and files that are called so."""
    place = make_place("plain-current")
    below = f"{FOLDER}/2024-05"
    write(place, FOLDER, "1_done.bin", b"whole")
    for folder in (FOLDER, below):
        for name in ("1_done.bin", "2_moved.bin", "3_other.bin"):
            write(place, folder, f"{name}.0f1e40d3.partial")
    kept = ["4_hers.00112233.partial", "notes.0f1e40d3.partial"]
    for name in kept:
        write(place, FOLDER, name)
    lines: list[str] = []
    handoff = handoff_that_tells(place, lines)
    assert [file.name for file in handoff.prepare_folder(FOLDER)] == ["1_done.bin"]
    assert names_in(place, FOLDER) == [
        "1_done.bin",
        "2_moved.bin.0f1e40d3.partial",
        "3_other.bin.0f1e40d3.partial",
        *kept,
    ]
    handoff.move(stage(staging, b"content", 2), below, "2_moved.bin", ignore_bytes)
    handoff.move(stage(staging, b"hers", 4), FOLDER, kept[0], ignore_bytes)
    assert names_in(place, FOLDER) == [
        "1_done.bin",
        "2_moved.bin.0f1e40d3.partial",
        "3_other.bin.0f1e40d3.partial",
        *kept,
    ]
    assert names_in(place, below) == [
        "1_done.bin.0f1e40d3.partial",
        "2_moved.bin",
        "3_other.bin.0f1e40d3.partial",
    ]
    removed = [line.split()[1] for line in lines]
    assert removed == ["1_done.bin.0f1e40d3.partial,", "2_moved.bin.0f1e40d3.partial,"]


def test_on_drive_a_file_with_such_a_name_is_a_file(make_place: MakePlace, staging: Path) -> None:
    place = make_place("gdrive-current")
    name = "4_hers.00112233.partial"
    lines: list[str] = []
    handoff = handoff_that_tells(place, lines)
    handoff.prepare_folder(FOLDER)
    handoff.move(stage(staging, b"hers", 4), FOLDER, name, ignore_bytes)
    again = handoff_that_tells(place, lines)
    assert [file.name for file in again.prepare_folder(FOLDER)] == [name]
    again.move(stage(staging, b"hers", 4), FOLDER, name, ignore_bytes)
    assert names_in(place, FOLDER) == [name]
    assert lines == []
