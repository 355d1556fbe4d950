"""Kills the real program in mid-work and keeps what it left. Takes about a minute."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import struct
import time
from pathlib import Path
from typing import Any

import psutil

from standins.shaping import Shaping
from standins.telegram.server import StandIn
from standins.telegram.service.faults import Fault
from standins.telegram.world.world import World
from tests.e2e.expectations import state_texts
from tests.e2e.program import SOURCE, Machine, Running
from tests.kept.killed import world_of
from tests.kept.places import STAGING, moved

MIB = 1 << 20
SIZES = [
    *(3000, 2500, 0, 4000),  # moved by a first run, which ends by itself
    *(3500, 10**9, 3000),  # moved; larger than the budget; sent wrongly again and again
    *(58_000, 57_000, 56_000),  # staged: uploads are slow
    *(9 * MIB + 777, 3 * MIB),  # in mid-download
    *(2000, 1500),  # not begun
]
MOVED_AT_FIRST, WRONG_ID, BROKEN_OFF_ID = 4, 7, 11
ARGUMENTS = ["-u", SOURCE, "--max-disk=16M", "--downloads=4", "--workers=1", "--sidecar"]
MOST_RAW_BYTES = 60_000
NEUTRAL_RUN = {"host": "seedbox", "machine": "0f1e2d3c4b5a69788796a5b4c3d2e1f0"}

_RECORD = struct.Struct(">QIII")


def write_killed(target: Path, scratch: Path) -> None:
    """``target`` is made; ``scratch`` is where the machine stands meanwhile."""
    world = world_of(SIZES)
    with StandIn(world) as telegram:
        machine = Machine(scratch / "machine", telegram)
        first = machine.run(*ARGUMENTS, f"--limit={MOVED_AT_FIRST}")
        assert first.exit_status == 0, first.stderr
        telegram.shaping = Shaping(round_trip_seconds=0.02, total_bytes_per_second=250_000)
        wrong = world.source.item(WRONG_ID)
        assert wrong is not None
        telegram.faults.add(Fault("empty_part", file_id=wrong.file.file_id, times=None))
        running = machine.start(*ARGUMENTS, variables={"RCLONE_BWLIMIT_FILE": "2k"})
        try:
            running.wait_until(lambda: _is_in_mid_work(machine, running))
        finally:
            children = running.children()
            running.kill()
            for child in children:
                with contextlib.suppress(psutil.NoSuchProcess):  # it ends with the run
                    child.kill()
        psutil.wait_procs(children, 30)
        time.sleep(0.5)
    _keep(target, machine, world)


def _is_in_mid_work(machine: Machine, running: Running) -> bool:
    staged = list(machine.staging_directory.glob("*.staged"))
    parts = _written(machine).get(BROKEN_OFF_ID, [])
    return f"failed: {WRONG_ID} " in running.stderr and len(staged) >= 2 and len(parts) >= 2


def _keep(target: Path, machine: Machine, world: World) -> None:
    files: dict[str, Any] = {}
    places = {
        "data": machine.data_directory,
        "staging": machine.staging_directory,
        "remote": machine.remote_directory,
    }
    for root, place in places.items():
        for path in sorted(each for each in place.rglob("*") if each.is_file()):
            name = f"{root}/{path.relative_to(place).as_posix()}"
            copy = target / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            files[name] = {"modified_at": int(path.stat().st_mtime)}
            if path.suffix == ".part" or (path.stat().st_size > MOST_RAW_BYTES and root != "data"):
                files[name] |= _ranges(path, _written(machine))
            elif path.suffix == ".parts":
                copy.write_bytes(moved(path.read_bytes(), str(machine.staging_directory), STAGING))
            elif path.parent.name == "locks" and path.suffix == ".json":
                copy.write_text(json.dumps({**json.loads(path.read_text()), **NEUTRAL_RUN}))
            else:
                shutil.copyfile(path, copy)
    remote = machine.remote_directory.rglob("*_file-*")
    staged = sorted(_message_id(path) for path in machine.staging_directory.glob("*.staged"))
    record = {
        "arguments": ARGUMENTS,
        "sizes": SIZES,
        "moved": sorted(_on_remote(path) for path in remote if _is_whole(path)),
        "staged": staged,
        "written": {str(number): parts for number, parts in sorted(_written(machine).items())},
        "saved_messages": [_neutral(text) for text in state_texts(world).values()],
        "files": files,
    }
    (target / "record.json").write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n")


def _written(machine: Machine) -> dict[int, list[int]]:
    """The offsets that the journals name, by message."""
    return {
        _message_id(path): sorted(offset for offset, _ in _journal(path))
        for path in sorted((machine.data_directory / "partial").glob("*.parts"))
    }


def _journal(path: Path) -> list[tuple[int, int]]:
    records = path.read_bytes().partition(b"\n")[2]
    whole = len(records) // _RECORD.size * _RECORD.size
    return [(offset, length) for offset, length, _, _ in _RECORD.iter_unpack(records[:whole])]


def _ranges(path: Path, written: dict[int, list[int]]) -> dict[str, Any]:
    """Where the file's own bytes are; all others are holes."""
    content = path.read_bytes()
    message_id = _message_id(path)
    ranges = []
    for offset in range(0, len(content), MIB):
        piece = content[offset : offset + MIB]
        if any(piece):
            assert path.suffix != ".part" or offset in written[message_id], "half a part"
            ranges.append([offset, len(piece)])
    return {
        "message_id": message_id,
        "size_bytes": len(content),
        "ranges": ranges,
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _on_remote(path: Path) -> int:
    return int(path.name.partition("_")[0])


def _is_whole(path: Path) -> bool:
    return path.stat().st_size == SIZES[_on_remote(path) - 1]


def _message_id(path: Path) -> int:
    return int(path.stem.rpartition("_")[2])


def _neutral(text: str) -> str:
    """The same as another machine would have written it."""
    header, line, *people = text.split("\n")
    record = json.loads(line)
    for key, value in NEUTRAL_RUN.items():
        line = line.replace(json.dumps(record["run"][key]), json.dumps(value))
    people = [each.replace(record["run"]["host"], NEUTRAL_RUN["host"]) for each in people]
    return "\n".join((header, line, *people))
