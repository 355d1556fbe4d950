"""Runs every check of the project: ruff (lint and format), mypy, pytest. Standard library only.

    python3 scripts/test.py                       everything
    python3 scripts/test.py -k budget -x          unknown arguments go to pytest
    python3 scripts/test.py --python python3.13   with another Python, in its own environment

All four run even when one fails; the exit status is 0 only when all passed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.environment import (
    ROOT,
    RUN_REQUIREMENTS,
    Environment,
    SetUpFailed,
    parse_version,
    prepare_environment,
)

TEST_REQUIREMENTS = (*RUN_REQUIREMENTS, "requirements-dev.txt")


@dataclass(frozen=True)
class Verdict:
    """How one check ended."""

    check: str
    exit_status: int
    seconds: float

    def line(self) -> str:
        word = "passed" if self.exit_status == 0 else f"FAILED (exit status {self.exit_status})"
        return f"{self.check:<12} {word} in {self.seconds:.1f} s"


def parse_arguments(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """The Python that was asked for, if any, and what is meant for pytest."""
    parser = argparse.ArgumentParser(
        prog="test.py",
        description="Lint, format check, type check and tests, in a virtual environment.",
        epilog="Everything else, and all that follows `--`, is passed to pytest.",
        allow_abbrev=False,
    )
    parser.add_argument("--python", metavar="PATH", help="the Python to test with")
    own, dashes, after_dashes = _partition(arguments, "--")
    known, unknown = parser.parse_known_args(own)
    return known.python, [*unknown, *(after_dashes if dashes else [])]


def _partition(words: Sequence[str], at: str) -> tuple[list[str], bool, list[str]]:
    if at not in words:
        return list(words), False, []
    position = list(words).index(at)
    return list(words[:position]), True, list(words[position + 1 :])


def prepare(python_name: str | None) -> Environment:
    """The test environment; raises ``SetUpFailed``."""
    if python_name is None:
        return prepare_environment(TEST_REQUIREMENTS)
    found = shutil.which(python_name)
    if found is None:
        raise SetUpFailed(f"there is no Python at {python_name!r}: give its path or command name")
    version_text = subprocess.run([found, "--version"], capture_output=True, text=True).stdout
    version = parse_version(version_text)
    if version is None:
        raise SetUpFailed(f"{found} --version names no version: give the path of a Python")
    name = ".venv-" + ".".join(map(str, version))
    return prepare_environment(TEST_REQUIREMENTS, Path(found), name)


def run_checks(environment: Environment, pytest_arguments: Sequence[str]) -> list[Verdict]:
    """mypy uses one core for a minute or two and pytest often waits, so they run side by side."""
    verdicts = [
        _run(environment, "ruff check", ["ruff", "check", "."]),
        _run(environment, "ruff format", ["ruff", "format", "--check", "."]),
    ]
    with tempfile.TemporaryFile() as types, ThreadPoolExecutor() as beside:
        mypy = beside.submit(_run, environment, "mypy", ["mypy"], types)
        verdicts.append(_run(environment, "pytest", ["pytest", *pytest_arguments]))
        verdicts.append(mypy.result())
        types.seek(0)
        print(f"\n{types.read().decode(errors='replace')}", end="", flush=True)
    return verdicts


def _run(
    environment: Environment, check: str, command: Sequence[str], output: IO[bytes] | None = None
) -> Verdict:
    """``output`` gets what the check prints; without it that is shown as it comes."""
    print(f"\n== {check}" + (" (its lines follow when pytest has ended)" if output else ""))
    sys.stdout.flush()
    began = time.monotonic()
    run = subprocess.run(
        [str(environment.python), "-m", *command],
        cwd=ROOT,
        env=environment.variables(),
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
    )
    return Verdict(check, run.returncode, time.monotonic() - began)


def main(arguments: Sequence[str]) -> int:
    python_name, pytest_arguments = parse_arguments(arguments)
    try:
        environment = prepare(python_name)
    except SetUpFailed as error:
        print(f"test: {error}", file=sys.stderr)
        return 1
    verdicts = run_checks(environment, pytest_arguments)
    print()
    for verdict in verdicts:
        print(verdict.line())
    return 0 if all(verdict.exit_status == 0 for verdict in verdicts) else 1


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
