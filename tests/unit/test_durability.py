"""The order of durable steps that other tests speak of is seen as it was."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tdl_sync.core.operating_system import sync_directory
from tests.durability import DurableSteps


def test_every_step_below_the_directory_is_seen_with_its_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "seen").mkdir()
    seen = DurableSteps(tmp_path / "seen", monkeypatch)
    for directory in (tmp_path / "other", tmp_path / "seen"):
        descriptor = os.open(directory / "a.new", os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(descriptor, b"x")
        os.fsync(descriptor)
        os.close(descriptor)
        (directory / "a.new").replace(directory / "a")
        os.replace(directory / "a", directory / "b")
        seen.note("between")
        (directory / "b").unlink()
        (directory / "b").unlink(missing_ok=True)
        with pytest.raises(FileNotFoundError):
            (directory / "b").unlink()
    assert seen.steps == [
        "note between",
        "make a.new",
        "sync a.new",
        "rename a.new to a",
        "rename a to b",
        "note between",
        "remove b",
    ]
    assert seen.of("remove", "sync") == ["sync a.new", "remove b"]


@pytest.mark.parametrize("late", ["bytes", "date"])
def test_a_rename_before_the_last_change_was_synced_is_seen(
    late: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = DurableSteps(tmp_path, monkeypatch)
    path = tmp_path / "a.new"
    with path.open("wb") as file:
        file.write(b"x")
        file.flush()
        os.fsync(file.fileno())
        if late == "bytes":
            file.write(b"y")
    if late == "date":
        os.utime(path, (1, 1))
    path.replace(tmp_path / "a")
    assert seen.steps == ["sync a.new", "rename a.new to a, not synced"]


@pytest.mark.skipif(sys.platform == "win32", reason="there a directory cannot be synced")
def test_a_directory_is_synced_so_that_its_names_outlive_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    seen = DurableSteps(tmp_path, monkeypatch)
    sync_directory(tmp_path / "folder")
    sync_directory(tmp_path)
    assert seen.steps == ["sync folder/", "sync ./"]
