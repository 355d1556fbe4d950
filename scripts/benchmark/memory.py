"""The program's peak memory: many large files at once, and a long history."""

from __future__ import annotations

from scripts.benchmark.frame import (
    MEGABYTE,
    Case,
    Plan,
    Row,
    files_of,
    say,
    telegram,
    temporary_directory,
)
from scripts.benchmark.program import Watched, run_program

MOST_BYTES = 150 * MEGABYTE
AIM = "at most 150 MB"


def eight_large_files(plan: Plan) -> list[Row]:
    """Not to their end: memory does not grow any more after the first seconds."""
    sizes = [2_000_000_000] * 8
    with telegram("files", files_of(sizes)) as place, temporary_directory() as directory:
        watched = run_program(
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
            most_seconds=plan.choose(40, 12),
        )
        served_bytes = place.ask("statistics")["file_bytes"]
    case = "memory, 8 downloads of 2 GB files"
    return [_row(case, watched, f"{served_bytes // MEGABYTE} MB of them")]


def long_history(plan: Plan) -> list[Row]:
    messages = plan.choose(100_000, 20_000)
    world = {"messages": messages, "media_every": 500}
    with telegram("sparse", world) as place, temporary_directory() as directory:
        # Listing is what is looked at: a thousand pages need no long way.
        place.ask("shaping", {"round_trip_seconds": 0.005})
        watched = run_program(
            directory,
            {**place.environment, "RCLONE_CONFIG": "", "RCLONE_DISABLE": "Move,Copy"},
            "-u",
            f"@{place.greeting['username']}",
            "--remote",
            str(directory / "remote"),
        )
    case = f"memory, {messages:,} messages"
    return [_row(case, watched, f"{watched.result['done']} files, {watched.seconds:.0f} s")]


def _row(case: str, watched: Watched, what: str) -> Row:
    say(f"{case}: {watched.peak_memory_bytes / MEGABYTE:.0f} MB")
    children = watched.peak_child_memory_bytes / MEGABYTE
    return Row(
        case,
        AIM,
        f"{watched.peak_memory_bytes / MEGABYTE:.0f} MB",
        watched.peak_memory_bytes <= MOST_BYTES,
        f"its rclone children {children:.0f} MB more; {what}",
    )


CASES = (
    Case("memory", "large-files", eight_large_files),
    Case("memory", "long-history", long_history),
)
