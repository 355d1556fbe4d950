"""Runs the checks of the project: ruff (lint and format), import-linter, mypy, pytest.

Standard library only.

    python3 scripts/test.py                       everything
    python3 scripts/test.py --quick               without the tests that start servers
    python3 scripts/test.py tests/unit/transfer/disk/test_budget.py -x
    python3 scripts/test.py -k budget             no types where tests are chosen, but with --types
    python3 scripts/test.py --python python3.13   with another Python, in its own environment
    python3 scripts/test.py --lowest --python python3.10   with the lowest versions of all that
                                                  requirements.txt allows, in its own, too

Unknown arguments go to pytest. All checks run even when one fails; the exit status is 0 only when
all passed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.environment import (
    ROOT,
    RUN_REQUIREMENTS,
    Environment,
    SetUpFailed,
    install_lowest,
    parse_version,
    prepare_environment,
)
from scripts.reaper import end_with_this_process

TEST_REQUIREMENTS = (*RUN_REQUIREMENTS, "requirements-dev.lock")
QUICK_FOLDERS = ("tests/unit", "tests/transfer", "tests/scripts", "tests/pages")
WITH_SERVERS = "with_servers"
"""Marks the tests that start a stand-in server, be it in their own process (tests/conftest.py)."""

IMPORT_LINTER = [
    "-c",
    "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-logo'])",
]
"""It has no module that Python could run by its name."""
IMPORT_LINTERS_PYTHON = (3, 11)

OF_THE_PROGRAM = [word for name in ("tdl_sync", "standins", "scripts") for word in ("-p", name)]
TYPES: dict[str, list[str]] = {
    "mypy": [],
    **{
        f"mypy {system}": [
            *("--platform", system, "--cache-dir", f".mypy_cache/of-{system}"),
            *OF_THE_PROGRAM,
        ]
        for system in ("darwin", "win32")
    },
}
"""The types on this system, and those of the program as they are on the others. A cache of its own
for each, since mypy throws away what it knows of another system. The tests are for POSIX; who runs
them on macOS checks their types there."""

READ_TESTS = ["-m", "pytest", "--collect-only", "-n", "0"]
"""Reads all test files, whose asserts pytest writes anew for that, and keeps them so: in a fresh
checkout each of its processes would else do that for itself, for 10 s of CPU and not for 4."""

NARROWING = ("-k", "-m", "--lf", "--last-failed", "--sw", "--stepwise")
"""Options of pytest that choose some of the tests."""
PROCESSES = ("-n", "--numprocesses", "--dist")


@dataclass(frozen=True)
class Verdict:
    """How one check ended."""

    check: str
    exit_status: int
    seconds: float

    def line(self) -> str:
        word = "passed" if self.exit_status == 0 else f"FAILED (exit status {self.exit_status})"
        return f"{self.check:<12} {word} in {self.seconds:.1f} s"


@dataclass(frozen=True)
class Plan:
    """What was asked for. ``python`` is the one to test with, ``None`` for this one; ``lowest``:
    with the lowest versions of what the program needs."""

    python: str | None
    types: bool
    pytest_arguments: tuple[str, ...]
    lowest: bool = False


def parse_arguments(arguments: Sequence[str]) -> Plan:
    parser = argparse.ArgumentParser(
        prog="test.py",
        description="Lint, format check, type check and tests, in a virtual environment.",
        epilog="Everything else, and all that follows `--`, is passed to pytest.",
        allow_abbrev=False,
    )
    parser.add_argument("--python", metavar="PATH", help="the Python to test with")
    parser.add_argument(
        "--lowest", action="store_true", help="with the lowest versions that are allowed"
    )
    parser.add_argument(
        "--quick", action="store_true", help="of the tests only those that start no servers"
    )
    parser.add_argument(
        "--types", action="store_true", help="check the types where tests are chosen, too"
    )
    own, dashes, after_dashes = _partition(arguments, "--")
    known, unknown = parser.parse_known_args(own)
    for_pytest = [*unknown, *(after_dashes if dashes else [])]
    named = [word for word in for_pytest if _is_place(word)]
    narrowed = bool(named) or any(word.startswith(NARROWING) for word in for_pytest)
    if known.quick and not named:
        for_pytest += [*QUICK_FOLDERS, "-m", f"not {WITH_SERVERS}"]
    if not any(word.startswith(PROCESSES) for word in for_pytest):
        for_pytest = [*_processes(named, narrowed, known.quick), *for_pytest]
    types = known.types or not narrowed
    return Plan(known.python, types, tuple(for_pytest), known.lowest)


def _is_place(word: str) -> bool:
    """Whether it names a file, a folder or a test in one."""
    path = word.partition("::")[0]
    return not word.startswith("-") and (ROOT / path).exists()


def _processes(named: Sequence[str], narrowed: bool, quick: bool) -> list[str]:
    """How many pytest gets: each imports and collects for itself what it has to choose from."""
    files = {name.partition("::")[0] for name in named}
    if len(files) == 1 and files.pop().endswith(".py"):
        return ["-n", "0"]
    if quick or (narrowed and not named):
        return ["-n", "2"]
    return []


def _partition(words: Sequence[str], at: str) -> tuple[list[str], bool, list[str]]:
    if at not in words:
        return list(words), False, []
    position = list(words).index(at)
    return list(words[:position]), True, list(words[position + 1 :])


def prepare(plan: Plan) -> Environment:
    """The test environment; raises ``SetUpFailed``."""
    if plan.python is None and not plan.lowest:
        return prepare_environment(TEST_REQUIREMENTS)
    python_name = plan.python or sys.executable
    found = shutil.which(python_name)
    if found is None:
        raise SetUpFailed(f"there is no Python at {python_name!r}: give its path or command name")
    version_text = subprocess.run([found, "--version"], capture_output=True, text=True).stdout
    version = parse_version(version_text)
    if version is None:
        raise SetUpFailed(f"{found} --version names no version: give the path of a Python")
    name = (".venv-lowest-" if plan.lowest else ".venv-") + ".".join(map(str, version))
    environment = prepare_environment(TEST_REQUIREMENTS, Path(found), name)
    if plan.lowest:
        install_lowest(environment)
    return environment


def run_checks(environment: Environment, plan: Plan) -> list[Verdict]:
    """mypy uses one core and pytest often waits, so they run side by side; one mypy at a time."""
    by_many = not any(word.startswith(PROCESSES) for word in plan.pytest_arguments)
    with _read_beside(environment) if by_many else nullcontext():
        verdicts = [
            _run(environment, "ruff check", ["-m", "ruff", "check", "."]),
            _run(environment, "ruff format", ["-m", "ruff", "format", "--check", "."]),
        ]
        if environment.python_version() >= IMPORT_LINTERS_PYTHON:
            verdicts.append(_run(environment, "imports", IMPORT_LINTER))
    pytest = ["-m", "pytest", *plan.pytest_arguments]
    if not plan.types:
        return [*verdicts, _run(environment, "pytest", pytest)]
    with tempfile.TemporaryFile() as types, ThreadPoolExecutor() as beside:
        mypy = beside.submit(_check_types, environment, types)
        verdicts.append(_run(environment, "pytest", pytest))
        verdicts += mypy.result()
        types.seek(0)
        print(f"\n{types.read().decode(errors='replace')}", end="", flush=True)
    return verdicts


@contextmanager
def _read_beside(environment: Environment) -> Iterator[None]:
    """What is wrong with a file is said by pytest itself, which comes next."""
    command = [str(environment.python), *READ_TESTS]
    silent = subprocess.DEVNULL
    with subprocess.Popen(
        command, cwd=ROOT, env=_variables(environment), stdout=silent, stderr=silent
    ):
        yield


def _variables(environment: Environment) -> dict[str, str]:
    """Where Python was to keep nothing of what it compiles, each of pytest's processes and of those
    that they start would do all of that again."""
    variables = environment.variables()
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    return variables


def _check_types(environment: Environment, output: IO[bytes]) -> list[Verdict]:
    return [
        _run(environment, check, ["-m", "mypy", *options], output)
        for check, options in TYPES.items()
    ]


def _run(
    environment: Environment, check: str, command: Sequence[str], output: IO[bytes] | None = None
) -> Verdict:
    """``output`` gets what the check prints; without it that is shown as it comes."""
    print(f"\n== {check}" + (" (its lines follow when pytest has ended)" if output else ""))
    sys.stdout.flush()
    began = time.monotonic()
    run = subprocess.run(
        [str(environment.python), *command],
        cwd=ROOT,
        env=_variables(environment),
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
    )
    return Verdict(check, run.returncode, time.monotonic() - began)


def main(arguments: Sequence[str]) -> int:
    plan = parse_arguments(arguments)
    try:
        environment = prepare(plan)
    except SetUpFailed as error:
        print(f"test: {error}", file=sys.stderr)
        return 1
    end_with_this_process(environment.python)
    verdicts = run_checks(environment, plan)
    print()
    for verdict in verdicts:
        print(verdict.line())
    return 0 if all(verdict.exit_status == 0 for verdict in verdicts) else 1


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
