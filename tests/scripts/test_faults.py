"""The list of faults fits the code, and the script that tries them tells found from survived."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.environment import ROOT
from scripts.faults import LIST, Fault, Misfit, read_faults, run_faults

FAULTS = read_faults(ROOT / LIST)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_each_fault_of_the_list_has_its_place_in_the_code(fault: Fault) -> None:
    """Code that moved or was written anew takes its faults with it."""
    sound = (ROOT / fault.file).read_bytes().decode()
    faulty = fault.put_into(sound)
    assert faulty != sound
    if fault.file.endswith(".py"):
        compile(faulty, fault.file, "exec")
    assert fault.nth > 0
    assert fault.tests != ()
    for test in fault.tests:
        assert (ROOT / test.partition("::")[0]).is_file()
    assert fault.harmless is None or fault.harmless.strip() != ""


# --- the script, with a tree of its own ---------------------------------------------------------

SIGNS = """\
def sign(number: int) -> int:
    if number > 0:
        return 1
    return -1 if number < 0 else 0


def is_even(number: int) -> bool:
    while number > 1:
        number -= 2
    return number == 0
"""
TEST = """\
import signs


def test_a_number_below_zero_has_its_sign() -> None:
    assert [signs.sign(number) for number in (1, -1)] == [1, -1]


def test_four_is_even() -> None:
    assert signs.is_even(4)
"""


class Tree:
    """A git tree with one module, one test file, and a list of faults."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "tests").mkdir(parents=True)
        subprocess.run(["git", "init", "-q"], cwd=root, check=True)
        (root / "signs.py").write_text(SIGNS)
        (root / "pyproject.toml").write_text("[tool.pytest.ini_options]\npythonpath = ['.']\n")
        (root / "tests" / "test_signs.py").write_text(TEST)
        self.faults: list[dict[str, object]] = []

    def fault(self, fault_id: str, old: str, new: str, nth: int = 1, **more: object) -> None:
        tests = ["tests/test_signs.py"]
        fields = {"id": fault_id, "file": "signs.py", "old": old, "new": new, "nth": nth}
        self.faults.append({**fields, "tests": tests, **more})

    def run(self, *arguments: str) -> int:
        lines = "".join(json.dumps(fault) + "\n" for fault in self.faults)
        (self.root / LIST).write_text(lines)
        return run_faults(self.root, Path(sys.executable), os.environ, arguments)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree")


BELOW_ZERO = "tests/test_signs.py::test_a_number_below_zero_has_its_sign"


def test_a_fault_is_found_or_has_survived_and_the_tree_stays_as_it_was(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.fault("A1", "-1 if number", "1 if number")
    tree.fault("A2", "number > 0", "number >= 0")
    tree.fault("A3", "return", "raise ZeroDivisionError  #", nth=2)
    assert tree.run("--jobs", "1") == 1
    assert capsys.readouterr().out.splitlines() == [
        f"A1 found by {BELOW_ZERO}",
        "A2 SURVIVED tests/test_signs.py",
        f"A3 found by {BELOW_ZERO}",
        "faults: 2 found, 0 harmless, 1 survived (A2)",
    ]
    assert (tree.root / "signs.py").read_text() == SIGNS
    assert sorted(path.name for path in tree.root.rglob("*.pyc")) == []


def test_all_found_is_a_success_and_only_what_is_named_is_run(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.fault("A1", "-1 if number", "1 if number")
    tree.fault("A2", "number > 0", "number >= 0")
    assert tree.run("A1") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "faults: 1 found, 0 harmless, 0 survived"


def test_tests_that_do_not_end_have_found_the_fault(
    tree: Tree, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.faults.LEAST_SECONDS", 0.0)
    monkeypatch.setattr("scripts.faults.TIMES_AS_LONG", 3.0)
    tree.fault("A1", "number -= 2", "number -= 0")
    assert tree.run() == 0
    assert capsys.readouterr().out.startswith("A1 found by not ending within ")


def test_a_fault_that_changes_nothing_is_explained_and_only_run_on_request(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.fault("A1", "1 if number", "+1 if number", harmless="Minus one is spelt -+1.")
    assert tree.run() == tree.run("--harmless") == 0
    lines = ["A1 harmless: Minus one is spelt -+1.", "faults: 0 found, 1 harmless, 0 survived"]
    assert capsys.readouterr().out.splitlines() == lines * 2


def test_what_is_called_harmless_and_is_found_is_a_mistake_in_the_list(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.fault("A1", "-1 if number", "1 if number", harmless="Nobody asks.")
    assert tree.run("--harmless") == 1
    out = capsys.readouterr().out
    assert out.startswith(f"A1 NOT HARMLESS, found by {BELOW_ZERO}\n")
    assert out.endswith("0 survived, 1 called harmless and found (A1)\n")


def test_a_fault_whose_place_is_gone_is_named_and_nothing_is_run(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.fault("A1", "-1 if number", "1 if number")
    tree.fault("A2", "number > 0", "number >= 0", nth=2)
    assert tree.run() == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "A2: signs.py does not hold its old text 2 times: 'number > 0'" in told.err


def test_a_test_that_fails_without_any_fault_is_named_and_no_fault_is_tried(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.fault("A1", "-1 if number", "1 if number")
    (tree.root / "signs.py").write_text(SIGNS.replace("> 1", "> 4"))
    assert tree.run() == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "without any fault there fails tests/test_signs.py::test_four_is_even" in told.err


@pytest.mark.parametrize("arguments", [("A9",), ("--file", "sings.py")])
def test_what_the_list_does_not_hold_is_named(
    arguments: tuple[str, ...], tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.fault("A1", "-1 if number", "1 if number")
    assert tree.run(*arguments) == 2
    assert arguments[-1] in capsys.readouterr().err


@pytest.mark.parametrize(
    "line", ["", "[]", "{}", '{"id": "A1"}', '{"id": "A1", "file": "a", "old": "b", "mew": "c"}']
)
def test_a_line_that_is_no_fault_is_refused(line: str) -> None:
    with pytest.raises(Misfit, match="is not a fault"):
        Fault.from_json(line)


def test_two_faults_of_one_name_are_refused(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.fault("A1", "-1 if number", "1 if number")
    tree.fault("A1", "number > 0", "number >= 0")
    assert tree.run() == 2
    assert "more than one fault A1" in capsys.readouterr().err
