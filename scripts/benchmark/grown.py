"""A child: what one thing costs where so many files are done already.

    python -m scripts.benchmark.grown 100000 --runs 3

prints the seconds of CPU of each as JSON: how long a disk takes to be sure of a write does not
depend on what is there already. The records are filled in one transaction, which is not measured.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

from scripts.benchmark.frame import median, temporary_directory
from tdl_sync.core.model import (
    DoneMark,
    FileLocation,
    ListedFile,
    LocationKind,
    MediaItem,
    MediaType,
    MessageKey,
    RemoteFile,
)
from tdl_sync.state.done_marks import DoneMarks
from tdl_sync.state.mark_database import DATABASE_NAME
from tdl_sync.state.mark_records import key_text, mark_text
from tdl_sync.state.run_state import RunIdentity, RunState, RunStatus
from tdl_sync.state.state_message import encode
from tdl_sync.transfer.watermark import OldestFirst

REMOTE, CHAT_ID = "gdrive:tdl-sync", -1001234567890
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
LOOK_UPS = 1000
WRITES = 100
SAVES = 20
PAGE = 100
OPEN_EVERY = 50
"""So that what is above the watermark has as many gaps as there may be."""


def mark(message_id: int) -> DoneMark:
    key = MessageKey(CHAT_ID, 0, message_id)
    location = FileLocation(LocationKind.DOCUMENT, 2, message_id, 1, b"reference")
    name = f"{message_id}_a file of some name.bin"
    item = MediaItem(key, MediaType.VIDEO, name, "video/mp4", 900, NOW, location)
    return DoneMark(REMOTE, RemoteFile.listed(item, "Folder", ListedFile(name, 900)))


def fill(directory: Path, n: int) -> None:
    """The rows as diskcache writes them, without its half a dozen statements for each."""
    moment = time.time()

    def rows() -> Iterator[tuple[str, float, float, str]]:
        for message_id in range(1, n + 1):
            one = mark(message_id)
            yield key_text("done", REMOTE, one.key), moment, moment, mark_text(one)
            key = json.dumps(["file", REMOTE, CHAT_ID, 0, "document", message_id, 900])
            yield key, moment, moment, str(message_id)

    with DoneMarks(directory) as marks, marks._database.transaction() as cache:
        cache._con.executemany(
            "INSERT INTO Cache (key, raw, store_time, expire_time, access_time, access_count, tag, "
            "size, mode, filename, value) VALUES (?, 1, ?, NULL, ?, 0, NULL, 0, 1, NULL, ?)",
            rows(),
        )


def opened(directory: Path, n: int) -> float:
    began = time.process_time()
    with DoneMarks(directory) as marks:
        assert marks.failures(REMOTE, CHAT_ID, 0) == []
    return time.process_time() - began


def looked_up(directory: Path, n: int) -> float:
    with DoneMarks(directory) as marks:
        began = time.process_time()
        for number in range(LOOK_UPS):
            message_id = 1 + number * 7919 % n
            assert marks.is_done(REMOTE, MessageKey(CHAT_ID, 0, message_id))
        return time.process_time() - began


def written(directory: Path, n: int) -> float:
    with DoneMarks(directory) as marks:
        began = time.process_time()
        for number in range(WRITES):
            marks.write(mark(n + 1 + number))
        return (time.process_time() - began) / WRITES


def saved(_: Path, n: int) -> float:
    """The books of a run whose first file takes for ever, and what they become in the state."""
    frontier = OldestFirst()
    for first in range(1, n + 1, PAGE):
        frontier.listed(range(first, first + PAGE), first + PAGE - 1)
        for message_id in range(max(first, 2), first + PAGE):
            if message_id % OPEN_EVERY:
                frontier.settled(message_id)
    began = time.process_time()
    for _number in range(SAVES):
        encode(state(frontier))
    return (time.process_time() - began) / SAVES


def state(frontier: OldestFirst) -> RunState:
    return RunState(
        scope_key="0" * 16,
        channel_id=CHAT_ID,
        channel_name="A chat",
        last_message_id=frontier.watermark,
        total_downloaded=1,
        total_uploaded=1,
        total_size_bytes=1,
        timestamp=NOW,
        status=RunStatus.RUNNING,
        remote=REMOTE,
        folder="Folder",
        started=NOW,
        done_above_ids=frontier.done_above(),
        failed_ids=(),
        failures_by_reason={},
        run=RunIdentity("host", 1, "1", "1", 1, 30),
    )


WAYS: dict[str, Callable[[Path, int], float]] = {
    "open": opened,
    "look": looked_up,
    "write": written,
    "save": saved,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("n", type=int)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    with temporary_directory() as directory:
        fill(directory / "marks", arguments.n)
        seconds = {
            name: median([way(directory / "marks", arguments.n) for _ in range(arguments.runs)])
            for name, way in WAYS.items()
        }
        size_bytes = (directory / "marks" / DATABASE_NAME).stat().st_size
    print(json.dumps({**seconds, "bytes": size_bytes}))


if __name__ == "__main__":
    main()
