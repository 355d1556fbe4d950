"""What rclone lists of a remote, as it printed it, and an rclone that prints it again."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

from standins.drive.server import DriveStandIn
from tdl_sync.remote.rclone import Rclone

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
    rclone = Rclone.find()
    _write_lists(rclone, str(local), target, "local")
    with DriveStandIn() as drive:
        os.environ.update({**drive.environment(), "RCLONE_DRIVE_PACER_MIN_SLEEP": "1ms"})
        rclone = Rclone.find(config_file=drive.rclone_config(scratch))
        copied = rclone.ask(["copy", "--create-empty-src-dirs"], str(local), "gdrive:a")
        assert copied.exit_status == 0, copied.last_error
        _write_lists(rclone, "gdrive:a", target, "drive")


def _write_lists(rclone: Rclone, remote: str, target: Path, name: str) -> None:
    for what, command, path in (
        ("folders", _LIST_FOLDERS, remote),
        ("files", _LIST_FILES, f"{remote}/{FOLDER}"),
        ("hashes", [*_LIST_FILES, *_WITH_HASHES], f"{remote}/{FOLDER}"),
    ):
        answer = rclone.ask(command, path)
        assert answer.exit_status == 0, answer.last_error
        (target / f"{name}-{what}.json").write_bytes(answer.stdout)


def rclone_that_prints(listing: Path, directory: Path) -> Rclone:
    """An rclone that answers to any listing as the real one did when this was kept."""
    program = directory / "rclone"
    cat = shutil.which("cat")
    assert cat is not None
    program.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        "  *lsjson*) exec " + shlex.join([cat, str(listing)]) + ";;\n"
        "  *) echo rclone v1.75.2;;\n"
        "esac\n"
    )
    program.chmod(0o700)
    assert subprocess.run([str(program), "lsjson"], capture_output=True, check=True).stdout
    return Rclone.find(executable=str(program))


def entries(listing: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(listing.read_bytes())
    return found
