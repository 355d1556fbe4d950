"""Downloads alone, against the libraries' own: speed, bytes, key exchanges, CPU."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scripts.benchmark.frame import (
    MEGABYTE,
    BenchFailed,
    Case,
    Measured,
    Plan,
    Row,
    StandInProcess,
    files_of,
    median,
    median_seconds,
    result_of,
    run_child,
    say,
    start_child,
    telegram,
)

LARGE_BYTES = 64 * MEGABYTE
SMALL_BYTES = 100_000
POLL_SECONDS = 0.01
MOST_CPU_MILLISECONDS = 6.5
"""A MB, with cryptg and bytecode."""

OURS = ("our_way", "download")
LIBRARY = ("peers", "download_media")
TELETHON = ("peers", "telethon")
OBEDIENT = ("peers", "obedient")


def get(
    way: tuple[str, str], place: StandInProcess, expected_bytes: int, *arguments: str
) -> Measured:
    """One run of one way, as a process of its own."""
    module, name = way
    chat = str(place.greeting["username"])
    measured = run_child(module, place.environment, expected_bytes, name, chat, *arguments)
    say(f"{' '.join((name if module == 'peers' else 'tdl_sync', *arguments))}: {measured}")
    return measured


def against(
    plan: Plan,
    sizes: Sequence[int],
    peers: dict[str, tuple[tuple[str, str], int]],
    **shaping: float,
) -> tuple[list[Measured], dict[str, list[Measured]]]:
    """Ours and the peers (way and number at once, by name), in turn, each ``runs`` times."""
    ours: list[Measured] = []
    theirs: dict[str, list[Measured]] = {name: [] for name in peers}
    total = sum(sizes)
    with telegram("files", files_of(sizes), **shaping) as place:
        for _ in range(plan.runs):
            ours.append(get(OURS, place, total))
            for name, (way, at_once) in peers.items():
                theirs[name].append(get(way, place, total, "--at-once", str(at_once)))
    return ours, theirs


def times(
    case: str, wanted: float, name: str, ours: Sequence[Measured], theirs: Sequence[Measured]
) -> Row:
    """A row that says how many times as fast as a peer we are."""
    mine, other = median_seconds(ours), median_seconds(theirs)
    return Row(
        case,
        f"{wanted:g} times {name}",
        f"{other / mine:.2f} times",
        other / mine >= wanted,
        f"{mine:.2f} s ({ours[0].bytes / mine / MEGABYTE:.1f} MB/s) against {other:.2f} s",
    )


def one_capped(plan: Plan) -> list[Row]:
    case = "one 64 MB file, 4 MB/s a connection"
    cap = {"connection_bytes_per_second": 4 * MEGABYTE}
    ours, theirs = against(plan, [LARGE_BYTES], {"one": (LIBRARY, 1)}, **cap)
    return [times(case, 8, "download_media", ours, theirs["one"])]


def one_free(plan: Plan) -> list[Row]:
    ours, theirs = against(plan, [LARGE_BYTES], {"one": (LIBRARY, 1)})
    return [times("one 64 MB file, no cap", 4, "download_media", ours, theirs["one"])]


def against_telethon(plan: Plan) -> list[Row]:
    ours, theirs = against(plan, [LARGE_BYTES // 4], {"one": (TELETHON, 1)})
    row = times("one 16 MB file, no cap, against Telethon", 0.0, "Telethon", ours, theirs["one"])
    return [replace(row, aim="", met=None)]


def four_free(plan: Plan) -> list[Row]:
    ours, theirs = against(plan, [LARGE_BYTES] * 4, {"four": (LIBRARY, 4)})
    milliseconds = [1000 * each.cpu_seconds / (each.bytes / MEGABYTE) for each in ours]
    peers = [1000 * each.cpu_seconds / (each.bytes / MEGABYTE) for each in theirs["four"]]
    return [
        times("four 64 MB files, no cap", 2, "four download_media at once", ours, theirs["four"]),
        Row(
            "CPU, no cap",
            f"at most {MOST_CPU_MILLISECONDS:g} ms a MB",
            f"{median(milliseconds):.1f} ms a MB",
            median(milliseconds) <= MOST_CPU_MILLISECONDS,
            f"{median(milliseconds):.1f} s a GB; download_media {median(peers):.1f} ms a MB",
        ),
    ]


def small(plan: Plan) -> list[Row]:
    count = plan.choose(200, 100)
    peers = {"one": (LIBRARY, 1), "eight": (LIBRARY, 8)}
    ours, theirs = against(plan, [SMALL_BYTES] * count, peers)
    case = f"{count} files of 100 KB"
    return [
        times(case, 9, "download_media one by one", ours, theirs["one"]),
        times(case, 1.8, "eight download_media at once", ours, theirs["eight"]),
    ]


def foreign(plan: Plan) -> list[Row]:
    sizes = [SMALL_BYTES] * 40
    ours, exchanges = [], []
    for _ in range(plan.runs):
        with telegram("files", files_of(sizes, dc_id=4)) as place:
            before = place.ask("statistics")["key_exchanges"]
            ours.append(get(OURS, place, sum(sizes)))
            exchanges.append(place.ask("statistics")["key_exchanges"] - before)
    return [
        Row(
            "40 files of 100 KB in a foreign data centre",
            "1 key exchange",
            f"{max(exchanges)} key exchange{'s' if max(exchanges) != 1 else ''}",
            max(exchanges) == 1,
            f"{median_seconds(ours):.2f} s",
        )
    ]


def total_cap(plan: Plan) -> list[Row]:
    cap = 20 * MEGABYTE
    sizes = [LARGE_BYTES] * plan.choose(6, 3)
    ours, _ = against(plan, sizes, {}, total_bytes_per_second=cap)
    share = median([each.bytes_per_second / cap for each in ours])
    return [
        Row(
            "a total cap of 20 MB/s",
            "at least 95 % of it",
            f"{share:.1%}",
            share >= 0.95,
            f"{share * 20:.2f} MB/s over {sum(sizes) // MEGABYTE} MB",
        )
    ]


def slow(plan: Plan) -> list[Row]:
    size = plan.choose(16, 8) * MEGABYTE
    ratios = []
    for _ in range(plan.runs):
        with telegram("files", files_of([size]), total_bytes_per_second=400_000) as place:
            ours = get(OURS, place, size)
            ratios.append(place.ask("statistics")["file_bytes"] / size)
    return [
        Row(
            f"{size // MEGABYTE} MB at 0.4 MB/s",
            "at most 1.02 times the bytes",
            f"{max(ratios):.3f} times",
            max(ratios) <= 1.02,
            f"{ours.seconds:.1f} s",
        )
    ]


@dataclass(frozen=True)
class Limited:
    """Files, under a limit of requests."""

    name: str
    sizes: tuple[int, ...]
    limit: Mapping[str, Any]

    def run(self, way: tuple[str, str], *arguments: str) -> tuple[Measured, Mapping[str, int]]:
        """One run, and what the limit has taken and refused."""
        cap = {"connection_bytes_per_second": 4 * MEGABYTE}
        with telegram("files", files_of(self.sizes), **cap) as place:
            place.ask("limits", [self.limit])
            measured = get(way, place, sum(self.sizes), *arguments)
            counts: Mapping[str, int] = place.ask("limited")[0]
            say(f"  {counts}")
            return measured, counts


LIMITS = (
    Limited("40 requests in 5 s, one 64 MB file", (LARGE_BYTES,), {"requests": 40, "seconds": 5}),
    Limited(
        "60 requests in 3 s without Premium, 200 files of 100 KB",
        (SMALL_BYTES,) * 200,
        {"requests": 60, "seconds": 3, "kind": "flood_premium_wait"},
    ),
    Limited(
        "a bucket of 20, 10 a second, one 64 MB file",
        (LARGE_BYTES,),
        {"requests": 20, "seconds": 2, "shape": "bucket"},
    ),
    Limited(
        "a bucket of 10, 10 a second, one 32 MB file",
        (LARGE_BYTES // 2,),
        {"requests": 10, "seconds": 1, "shape": "bucket"},
    ),
    Limited(
        "3 requests in 4 s on each connection, one 48 MB file",
        (LARGE_BYTES * 3 // 4,),
        {"requests": 3, "seconds": 4, "scope": "connection"},
    ),
    Limited(
        "5 requests in 3 s on each connection, one 64 MB file",
        (LARGE_BYTES,),
        {"requests": 5, "seconds": 3, "scope": "connection"},
    ),
    Limited(
        "4 requests in 5 s on one connection of all, three 64 MB files",
        (LARGE_BYTES,) * 3,
        {"requests": 4, "seconds": 5, "scope": "connection", "connection": 5},
    ),
)


def floods(plan: Plan) -> list[Row]:
    """Beside a client that obeys every wait, in turn."""
    return [_flood_row(plan, limited) for limited in LIMITS]


def _flood_row(plan: Plan, limited: Limited) -> Row:
    ours, obedient = [], []
    scope = str(limited.limit.get("scope", "account"))
    for _ in range(plan.runs):
        ours.append(limited.run(OURS))
        obedient.append(limited.run(OBEDIENT, "--scope", scope))
    mine, theirs = (median_seconds([measured for measured, _ in each]) for each in (ours, obedient))
    refused, pauses, taken = (
        max(counts[what] for _, counts in ours) for what in ("refused", "pauses", "taken")
    )
    return Row(
        limited.name,
        "at most 1.1 times a client that obeys every wait",
        f"{mine / theirs:.2f} times",
        mine / theirs <= 1.1,
        f"{mine:.2f} s against {theirs:.2f} s; {taken} requests taken, {refused} refused "
        f"in {pauses} pauses (the other: {max(counts['refused'] for _, counts in obedient)})",
    )


def dropped(plan: Plan) -> list[Row]:
    """One of four connections ends when half of the file is there."""
    undisturbed, disturbed = [], []
    for _ in range(plan.runs):
        undisturbed.append(_with_drop(False).seconds)
        disturbed.append(_with_drop(True).seconds)
    more = median(disturbed) - median(undisturbed)
    return [
        Row(
            "one of four connections dropped in mid-file",
            "at most 1 s more",
            f"{more:+.2f} s",
            more <= 1,
            f"{median(disturbed):.2f} s against {median(undisturbed):.2f} s",
        )
    ]


def _with_drop(drop: bool) -> Measured:
    cap = {"connection_bytes_per_second": 4 * MEGABYTE}
    with telegram("files", files_of([LARGE_BYTES]), **cap) as place:
        chat = str(place.greeting["username"])
        child = start_child("our_way", place.environment, "download", chat, "--connections", "4")
        while drop and child.poll() is None:
            counts = place.ask("statistics")
            if counts["file_bytes"] >= LARGE_BYTES / 2:
                # The newest is a media connection: the first of all is for calls.
                if place.ask("drop_connections", {"number": counts["connections"]}) != 1:
                    raise BenchFailed("the connection to be dropped was not there")
                break
            time.sleep(POLL_SECONDS)
        measured = result_of(child, LARGE_BYTES)
    say(f"{'with' if drop else 'without'} a dropped connection: {measured}")
    return measured


CASES = (
    Case("downloads", "one-capped", one_capped),
    Case("downloads", "one-free", one_free),
    Case("downloads", "telethon", against_telethon),
    Case("downloads", "four-free", four_free),
    Case("downloads", "100kb", small),
    Case("downloads", "foreign", foreign),
    Case("downloads", "total-cap", total_cap),
    Case("downloads", "slow", slow),
    Case("downloads", "dropped", dropped),
    Case("downloads", "floods", floods),
)
