"""A channel with every kind of file and every hostile name arrives whole, once, and tamely."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import pytest

from standins.telegram.service.statistics import Counts
from standins.telegram.world import worlds
from standins.telegram.world.channel import WorldItem
from standins.telegram.world.names import HOSTILE_NAMES
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_on_remote, remote_files, state_texts, the_state, wanted
from tests.e2e.program import SOURCE, Ended
from tests.in_process import run_here

TITLE = "../All `touch x` $(touch x)\n\x1b[31m of \u202eit."
ABSOLUTE = Path("/tmp/absolute")
TOO_LARGE_BYTES = 10**12
SAFE_NAME = re.compile(r"[A-Za-z0-9._-]+")

ON_REMOTE = {
    "a$(touch x).mp4": "a$(touch x).mp4",
    "`touch x`.mp4": "`touch x`.mp4",
    '"; touch x; ".mp4': "_; touch x; _.mp4",
    "'; touch x; '.mp4": "'; touch x; '.mp4",
    "a|touch x&touch y.txt": "a_touch x&touch y.txt",
    "%PATH% !PATH! $HOME.txt": "%PATH% !PATH! $HOME.txt",
    "line\nbreak\r\n.txt": "line_break__.txt",
    "\x1b]0;owned\x07\x1b[2J\x1b[31mred.txt": "_]0;owned__[2J_[31mred.txt",
    "nul\x00byte.txt": "nul_byte.txt",
    "../../x": ".._.._x",
    "..\\..\\x": ".._.._x",
    "/tmp/absolute": "_tmp_absolute",
    "C:\\Windows\\absolute.txt": "C__Windows_absolute.txt",
    "folder/inner.txt": "folder_inner.txt",
    "~/home.txt": "~_home.txt",
    "-rf": "-rf",
    "--config=x": "--config=x",
    "CON": "CON",
    "trailing dot.": "trailing dot",
    "trailing space ": "trailing space",
    "gdrive:not a remote.txt": "gdrive_not a remote.txt",
    "\u202egnp.exe": "gnp.exe",
    "cafe\u0301.mp3": "caf\u00e9.mp3",
    "README.txt": "README.txt",
    "readme.txt": "readme.txt",
}
NO_NAME = (None, "", " ", "   ", ".", "..", "...", "\u200b")
EXTENSIONS = {"document": "bin", "audio": "mp3", "voice": "ogg", "photo": "jpg"}


@dataclass(frozen=True)
class Moved:
    """Two runs over the channel, one after the other, and what was counted of each."""

    scene: Scene
    first: Ended
    second: Ended
    first_counts: Counts
    second_counts: Counts
    first_files: dict[Path, tuple[int, int]]
    first_state_ids: list[int]

    @property
    def items(self) -> list[WorldItem]:
        return [
            item
            for item in wanted(self.scene.world.source)
            if item.file.size_bytes != TOO_LARGE_BYTES
        ]

    @property
    def too_large(self) -> WorldItem:
        return next(
            item
            for item in self.scene.world.source.items()
            if item.file.size_bytes == TOO_LARGE_BYTES
        )

    @property
    def stickers(self) -> int:
        return sum(item.kind == "sticker" for item in self.scene.world.source.items())


def identities(scene: Scene) -> dict[Path, tuple[int, int]]:
    """What changes when a file is written again."""
    return {
        path: (path.stat().st_ino, path.stat().st_ctime_ns) for path in remote_files(scene.machine)
    }


@pytest.fixture(scope="module")
def moved(module_stage: Stage) -> Moved:
    scene = module_stage(worlds.mixed(messages=150, too_large_bytes=TOO_LARGE_BYTES))
    scene.world.source.title = TITLE
    assert not ABSOLUTE.exists()
    first = scene.machine.run("-u", SOURCE, "--max-disk=500k")
    first_counts = scene.telegram.statistics.counts()
    first_files, first_state_ids = identities(scene), list(state_texts(scene.world))
    scene.telegram.statistics.reset()
    second = run_here(scene.machine, "-u", SOURCE, "--max-disk=500k")
    second_counts = scene.telegram.statistics.counts()
    return Moved(scene, first, second, first_counts, second_counts, first_files, first_state_ids)


def test_the_channel_holds_all_that_this_file_is_about(moved: Moved) -> None:
    names = {item.file_name for item in moved.items}
    assert set(HOSTILE_NAMES) - {moved.too_large.file_name} <= names
    kinds = {item.kind for item in moved.items}
    assert kinds == {
        *("document", "video", "audio", "voice", "video_note", "animation", "photo"),
    }
    assert {item.file.dc_id for item in moved.items} == set(worlds.ALL_DC_IDS)
    assert any(item.file.size_bytes == 0 for item in moved.items)
    assert moved.scene.world.source.raw_id > 2**31
    assert moved.stickers > 0


def test_every_file_is_on_the_remote_once_with_its_bytes_and_its_date(moved: Moved) -> None:
    assert_on_remote(moved.scene.machine, (moved.scene.world.source, moved.items))


def test_every_file_has_the_name_that_the_help_promises(moved: Moved) -> None:
    items = {item.message_id: item for item in moved.items}
    for path in remote_files(moved.scene.machine):
        number, _, name = path.name.partition("_")
        item = items[int(number)]
        if item.file_name in NO_NAME:
            made_up = f"{item.kind}_{item.date:%Y-%m-%d_%H-%M-%S}"
            assert name == f"{made_up}.{EXTENSIONS.get(item.kind, 'mp4')}"
        elif item.file_name in ON_REMOTE:
            assert name == ON_REMOTE[item.file_name]
        elif item.file_name not in HOSTILE_NAMES:
            assert name == item.file_name


def test_no_name_on_the_remote_is_strange_to_any_system(moved: Moved) -> None:
    names = [path.name for path in remote_files(moved.scene.machine)]
    folder = remote_files(moved.scene.machine)[0].parent.name
    for name in (*names, folder):
        assert len(name.encode()) <= 255
        assert not set('<>:"/\\|?*') & set(name), name
        assert name == unicodedata.normalize("NFC", name).rstrip(" .")
        strange = {c for c in name if unicodedata.category(c)[0] == "C"} - {"\u200c", "\u200d"}
        assert not strange, name
    assert len({name.casefold() for name in names}) == len(names)
    assert folder == f"_All `touch x` $(touch x)__[31m of it [{moved.scene.world.source.chat_id}]"


def test_nothing_was_made_outside_the_folder_of_the_chat_and_nothing_ran(moved: Moved) -> None:
    machine = moved.scene.machine
    assert len({path.parent for path in remote_files(machine)}) == 1
    assert [path.name for path in machine.remote_directory.iterdir()] == ["files"]
    assert list(machine.working_directory.iterdir()) == []
    made_at_home = [path.name for path in (machine.directory / "home").rglob("*")]
    assert set(made_at_home) <= {".config", "rclone"}
    assert not ABSOLUTE.exists()
    assert {path.name for path in machine.directory.iterdir()} == {
        *("home", "work", "data", "staging", "remote", "outputs", "rclone.conf")
    }
    left = [*machine.data_directory.rglob("*"), *machine.staging_directory.rglob("*")]
    assert all(SAFE_NAME.fullmatch(path.name) for path in left)
    assert [path.name for path in machine.staging_directory.iterdir()] == [".lock"]


def test_seen_is_done_and_skipped_and_failed_in_the_summary_and_the_result_line(
    moved: Moved,
) -> None:
    ended, files = moved.first, len(moved.items)
    moved_bytes = sum(item.file.size_bytes for item in moved.items)
    assert (ended.exit_status, ended.said) == (0, "")
    assert ended.stdout == (
        f"result: status=complete seen={files + moved.stickers + 1} done={files} "
        f"skipped={moved.stickers} failed=1 bytes={moved_bytes}\n"
    )
    table = [" ".join(line.split()) for line in ended.log]
    assert f"seen {files + moved.stickers + 1}" in table
    assert f"done {files} {files} moved now, 0 there before" in table
    assert f"skipped {moved.stickers} sticker {moved.stickers}" in table
    assert "failed 1 larger than the disk budget 1" in table
    assert sum(line.startswith("moved ") for line in table) == files


def test_a_file_larger_than_the_budget_is_named_with_its_mend(moved: Moved) -> None:
    words = (
        f"the file has {TOO_LARGE_BYTES} bytes and the disk budget is 500000; "
        "raise --max-disk to move it"
    )
    named = [line for line in moved.first.log if line.endswith(words)]
    assert len(named) == 2  # when it is met, and at the end
    assert all(str(moved.too_large.message_id) in line for line in named)


def test_one_pinned_state_message_says_the_same(moved: Moved) -> None:
    world, state = moved.scene.world, the_state(moved.scene.world)
    assert world.saved_messages.pinned_ids() == list(state_texts(world)) == moved.first_state_ids
    assert moved.first_counts.calls["messages.UpdatePinnedMessage"] == 1
    assert "messages.UpdatePinnedMessage" not in moved.second_counts.calls
    assert moved.second_counts.calls["messages.EditMessage"] >= 1
    assert state["channel_id"] == str(world.source.chat_id)
    assert state["last_message_id"] == world.source.newest_id()
    assert state["total_downloaded"] == state["total_uploaded"] == len(moved.items)
    assert state["status"] == "complete"
    assert state["failed"] == str(moved.too_large.message_id)
    assert state["failures"] == {"larger than the disk budget": 1}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", state["timestamp"])


def test_a_second_run_downloads_nothing_and_moves_nothing(moved: Moved) -> None:
    assert (moved.second.exit_status, moved.second.said) == (0, "")
    assert (moved.second.result["status"], moved.second.result["bytes"]) == ("complete", "0")
    assert moved.second_counts.file_bytes == 0
    assert "upload.GetFile" not in moved.second_counts.calls
    assert identities(moved.scene) == moved.first_files


def test_no_part_was_asked_for_twice(moved: Moved) -> None:
    assert set(moved.first_counts.parts.values()) == {1}
    assert moved.first_counts.file_bytes == sum(item.file.size_bytes for item in moved.items)


def test_nothing_that_is_printed_can_drive_a_terminal(moved: Moved) -> None:
    for ended in (moved.first, moved.second):
        for text in (ended.stdout, ended.stderr):
            assert all(line.isprintable() for line in text.split("\n"))


def test_secrets_and_records_are_for_their_owner_alone(moved: Moved) -> None:
    machine = moved.scene.machine
    for root in (machine.data_directory, machine.staging_directory):
        for path in (root, *root.rglob("*")):
            mode = os.stat(path).st_mode & 0o777
            assert mode == (0o700 if path.is_dir() else 0o600), f"{path} is {mode:o}"
