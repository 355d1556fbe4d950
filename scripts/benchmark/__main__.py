"""Chooses the cases, measures them one after another, and prints the table."""

from __future__ import annotations

import argparse
import compileall
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.benchmark import (
    commands,
    downloads,
    job,
    memory,
    remotes,
    scale,
    shards,
    side_by_side,
    start,
    uploads,
)
from scripts.benchmark.frame import BenchFailed, Case, Plan, Row
from scripts.benchmark.plot import svg
from scripts.environment import ROOT
from scripts.reaper import end_with_this_process

CASES: tuple[Case, ...] = (
    *start.CASES,
    *commands.CASES,
    *downloads.CASES,
    *side_by_side.CASES,
    *uploads.CASES,
    *remotes.CASES,
    *job.CASES,
    *shards.CASES,
    *memory.CASES,
    *scale.CASES,
)
GROUPS = tuple(dict.fromkeys(case.group for case in CASES))
COMPARED = ("uploads", "remotes", "memory")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.py", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--quick", action="store_true", help="smaller, and each thing once")
    parser.add_argument("--runs", type=int, help="how often each thing is measured")
    parser.add_argument(
        "--only",
        action="append",
        metavar="CASE",
        help=f"of {', '.join(case.name for case in CASES)}; repeatable",
    )
    parser.add_argument(
        "--before",
        type=Path,
        metavar="DIR",
        help="a checkout of an earlier state of the program, which the groups "
        f"{', '.join(COMPARED)} measure in turn with this one",
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw what the group scale has measured, as SVG"
    )
    arguments = parser.parse_args()
    if arguments.before is not None and not (arguments.before / "tdl_sync.py").is_file():
        parser.error(f"no checkout of the program: {arguments.before}")
    for given, known in (
        (arguments.groups, GROUPS),
        (arguments.only or (), [case.name for case in CASES]),
    ):
        unknown = set(given) - set(known)
        if unknown:
            parser.error(
                f"no such thing: {', '.join(sorted(unknown))}; there is {', '.join(known)}"
            )
    return arguments


def chosen(arguments: argparse.Namespace) -> list[Case]:
    return [
        case
        for case in CASES
        if (not arguments.groups or case.group in arguments.groups)
        and (arguments.only is None or case.name in arguments.only)
    ]


def verdict(row: Row) -> str:
    return {True: "met", False: "NOT MET", None: ""}[row.met]


def table(rows: Sequence[Row]) -> str:
    """A Markdown table that reads well as plain text, too."""
    lines = [("case", "aim", "result", "", "figures")]
    lines += [(row.case, row.aim, row.result, verdict(row), row.details) for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    written = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([written[0], rule, *written[1:]])


def with_bytecode(checkout: Path) -> None:
    """As an installed program has it: else each of its starts would compile what was changed, and
    keep nothing of it where the environment says so."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for package in ("tdl_sync", "standins"):
        compileall.compile_dir(checkout / package, quiet=1)


def main() -> int:
    arguments = parse_arguments()
    end_with_this_process()
    for checkout in filter(None, (ROOT, arguments.before)):
        with_bytecode(checkout)
    plan = Plan(
        runs=arguments.runs or (1 if arguments.quick else 3),
        quick=arguments.quick,
        before=arguments.before and arguments.before.resolve(),
    )
    rows: list[Row] = []
    failures: list[str] = []
    began = time.monotonic()
    for case in chosen(arguments):
        print(f"{case.group} {case.name}", file=sys.stderr, flush=True)
        try:
            rows += case.measure(plan)
        except BenchFailed as error:
            failures.append(f"{case.name} could not be measured: {error}")
    minutes = (time.monotonic() - began) / 60
    print(table(rows))
    if start.TIMELINES:
        print(f"\n{start.table()}")
    print(
        f"\nRound trip 80 ms, medians of {plan.runs}, {minutes:.0f} minutes; "
        f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}."
    )
    if arguments.plot is not None and scale.SERIES:
        title = "What a chat's size costs"
        drawn = svg(title, "messages, marks or files", "CPU or time", scale.SERIES)
        arguments.plot.write_text(drawn, "utf-8")
    for line in failures:
        print(line, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
