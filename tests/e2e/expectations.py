"""What a run must have left on the remote and in Saved Messages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from standins.telegram.world.channel import Channel, WorldItem
from standins.telegram.world.world import World
from tests.e2e.program import NOTHING_DONE, Ended, Machine

STATE_HEADER = "📊 TDL Progress"


def wanted(channel: Channel, ids: Iterable[int] | None = None) -> list[WorldItem]:
    """The files of a chat that are to be moved: all but stickers, or those of these messages."""
    chosen = None if ids is None else set(ids)
    return [
        item
        for item in channel.items()
        if item.kind != "sticker" and (chosen is None or item.message_id in chosen)
    ]


def folders(machine: Machine) -> list[str]:
    """The names of the chats' folders on the remote."""
    return sorted({path.parent.name for path in remote_files(machine)})


def remote_files(machine: Machine) -> list[Path]:
    """Every file that lies on the remote, wherever."""
    root = machine.remote_directory
    return sorted(path for path in root.rglob("*") if not path.is_dir()) if root.exists() else []


def assert_on_remote(machine: Machine, *chats: tuple[Channel, Iterable[WorldItem]]) -> None:
    """Exactly these files are on the remote, each once, whole, and dated as its message."""
    found: dict[tuple[str, str], Path] = {}
    for path in remote_files(machine):
        key = (path.parent.name.rpartition(" ")[2], path.name.partition("_")[0])
        assert key not in found, f"twice: {path} and {found[key]}"
        found[key] = path
    expected = {
        (f"[{channel.chat_id}]", item.key.number): item
        for channel, items in chats
        for item in items
    }
    assert found.keys() == expected.keys()
    for key, item in expected.items():
        path = found[key]
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert digest == item.file.sha256(), f"{path} holds other bytes than message {key}"
        assert path.stat().st_mtime == item.date.timestamp(), path


def assert_moved(ended: Ended, files: int) -> None:
    """The run ended well, moved so many files, and had nothing else to say."""
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert ended.numbers()["done"] == ended.numbers()["seen"] == files
    assert ended.said == ""


def state_texts(world: World) -> dict[int, str]:
    """The state messages in Saved Messages, by message id."""
    saved = world.saved_messages
    texts = {
        number: str(getattr(saved.message(number), "message", ""))
        for number in range(1, saved.newest_id() + 1)
    }
    return {number: text for number, text in texts.items() if text.startswith(STATE_HEADER)}


def the_state(world: World) -> dict[str, Any]:
    """What the one state message says; a failure if there is none, or more than one."""
    texts = list(state_texts(world).values())
    assert len(texts) == 1, texts
    header, text, *_ = texts[0].split("\n")
    assert header == STATE_HEADER
    state: dict[str, Any] = json.loads(text)
    return state


def assert_refused(ended: Ended, exit_status: int, line: str, stdout: str = NOTHING_DONE) -> None:
    """The whole of what a user gets: one line on standard error, the exit status, the result."""
    assert ended.said == f"tdl_sync: {line}\n"
    assert ended.exit_status == exit_status
    assert ended.stdout == stdout
