"""Where the remote is a disk of this machine, a moved file is synced before that is said."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tdl_sync.core.errors import HandOffFailed
from tdl_sync.remote.check import check_remote
from tdl_sync.remote.handoff import RcloneHandOff
from tests.contract.places import (
    CHAT_ID,
    OBSCURED_PASSWORD,
    RclonePlace,
    hand_off,
    ignore_bytes,
    stage,
)
from tests.contract.rclones import opened_control
from tests.durability import DurableSteps

FOLDER = f"Films [{CHAT_ID}]"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a directory cannot be synced")


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


MakeHandOff = Callable[[str], RcloneHandOff]


@pytest.fixture
def to(tmp_path: Path, disk: Path, closing: ExitStack) -> MakeHandOff:
    config = tmp_path / "rclone.conf"
    config.write_text(
        f"[alias]\ntype = alias\nremote = {disk}\n\n[here]\ntype = local\n\n"
        f"[crypt]\ntype = crypt\nremote = alias:\npassword = {OBSCURED_PASSWORD}\n"
    )
    control = opened_control(closing, None, config)
    return lambda remote: hand_off(control, check_remote(control, remote))


@pytest.mark.parametrize("remote", ["{disk}/a", "here:{disk}/a", "alias:a"])
def test_a_file_its_folders_and_its_sidecar_are_synced_before_the_move_returns(
    remote: str, to: MakeHandOff, disk: Path, staging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handoff = to(remote.format(disk=disk))
    handoff.prepare_folder(FOLDER)
    steps = DurableSteps(disk, monkeypatch)
    handoff.put(b"sidecar", f"{FOLDER}/x", "1.json")
    steps.note("put")
    handoff.move(stage(staging, b"content"), f"{FOLDER}/x", "1_a", ignore_bytes)
    steps.note("moved")
    assert steps.steps == [
        f"sync a/{FOLDER}/x/1.json",
        *(f"sync {folder}" for folder in (f"a/{FOLDER}/x/", f"a/{FOLDER}/", "a/", "./")),
        "note put",
        f"sync a/{FOLDER}/x/1_a",
        f"sync a/{FOLDER}/x/",
        "note moved",
    ]


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Each time that all disks were synced."""
    synced: list[None] = []
    real = os.sync

    def sync() -> None:
        real()
        synced.append(None)

    monkeypatch.setattr(os, "sync", sync)
    return synced


def test_where_files_have_other_names_all_is_synced(
    to: MakeHandOff, staging: Path, whole: list[None]
) -> None:
    handoff = to("crypt:a")
    handoff.prepare_folder(FOLDER)
    assert whole == []
    handoff.move(stage(staging, b"content"), FOLDER, "1_a", ignore_bytes)
    assert whole == [None]


def test_what_the_listing_shows_is_synced_since_it_will_count_as_done(
    to: MakeHandOff, staging: Path, whole: list[None]
) -> None:
    handoff = to("alias:a")
    handoff.prepare_folder(FOLDER)
    handoff.move(stage(staging, b"content"), FOLDER, "1_a", ignore_bytes)
    assert whole == []
    handoff.prepare_folder(FOLDER)
    assert whole == [None]


def test_a_disk_that_does_not_keep_what_was_moved_has_not_done_so(
    to: MakeHandOff, staging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handoff = to("alias:a")
    handoff.prepare_folder(FOLDER)
    staged = stage(staging, b"content")

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(HandOffFailed, match=r"disk does not keep it \(Input/output error"):
        handoff.move(staged, FOLDER, "1_a", ignore_bytes)


def test_a_remote_elsewhere_costs_nothing(
    make_place: Callable[[str], RclonePlace],
    staging: Path,
    whole: list[None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = make_place("gdrive-current")
    place.handoff.prepare_folder(FOLDER)
    monkeypatch.setattr(os, "fsync", None)
    place.handoff.move(stage(staging, b"content"), FOLDER, "1_a", ignore_bytes)
    place.handoff.prepare_folder(FOLDER)
    assert whole == []
