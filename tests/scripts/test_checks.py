"""Which checks ``scripts/test.py`` runs, and with how much of the tests."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

from scripts.environment import ROOT
from scripts.test import TYPES, Plan, parse_arguments
from tests.conftest import FIRST, TESTS, rank

THIS_FILE = "tests/scripts/test_checks.py"


def plan(command_line: str) -> Plan:
    return parse_arguments(shlex.split(command_line))


@pytest.mark.parametrize("command_line", ["", "-x", "--durations=30 --maxfail 2"])
def test_without_a_choice_all_is_checked_as_the_project_says(command_line: str) -> None:
    assert plan(command_line) == Plan(None, True, tuple(command_line.split()))


@pytest.mark.parametrize("command_line", [THIS_FILE, f"{THIS_FILE}::test_x", f"-x -v {THIS_FILE}"])
def test_one_file_is_run_at_once_by_one_process_and_without_types(command_line: str) -> None:
    assert plan(command_line) == Plan(None, False, ("-n", "0", *command_line.split()))


def test_two_tests_of_one_file_are_one_file() -> None:
    assert plan(f"{THIS_FILE}::a {THIS_FILE}::b").pytest_arguments[:2] == ("-n", "0")


@pytest.mark.parametrize(
    "command_line", ["-k 'budget and not room'", "-kbudget", "-m slow", "--lf"]
)
def test_an_expression_is_looked_for_by_few_processes_and_without_types(command_line: str) -> None:
    """Each of them reads all test files."""
    expected = ("-n", "2", *shlex.split(command_line))
    assert plan(command_line) == Plan(None, False, expected)


def test_a_folder_is_a_choice_too_and_gets_as_many_processes_as_all_tests() -> None:
    assert plan("tests/scripts") == Plan(None, False, ("tests/scripts",))


@pytest.mark.parametrize("choice", [THIS_FILE, "-k budget", "tests/scripts"])
def test_types_are_checked_where_tests_are_chosen_when_that_is_asked_for(choice: str) -> None:
    assert plan(f"--types {choice}").types
    assert plan(f"--types {choice}").pytest_arguments == plan(choice).pytest_arguments


def test_the_quick_checks_are_all_checks_but_of_the_tests_those_that_start_no_servers() -> None:
    quick = plan("--quick -x")
    folders = ("tests/unit", "tests/transfer", "tests/scripts", "tests/pages")
    assert quick.types
    assert quick.pytest_arguments == ("-n", "2", "-x", *folders, "-m", "not with_servers")


def test_a_test_that_starts_a_server_carries_the_mark_that_quick_leaves_out() -> None:
    marked = plan("--quick tests/unit/commands -m with_servers --collect-only").pytest_arguments
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", *marked], cwd=ROOT, capture_output=True, text=True
    ).stdout
    assert "test_status.py" in collected
    assert "test_dry_run.py" not in collected


def test_a_choice_is_made_from_the_quick_tests() -> None:
    chosen = plan("--quick -k budget")
    assert not chosen.types
    assert set(chosen.pytest_arguments) >= {"-k", "budget", "tests/unit"}
    assert plan(f"--quick {THIS_FILE}") == plan(THIS_FILE)


@pytest.mark.parametrize("processes", ["-n0", "-n 8", "--numprocesses=3"])
def test_the_number_of_processes_that_was_given_stays(processes: str) -> None:
    words = tuple(processes.split())
    assert plan(f"{processes} {THIS_FILE}").pytest_arguments == (*words, THIS_FILE)
    assert plan(f"--quick {processes}").pytest_arguments[: len(words)] == words


def test_another_python_is_not_for_pytest_unless_behind_the_dashes() -> None:
    assert plan("--python python3.13 -x") == Plan("python3.13", True, ("-x",))
    assert plan("-- --python x --quick") == Plan(None, True, ("--python", "x", "--quick"))


def test_the_lowest_versions_are_for_the_tests_that_were_chosen_like_all_others() -> None:
    assert plan("--lowest -x") == Plan(None, True, ("-x",), lowest=True)
    assert not plan("-x").lowest


def test_the_folders_and_files_that_begin_first_are_there_and_begin_in_this_order() -> None:
    files = sorted(TESTS.rglob("test_*.py"), key=rank)
    assert {rank(file) for file in files} == set(range(len(FIRST) + 1))
    assert files[0].parent == TESTS / "torture"
    below, faults = TESTS / "e2e" / "faults" / "below" / "test_a.py", TESTS / "e2e" / "faults"
    assert rank(below) == rank(faults / "test_a.py") < rank(TESTS / "e2e" / "test_a.py")
    assert rank(TESTS / "unit" / "state" / "test_a.py") == rank(TESTS / "test_a.py")


def test_types_are_checked_as_windows_and_macos_have_them_too() -> None:
    for system in ("darwin", "win32"):
        there = shlex.join(TYPES[f"mypy {system}"])
        assert there.startswith(f"--platform {system} ")
        assert there.endswith(" -p tdl_sync -p standins -p scripts")
    caches = [options[options.index("--cache-dir") + 1] for options in TYPES.values() if options]
    assert len({*caches, ".mypy_cache"}) == len(TYPES)
