"""Who may import whom: each library has one place, and the inner line knows the outside by its
ports alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PLACES = {
    "diskcache": ["done_marks"],
    "docopt": ["arguments"],
    "psutil": ["deadline", "doctor", "full_disk", "run_identity", "staging"],
    "pyrogram": ["telegram"],
    "python_socks": ["telegram"],
    "qrcode": ["terminal_login"],
    "rclone_python": ["rclone"],
    "regex": ["expressions"],
    "subprocess": ["processes", "rclone"],
    "tqdm": ["progress"],
}
"""Where each library may be imported; a package stands for all its modules."""

FOUNDATION: dict[str, set[str]] = {
    "file_location": set(),
    "message_details": set(),
    "model": {"file_location", "message_details"},
    "human_units": set(),
    "errors": {"human_units"},
    "ports": {"message_details", "model"},
}
"""What everything rests on, and what of ours each of it may import."""

INNER_LINE = ["budget", "download", "ledger", "pipeline", "reconcile", "shelf", "staging", "tally"]
OUTSIDE = ["cli", "config", "done_marks", "handoff", "processes", "progress", "rclone", "sync"]


def _imported(path: Path) -> set[str]:
    """Full names of what a file imports, wherever in it: ``a.b`` for ``from a import b``, too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names.add(str(node.module))
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


PATHS = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "tdl_sync").rglob("*.py"))
}
IMPORTED = {module: _imported(path) for module, path in PATHS.items()}
OURS = {module: names & PATHS.keys() for module, names in IMPORTED.items()}


def within(module: str, place: str) -> bool:
    return f"{module}.".startswith(f"tdl_sync.{place}.")


def test_the_rules_speak_of_modules_that_exist() -> None:
    named = {*FOUNDATION, *INNER_LINE, *OUTSIDE, *(p for places in PLACES.values() for p in places)}
    assert {name for name in named if f"tdl_sync.{name}" not in PATHS} == set()


@pytest.mark.parametrize("library", sorted(PLACES))
def test_each_library_is_imported_in_its_place_alone(library: str) -> None:
    users = {
        module
        for module, names in IMPORTED.items()
        if any(name.split(".")[0] == library for name in names)
    }
    strays = {
        module for module in users if not any(within(module, place) for place in PLACES[library])
    }
    assert users
    assert strays == set()


def test_no_library_is_used_that_has_no_place() -> None:
    used = {name.split(".")[0] for names in IMPORTED.values() for name in names}
    assert used - sys.stdlib_module_names - PLACES.keys() == {"tdl_sync"}


@pytest.mark.parametrize("module", sorted(FOUNDATION))
def test_what_everything_rests_on_rests_on_nothing(module: str) -> None:
    assert OURS[f"tdl_sync.{module}"] <= {f"tdl_sync.{name}" for name in FOUNDATION[module]}
    assert {
        name.split(".")[0] for name in IMPORTED[f"tdl_sync.{module}"]
    } <= sys.stdlib_module_names | {"tdl_sync"}


@pytest.mark.parametrize("module", INNER_LINE)
def test_the_inner_line_knows_the_outside_by_its_ports_alone(module: str) -> None:
    outside = [*OUTSIDE, "telegram"]
    known = {name for name in OURS[f"tdl_sync.{module}"] for out in outside if within(name, out)}
    assert known == set()


def test_nothing_imports_the_command_line_but_what_starts_it() -> None:
    importers = [module for module, names in OURS.items() if "tdl_sync.cli.main" in names]
    assert importers == ["tdl_sync.__main__"]


def test_the_command_line_is_there_before_the_library_for_telegram() -> None:
    """That takes most of a second: not for ``--help``, and in a run while rclone works already."""
    ask = "import sys, tdl_sync.cli.main; print('pyrogram' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout == "False\n"


def test_no_two_modules_import_each_other_by_any_way_round() -> None:
    """A cycle is raised as ``graphlib.CycleError``, which names its modules."""
    list(TopologicalSorter(OURS).static_order())
