"""rclone remembers where a folder was, and does not see that it has been put into the bin."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.contract.places import OBSCURED_PASSWORD
from tests.contract.remote.remote_control.on_drive import FOLDER, OnDrive

OVER_DRIVE = (
    "[alias]\ntype = alias\nremote = gdrive:\n\n"
    "[crypt]\ntype = crypt\nremote = gdrive:\nfilename_encryption = off\n"
    f"directory_name_encryption = false\npassword = {OBSCURED_PASSWORD}\n"
)


@dataclass(frozen=True)
class Way:
    """To the folder: the remote string, and what comes before a name."""

    remote: str
    before: str = ""
    after: str = ""


WAYS = [
    Way(f"gdrive:{FOLDER}"),
    Way("gdrive:", f"{FOLDER}/"),
    Way(f"alias:{FOLDER}"),
    Way(f"crypt:{FOLDER}", after=".bin"),
]


@pytest.fixture(params=WAYS, ids=str)
def way(request: pytest.FixtureRequest, on_drive: OnDrive) -> Way:
    """Of a folder into which one file was moved, and which then was put into the bin."""
    way: Way = request.param
    at_once = {"RCLONE_DRIVE_PACER_MIN_SLEEP": "1ms"}
    on_drive.start(section=f"\n\n{OVER_DRIVE}", environment=at_once)
    on_drive.make_folder()
    assert move(on_drive, way, "before").succeeded_and_gone
    on_drive.put_into_the_bin()
    return way


@dataclass(frozen=True)
class Moved:
    succeeded_and_gone: bool
    path: str


def move(on_drive: OnDrive, way: Way, name: str) -> Moved:
    source = on_drive.stage(name)
    answer = on_drive.move(source, way.remote, f"{way.before}{name}")
    return Moved(answer.succeeded and not source.exists(), f"{FOLDER}/{name}{way.after}")


def test_the_next_move_succeeds_and_its_file_lies_in_the_bin(on_drive: OnDrive, way: Way) -> None:
    moved = move(on_drive, way, "name")

    assert moved.succeeded_and_gone
    assert on_drive.there(moved.path) == []
    assert len(on_drive.in_the_bin(moved.path)) == 1


def make(on_drive: OnDrive, way: Way) -> bool:
    return on_drive.call("operations/mkdir", fs=way.remote, remote=way.before.rstrip("/")).succeeded


def test_to_make_it_again_succeeds_and_makes_nothing(on_drive: OnDrive, way: Way) -> None:
    assert make(on_drive, way)

    assert on_drive.calls == {}
    assert on_drive.there(FOLDER) == []


def test_a_cleared_cache_mends_it(on_drive: OnDrive, way: Way) -> None:
    assert on_drive.call("fscache/clear").succeeded

    assert make(on_drive, way)
    moved = move(on_drive, way, "name")

    assert moved.succeeded_and_gone
    assert len(on_drive.there(FOLDER)) == 1
    assert len(on_drive.there(moved.path)) == 1


def test_a_question_for_it_by_name_is_not_answered_from_memory(on_drive: OnDrive, way: Way) -> None:
    remote = way.remote.partition(":")[0]

    answer = on_drive.call("operations/stat", fs=f"{remote}:", remote=FOLDER)

    assert answer.said == {"item": None}


def test_by_its_id_a_cleared_cache_mends_nothing(on_drive: OnDrive) -> None:
    """It is to be looked for by its name."""
    on_drive.start()
    folder = on_drive.make_folder()
    on_drive.put_into_the_bin()

    assert on_drive.call("fscache/clear").succeeded
    assert on_drive.move(on_drive.stage("source"), folder, "name").succeeded

    assert len(on_drive.in_the_bin(f"{FOLDER}/name")) == 1
