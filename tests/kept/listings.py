"""What rclone lists of a remote, as it printed it, and one that answers with it."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path

from standins.drive.server import DriveStandIn
from tdl_sync.remote.remote_control import RemoteControl
from tests.contract.false_rclone import Answer, false_rclone
from tests.contract.rclones import Looker, opened_control
from tests.standins.rclone_on_drive import executable

CHAT_ID = -1001234567890
FOLDER = f"Лекции [{CHAT_ID}]"
FOLDERS = [
    FOLDER,
    f"Another title [{CHAT_ID}]",
    "Other [-1009876543210]",
    "Saved [5000000001]",
    "holidays",
    f"Not at the end [{CHAT_ID}] ",
    "[0]",
]
FILES = {
    "1_a.mp4": 11,
    "1.json": 2,
    "2_no file behind.partial": 12,
    "3_b.mp4.0a1b2c3d.partial": 5,
    "3_b.mp4": 13,
    f"4_{'n' * 100}.mp4": 14,
    f"4_{'n' * 100}.mp4"[:89] + ".zzzzzzzz.partial": 7,
    "5_once.txt": 15,
    "5_twice.txt": 16,
    "2147483647_тест \U0001f3b5.ogg": 0,
    "0_zero.bin": 1,
    "007_agent.bin": 1,
    "notes.txt": 3,
    "messages.jsonl": 4,
    "messages-topic-55.jsonl": 4,
    "2024-05/6_c.jpg": 17,
    "2024-05/6.json": 2,
    "2024-05/video/7_d.mp4": 18,
    "2024-05/video/7_d.mp4.ABCDEFGH.partial": 9,
}
"""What is in ``FOLDER``, with its size in bytes."""

_LIST_FILES = ["lsjson", "-R", "--files-only", "--no-modtime", "--no-mimetype"]
_WITH_HASHES = ["--hash", "--hash-type=sha256"]
_LIST_FOLDERS = ["lsjson", "--dirs-only", "--no-modtime"]


def write(target: Path, scratch: Path) -> None:
    """The lists of a directory and of a Drive, with hashes and without."""
    target.mkdir()
    local = scratch / "local"
    for name in FOLDERS:
        (local / name).mkdir(parents=True)
    for name, size_bytes in FILES.items():
        path = local / FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size_bytes)
    rclone = Looker(executable())
    _write_lists(rclone, str(local), target, "local")
    with DriveStandIn() as drive:
        os.environ.update({**drive.environment(), "RCLONE_DRIVE_PACER_MIN_SLEEP": "1ms"})
        rclone = Looker(executable(), drive.rclone_config(scratch))
        rclone.run(["copy", "--create-empty-src-dirs"], str(local), "gdrive:a")
        _write_lists(rclone, "gdrive:a", target, "drive")


def _write_lists(rclone: Looker, remote: str, target: Path, name: str) -> None:
    for what, command, path in (
        ("folders", _LIST_FOLDERS, remote),
        ("files", _LIST_FILES, f"{remote}/{FOLDER}"),
        ("hashes", [*_LIST_FILES, *_WITH_HASHES], f"{remote}/{FOLDER}"),
    ):
        (target / f"{name}-{what}.json").write_bytes(rclone.run(command, path))


def rclone_that_lists(closing: ExitStack, listing: Path, directory: Path) -> RemoteControl:
    """An rclone that answers to any listing with what the real one showed when this was kept."""
    answer = Answer(f'{{"list": {listing.read_text("utf-8")}}}')
    return opened_control(closing, false_rclone(directory, {"operations/list": answer}))


def entries(listing: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(listing.read_bytes())
    return found
