"""Memory: the program's own, and what it and its rclones take together."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from scripts.benchmark.frame import (
    MEGABYTE,
    NOW,
    BenchFailed,
    Case,
    Plan,
    Row,
    files_of,
    median,
    say,
    telegram,
    temporary_directory,
)
from scripts.benchmark.moves import drive_remote, local_remote, move_chat
from scripts.benchmark.program import MemoryLook, run_program

MOST_BYTES = 150 * MEGABYTE
AIM = "at most 150 MB"
MOST_GROWTH_BYTES = 5 * MEGABYTE
MOST_LISTING_BYTES = 200 * MEGABYTE
SHORT_WAY = {"round_trip_seconds": 0.005}
SMALL_BYTES = 900
COUNT_SECONDS = 0.25
"""So seldom are thousands of files in a directory counted."""


def eight_large_files(plan: Plan) -> list[Row]:
    """Not to their end: memory does not grow any more after the first seconds."""
    sizes = [2_000_000_000] * 8
    memory = MemoryLook()
    with telegram("files", files_of(sizes)) as place, temporary_directory() as directory:
        run_program(
            NOW,
            directory,
            {**place.environment, "RCLONE_CONFIG": ""},
            "-u",
            f"@{place.greeting['username']}",
            "--remote",
            str(directory / "remote"),
            "--downloads",
            "8",
            "--max-disk",
            "20",
            looks=[memory],
            most_seconds=plan.choose(40, 12),
        )
        served_bytes = place.ask("statistics")["file_bytes"]
    case = "memory, 8 downloads of 2 GB files"
    return [_row(case, memory, f"{served_bytes // MEGABYTE} MB of them")]


def long_history(plan: Plan) -> list[Row]:
    messages = plan.choose(100_000, 20_000)
    world = {"messages": messages, "media_every": 500}
    memory = MemoryLook()
    with telegram("sparse", world) as place, temporary_directory() as directory:
        # Listing is what is looked at: a thousand pages need no long way.
        place.ask("shaping", SHORT_WAY)
        finished = run_program(
            NOW,
            directory,
            {**place.environment, "RCLONE_CONFIG": "", "RCLONE_DISABLE": "Move,Copy"},
            "-u",
            f"@{place.greeting['username']}",
            "--remote",
            str(directory / "remote"),
            looks=[memory],
        )
    case = f"memory, {messages:,} messages"
    return [_row(case, memory, f"{finished.result['done']} files, {finished.seconds:.0f} s")]


def _row(case: str, memory: MemoryLook, what: str) -> Row:
    say(f"{case}: {told(memory)}")
    own_bytes = memory.highest_program_bytes
    rclone = memory.highest_rclone_bytes / MEGABYTE
    return Row(
        case,
        AIM,
        f"{own_bytes / MEGABYTE:.0f} MB",
        own_bytes <= MOST_BYTES,
        f"its rclone children {rclone:.0f} MB more; {what}",
    )


def told(memory: MemoryLook) -> str:
    return (
        f"{memory.highest_together_bytes / MEGABYTE:.0f} MB together (the program alone "
        f"{memory.highest_program_bytes / MEGABYTE:.0f} MB, rclone "
        f"{memory.highest_rclone_bytes / MEGABYTE:.0f} MB)"
    )


# --- the program and its rclones together ------------------------------------------------------


def three_uploads(plan: Plan) -> list[Row]:
    """Large files fill rclone's buffers, small ones start it often."""
    sizes = [plan.choose(100, 40) * MEGABYTE] * plan.choose(6, 3) + [MEGABYTE] * plan.choose(60, 20)
    case = f"memory, {len(sizes)} files to Drive, 3 uploads at once"
    seen: dict[str, list[MemoryLook]] = defaultdict(list)
    with telegram("files", files_of(sizes)) as chat:
        for checkout in plan.in_turn():
            memory = MemoryLook()
            with drive_remote() as remote:
                move_chat(checkout, chat, remote, len(sizes), "--workers", "3", looks=[memory])
            say(f"{checkout.name}, {case}: {told(memory)}")
            seen[checkout.name].append(memory)
    return [_against_before(case, seen)]


def _against_before(case: str, seen: dict[str, list[MemoryLook]]) -> Row:
    highest = {
        name: median([memory.highest_together_bytes for memory in memories])
        for name, memories in seen.items()
    }
    now = highest.pop(NOW.name)
    details = "; ".join(f"{name}, {told(memories[-1])}" for name, memories in seen.items())
    result = f"{now / MEGABYTE:.0f} MB together"
    for before in highest.values():
        return Row(
            case, f"below {before / MEGABYTE:.0f} MB as before", result, now < before, details
        )
    return Row(case, "", result, None, details)


def growth(plan: Plan) -> list[Row]:
    """Once: it takes thousands of files. An earlier state is not measured beside it."""
    files = plan.choose(20_000, 2_000)
    early, window = files // 4, files // 20
    case = f"memory, from the {early:,}th to the {files:,}th file"
    with telegram("files", files_of([SMALL_BYTES] * files)) as chat, local_remote() as remote:
        chat.ask("shaping", SHORT_WAY)
        memory = MemoryLook(lambda: _files_below(Path(remote.path)), COUNT_SECONDS)
        moved = move_chat(NOW, chat, remote, files, looks=[memory])
    before, after = (memory.together_bytes_before(done, window) for done in (early, files))
    say(f"{case}: {told(memory)}, {after - before:+,.0f} bytes")
    return [
        Row(
            case,
            f"at most {MOST_GROWTH_BYTES // MEGABYTE} MB more",
            f"{(after - before) / MEGABYTE:+.1f} MB",
            after - before <= MOST_GROWTH_BYTES,
            f"from {before / MEGABYTE:.1f} MB together to {after / MEGABYTE:.1f} MB, medians of "
            f"{window} files; {moved.files_per_second:.0f} files/s; highest {told(memory)}",
        )
    ]


def _files_below(directory: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(directory))


def listing(plan: Plan) -> list[Row]:
    """A new machine finds the chat's folder full of files. (It moves one: uploads take memory.)"""
    there = plan.choose(100_000, 20_000)
    case = f"memory, a listing of {there:,} files"
    seen: dict[str, list[MemoryLook]] = defaultdict(list)
    with telegram("files", files_of([SMALL_BYTES])) as chat:
        for checkout in plan.in_turn():
            memory = MemoryLook()
            with local_remote() as remote:
                folder = Path(remote.path, f"There already [{chat.greeting['chat_id']}]")
                folder.mkdir(parents=True)
                for message_id in range(1001, 1001 + there):
                    (folder / f"{message_id}_a file of some name.bin").touch()
                move_chat(checkout, chat, remote, 1, looks=[memory])
                if _files_below(Path(remote.path)) != len(os.listdir(folder)):
                    raise BenchFailed("the program did not go on with the folder that was there")
            say(f"{checkout.name}, {case}: {told(memory)}")
            seen[checkout.name].append(memory)
    row = _against_before(case, seen)
    mine = median([memory.highest_together_bytes for memory in seen[NOW.name]])
    aim = f"at most {MOST_LISTING_BYTES // MEGABYTE} MB"
    return [replace(row, aim=aim, met=mine <= MOST_LISTING_BYTES)]


CASES = (
    Case("memory", "large-files", eight_large_files),
    Case("memory", "long-history", long_history),
    Case("memory", "three-uploads", three_uploads),
    Case("memory", "growth", growth),
    Case("memory", "listing", listing),
)
