"""Setting up on a fresh machine: what is reused, what is made again."""

from __future__ import annotations

import pytest

from scripts.environment import Stamp, Step, lowest, next_step, parse_version

PYTHON = "3.11.7 /usr"


def ours(**requirements: str) -> Stamp:
    return Stamp(PYTHON, requirements, made_here=True)


def test_a_second_run_installs_nothing() -> None:
    assert next_step(ours(run="a"), ours(run="a")) is Step.REUSE


def test_a_first_run_makes_the_environment() -> None:
    assert next_step(None, ours(run="a")) is Step.MAKE


def test_the_tests_add_their_packages_to_the_demo_s_environment() -> None:
    assert next_step(ours(run="a"), ours(run="a", dev="b")) is Step.INSTALL


def test_the_demo_runs_in_the_tests_environment_as_it_is() -> None:
    assert next_step(ours(run="a", dev="b"), ours(run="a")) is Step.REUSE


def test_changed_requirements_make_the_environment_anew() -> None:
    assert next_step(ours(run="a", dev="b"), ours(run="changed")) is Step.MAKE


def test_another_python_makes_the_environment_anew() -> None:
    assert next_step(ours(run="a"), Stamp("3.12.1 /opt", {"run": "a"}, True)) is Step.MAKE


def test_an_interrupted_set_up_starts_again() -> None:
    assert next_step(ours(), ours(run="a")) is Step.MAKE


@pytest.mark.parametrize("installed", [{}, {"run": "old"}])
def test_an_environment_that_the_user_made_is_added_to_and_never_removed(
    installed: dict[str, str],
) -> None:
    theirs = Stamp("", installed, made_here=False)
    assert next_step(theirs, ours(run="a")) is Step.INSTALL


def test_a_stamp_comes_back_as_it_was_written() -> None:
    stamp = Stamp(PYTHON, {"requirements.txt": "ab"}, made_here=False)
    assert Stamp.from_json(stamp.to_json()) == stamp


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"python": "3.11"}'])
def test_a_broken_stamp_is_noticed(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Stamp.from_json(text)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("rclone v1.75.2", (1, 75)),
        ("rclone v1.60.1-DEV", (1, 60)),
        ("rclone v1.9", (1, 9)),
        ("Python 3.13.0", (3, 13)),
        ("command not found", None),
        ("", None),
    ],
)
def test_versions_are_read_as_numbers(text: str, version: tuple[int, int] | None) -> None:
    assert parse_version(text) == version


def test_the_lowest_versions_are_those_that_the_ranges_begin_with() -> None:
    text = """# said of it
a[extra]>=1.2,<3
b==4.5
c>=2024.4.16,<2028 ; python_version < "3.14"
d>=1 ; sys_platform != "darwin" or python_version >= "3.14"
"""
    assert lowest(text) == [
        "a[extra]==1.2",
        "b==4.5",
        'c==2024.4.16 ; python_version < "3.14"',
        'd==1 ; sys_platform != "darwin" or python_version >= "3.14"',
    ]
