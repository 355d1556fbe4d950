"""A Drive below another remote: what its listings lag is seen and waited for there, too."""

from __future__ import annotations

import pytest

from standins.drive.faults import Fault
from standins.drive.shaping import Shaping
from standins.telegram.world import worlds
from tdl_sync.remote import drive_folder
from tests.contract.old_rclone import old_rclone
from tests.contract.places import OBSCURED_PASSWORD
from tests.e2e.conftest import DriveScene, SetScene
from tests.e2e.expectations import assert_moved
from tests.e2e.program import SOURCE
from tests.in_process import run_here

ABOVE = {
    "alias": "type = alias\nremote = gdrive:a\n",
    "crypt": f"type = crypt\nremote = gdrive:a\npassword = {OBSCURED_PASSWORD}\n",
    "chunker": "type = chunker\nremote = gdrive:a\n",
    "union": 'type = union\nupstreams = "gdrive:a" gdrive:b\n',
    "union with a disk": "type = union\nupstreams = gdrive:a {directory}/beside:nc\n",
    "combine": "type = combine\nupstreams = d=gdrive:a e={directory}/beside\n",
    "alias of a crypt": "type = alias\nremote = inner:b\n\n"
    f"[inner]\ntype = crypt\nremote = gdrive:a\npassword = {OBSCURED_PASSWORD}\n",
}
FILES = 3


def above(on: DriveScene, kind: str) -> str:
    """The remote to name."""
    (on.machine.directory / "beside").mkdir()
    section = ABOVE[kind].format(directory=on.machine.directory)
    with on.rclone_config.open("a") as config:
        config.write(f"\n[above]\n{section}")
    return "above:d" if kind == "combine" else "above:"


def folders(on: DriveScene) -> list[str]:
    return [file.path for file in on.present() if file.is_folder]


def files(on: DriveScene) -> list[str]:
    return [file.path for file in on.present() if not file.is_folder]


CASES = [*((kind, "current") for kind in ABOVE), ("crypt", "oldest"), ("combine", "oldest")]


@pytest.mark.parametrize(("kind", "rclone"), CASES)
def test_each_folder_is_made_once_though_listings_lag_and_answers_are_lost(
    scene: SetScene, monkeypatch: pytest.MonkeyPatch, kind: str, rclone: str
) -> None:
    """Each folder is one on Drive, each file is there once, and the next run finds all of them."""
    monkeypatch.setattr(drive_folder, "LISTING_LAG_SECONDS", 2.5)
    on = scene(worlds.files(sizes=[0, 1000, 2000]))
    if rclone == "oldest":
        on.machine.variables["TDL_SYNC_RCLONE"] = old_rclone()
    if kind == "chunker":
        del on.machine.variables["RCLONE_DISABLE"]  # it moves on the server
    remote = above(on, kind)
    on.drive.shaping = Shaping(listing_lag_seconds=1.5)
    on.drive.faults.add(
        Fault("answer_lost", call="files.create", times=1),
        Fault("answer_lost", call="files.create", times=1, after_calls=1),
    )
    arguments = ("--remote", remote, "--name", "of/{file_name}")
    assert_moved(run_here(on.machine, "-u", SOURCE, *arguments), FILES)
    assert all(times for _, times in on.drive.faults.strikes())
    assert len(folders(on)) == len(set(folders(on)))
    assert len(files(on)) == len(set(files(on))) == FILES
    there = on.present()
    on.drive.shaping = Shaping()
    (on.machine.data_directory / "marks").rename(on.machine.directory / "lost")
    again = run_here(on.machine, "-u", SOURCE, "--restart", *arguments)
    assert (again.exit_status, again.result["bytes"]) == (0, "0"), again.stderr
    assert on.present() == there
