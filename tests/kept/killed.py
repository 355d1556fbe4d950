"""A machine in mid-work, as ``kill -9`` left it: its directories, its remote, its Saved Messages.

What comes from Telegram cannot be packed, so of large files only their places are kept: which
bytes of which message's file were written where. The stand-in gives the same bytes again, and the
kept hash shows that it does.
"""

from __future__ import annotations

import hashlib
import json
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from standins.telegram.world import worlds
from standins.telegram.world.channel import Channel
from standins.telegram.world.world import World
from tests.e2e.program import Machine
from tests.kept.places import Kept

FOLDER = "killed"
SAVED_AT = int(datetime(2024, 5, 6, 12, 0, tzinfo=timezone.utc).timestamp())
"""When the state message was sent, for the stand-in: long before any test."""


class KilledMachine:
    """What is kept of it, to be laid down on any number of machines."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._record: dict[str, Any] = json.loads(kept.text(f"{FOLDER}/record.json"))

    @property
    def arguments(self) -> list[str]:
        """The command line of the run that was killed."""
        return list(self._record["arguments"])

    @property
    def moved_ids(self) -> list[int]:
        """What was marked as done."""
        return list(self._record["moved"])

    @property
    def staged_ids(self) -> list[int]:
        """What was downloaded and waited for its upload."""
        return list(self._record["staged"])

    @property
    def written(self) -> dict[int, list[int]]:
        """The offsets of the parts that were written, by message."""
        return {int(number): parts for number, parts in self._record["written"].items()}

    def world(self) -> World:
        """The chat that was being moved, with what Saved Messages held."""
        world = world_of(self._record["sizes"])
        for text in self._record["saved_messages"]:
            message_id = world.saved_messages.append(text, date=SAVED_AT)
            world.saved_messages.pin(message_id, on=True)
        return world

    def lay_remote(self, machine: Machine, channel: Channel) -> None:
        self._lay("remote", machine.remote_directory, machine, channel)

    def lay_disk(self, machine: Machine, channel: Channel) -> None:
        """The data directory and the staging directory."""
        self._lay("data", machine.data_directory, machine, channel)
        self._lay("staging", machine.staging_directory, machine, channel)

    def _lay(self, root: str, target: Path, machine: Machine, channel: Channel) -> None:
        self._kept.copy(f"{FOLDER}/{root}", target, machine.staging_directory)
        for name, about in self._record["files"].items():
            if not name.startswith(f"{root}/"):
                continue
            path = target / name.removeprefix(f"{root}/")
            if "ranges" in about:
                path.write_bytes(_content(about, channel))
            os.utime(path, (about["modified_at"], about["modified_at"]))


def world_of(sizes_bytes: list[int]) -> World:
    return worlds.files(sizes=sizes_bytes, seed=20)


def _content(about: dict[str, Any], channel: Channel) -> bytes:
    item = channel.item(about["message_id"])
    assert item is not None
    content = bytearray(about["size_bytes"])
    for offset, length in about["ranges"]:
        content[offset : offset + length] = item.file.read(offset, length)
    digest = hashlib.sha256(content).hexdigest()
    assert digest == about["sha256"], "the stand-in gives other bytes than when this was kept"
    return bytes(content)
