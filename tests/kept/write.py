"""Writes what this version of the program leaves, for later versions to read.

    .venv/bin/python -m tests.kept.write

makes ``tests/kept/v<version>``, and refuses where that is there: what a version has written stays
as it is. rclone has to be on the path. It takes about a minute.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pyrogram.storage import SQLiteStorage

from standins.telegram.server import StandIn
from tdl_sync.core.model import scope_key
from tdl_sync.core.program import VERSION
from tdl_sync.reporting.events import as_json
from tdl_sync.state.claims import claim_text
from tdl_sync.state.done_marks import DoneMarks
from tdl_sync.state.exclusive import ChatLock
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.mark_database import DATABASE_NAME
from tdl_sync.state.mark_records import watermark_key
from tdl_sync.state.state_message import encode, json_in
from tests.e2e.program import Machine
from tests.kept import listings, values_marks, values_scopes, values_states
from tests.kept.killed import KilledMachine
from tests.kept.looks import looks
from tests.kept.places import HERE, STAGING, Kept, moved
from tests.kept.values_disk import write_disk
from tests.kept.values_names import names
from tests.kept.values_sidecars import sidecars
from tests.kept.values_told import events, notes, result_lines, summaries
from tests.kept.write_killed import write_killed
from tests.kept.write_texts import write_texts

PACKED_BYTES = 16_384


def main() -> None:
    target = HERE / f"v{VERSION.replace('.', '_')}"
    if target.exists():
        sys.exit(f"{target} is there and stays as it is; raise the version first")
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        write_all(made, Path(scratch))
        shutil.copytree(made, target)


def write_all(target: Path, scratch: Path) -> None:
    _write_marks(target, scratch)
    _write_partial_files(target / "disk", scratch)
    _write_states(target)
    _write_scopes(target)
    write_texts(target / "texts", scratch)
    _write_lock(target / "locks")
    asyncio.run(_write_session(target / "telegram", scratch))
    _write_files(target / "sidecars", ".json", sidecars())
    _write_files(target / "summaries", ".txt", _encoded(summaries()))
    _write_files(target / "notes", ".txt", _encoded(notes()))
    (target / "results.txt").write_text(result_lines(), "utf-8")
    (target / "log.jsonl").write_text("".join(f"{as_json(each)}\n" for each in events()), "utf-8")
    (target / "names.json").write_text(f"{json.dumps(names(), indent=1)}\n")
    listings.write(target / "listings", scratch)
    write_killed(target / "killed", scratch)
    _write_looks(target, scratch)


def _write_files(directory: Path, ending: str, contents: dict[str, bytes]) -> None:
    directory.mkdir()
    for name, content in contents.items():
        (directory / f"{name}{ending}").write_bytes(content)


def _encoded(texts: dict[str, str]) -> dict[str, bytes]:
    return {name: text.encode("utf-8") for name, text in texts.items()}


_WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from tdl_sync.state.done_marks import DoneMarks
from tests.kept.values_marks import write_all, write_late

with DoneMarks(Path(sys.argv[1])) as marks:
    write_all(marks)
write_late(DoneMarks(Path(sys.argv[1])))
os.kill(os.getpid(), signal.SIGKILL)
"""


def _write_marks(target: Path, scratch: Path) -> None:
    """After a run that has ended, after one that was killed, and what earlier versions wrote."""
    with DoneMarks(target / "marks") as marks:
        values_marks.write_all(marks)
    killed = target / "marks-after-kill"
    died = subprocess.run([sys.executable, "-c", _WRITE_AND_DIE, str(killed)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert (killed / f"{DATABASE_NAME}-wal").stat().st_size
    DoneMarks(target / "marks-older").close()
    with sqlite3.connect(target / "marks-older" / DATABASE_NAME) as database:
        database.executemany(
            "INSERT INTO Cache (key, raw, store_time, access_time, mode, value)"
            " VALUES (?, 1, 0, 0, 1, ?)",
            values_marks.OLDER_ROWS.items(),
        )
    for name in ("marks", "marks-older"):
        database = sqlite3.connect(target / name / DATABASE_NAME, isolation_level=None)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("VACUUM")
        database.close()


def _write_partial_files(target: Path, scratch: Path) -> None:
    write_disk(scratch / "disk")
    shutil.copytree(scratch / "disk", target)
    for journal in target.rglob("*.parts"):
        staging = str(scratch / "disk" / "staging")
        journal.write_bytes(moved(journal.read_bytes(), staging, STAGING))
    for path in list(target.rglob("*.part")):
        if path.stat().st_size > PACKED_BYTES:
            packed = gzip.compress(path.read_bytes(), mtime=0)
            path.with_name(f"{path.name}.gz").write_bytes(packed)
            path.unlink()


def _write_states(target: Path) -> None:
    states = {name: encode(state) for name, state in values_states.STATES.items()}
    _write_files(target / "states", ".txt", _encoded(states))
    full, record = states["running"], json.loads(json_in(states["running"]))
    _write_files(target / "older-states", ".txt", _encoded(_older(full, record)))
    _write_files(target / "unreadable-states", ".txt", _encoded(_unreadable(full, record)))
    _write_files(target / "foreign", ".txt", _encoded(_foreign()))
    _write_files(target / "claims", ".txt", _encoded(_claims()))
    local = LocalStates(target / "state")
    for state in (values_states.FULL, values_states.FIRST):
        local.write(state.scope_key, json_in(encode(state)))
    # Killed while the next one was being written, and a file that a failing disk has cut.
    local.path(values_states.FULL.scope_key).with_suffix(".new").write_text('{"version":1,"sco')
    local.path("damaged").write_text(json_in(full)[:300], "utf-8")


def _text(record: dict[str, Any], **changed: object) -> str:
    line = json.dumps({**record, **changed}, ensure_ascii=False, separators=(",", ":"))
    return f"📊 TDL Progress\n{line}\nfor people"


def _without(record: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in keys}


def _older(full: str, record: dict[str, Any]) -> dict[str, str]:
    return {
        "without-run-figures": _text(_without(record, "run_bytes", "run_seconds")),
        "with-more-keys": _text(record, new=[1], run={**record["run"], "new": None}),
        "in-another-order": _text(dict(sorted(record.items()))),
        "without-lines-for-people": "\n".join(full.split("\n")[:2]),
        "spaces-in-json": f"📊 TDL Progress\n{json.dumps(record)}",
        "blanks-after-the-header": full.replace("Progress\n", "Progress  \n"),
    }


def _unreadable(full: str, record: dict[str, Any]) -> dict[str, str]:
    return {
        "no-json": "📊 TDL Progress\nnothing of ours",
        "cut": full[: len(full) // 2],
        "header-alone": "📊 TDL Progress",
        "a-list": "📊 TDL Progress\n[1]",
        "later-version": _text(record, version=2),
        "no-version": _text(_without(record, "version")),
        "without-run": _text(_without(record, "run")),
        "unknown-status": _text(record, status="paused"),
        "overlapping-ids": _text(record, done_above="12346-12349,12349"),
        "too-many-ids": _text(record, done_above="1-2147483647"),
        "true-for-a-number": _text(record, last_message_id=True),
        "local-time": _text(record, timestamp="2024-05-06T12:00:07+02:00"),
        "not-a-number": _text(record, total_size_gb=float("nan")),
        "channel-id-as-number": _text(record, channel_id=-1001234567890),
    }


def _foreign() -> dict[str, str]:
    return {
        "a-note": "I have to look at my\n📊 TDL Progress",
        "a-headline-like-ours": "📊 TDL Progress of today\n{}",
        "claim": claim_text(values_states.SUBJECT, values_states.RUN),
        "nothing": "",
    }


def _claims() -> dict[str, str]:
    subject, run = values_states.SUBJECT, values_states.RUN
    first = claim_text(subject, run)
    return {
        **{name: claim_text(subject, run, times) for name, times in values_states.CLAIMS.items()},
        "other-subject": first.replace(subject.key, "0" * 16),
        "without-run": first.replace('"run"', '"ran"'),
        "no-json": first.replace("{", ""),
        "not-a-claim": first.replace(" claim\n", " claims\n"),
    }


def _write_scopes(target: Path) -> None:
    rows = []
    for command_line in values_scopes.COMMAND_LINES:
        scope = values_scopes.scope_of(command_line)
        rows.append(
            {
                "command_line": command_line,
                "filters": scope.filters,
                "watermark_key": watermark_key(scope),
                "scope_key": scope_key(scope),
            }
        )
    text = json.dumps(rows, ensure_ascii=False, indent=1)
    (target / "scopes.json").write_text(f"{text}\n", "utf-8")


def _write_lock(target: Path) -> None:
    subject = values_states.SUBJECT
    ChatLock.acquire(target, subject.key, values_states.RUN, subject.title).release()
    (target / "damaged.json").write_text('{"host": "cu')


async def _write_session(target: Path, scratch: Path) -> None:
    """As the library for Telegram stores it, with what it would print of it."""
    storage: Any = SQLiteStorage("telegram", workdir=scratch)
    await storage.open()
    await storage.dc_id(4)
    await storage.api_id(12345)
    await storage.test_mode(False)
    await storage.auth_key(bytes(range(256)))
    await storage.user_id(5_000_000_001)
    await storage.is_bot(False)
    printed: str = await storage.export_session_string()
    await storage.save()
    await storage.close()
    target.mkdir()
    # Not as ….session, which no repository is to hold.
    os.replace(scratch / "telegram.session", target / "session.sqlite")
    (target / "printed.txt").write_text(printed)


def _write_looks(target: Path, scratch: Path) -> None:
    killed = KilledMachine(Kept(target))
    world = killed.world()
    with StandIn(world) as telegram:
        machine = Machine(scratch / "looks", telegram)
        killed.lay_remote(machine, world.source)
        killed.lay_disk(machine, world.source)
        texts = looks(killed, machine)
    _write_files(target / "looks", ".txt", _encoded(texts))


if __name__ == "__main__":
    main()
