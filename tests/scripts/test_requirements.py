"""What is installed: the lock files hold what the requirements ask for, and pip can trust them."""

from __future__ import annotations

import ast
import re
import sys
from itertools import product

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from scripts.build_executable import REQUIREMENTS
from scripts.environment import (
    FAST_REQUIREMENT,
    RCLONE_REQUIREMENT,
    ROOT,
    RUN_REQUIREMENTS,
    lowest,
)
from scripts.lock import LOCKS
from scripts.test import TEST_REQUIREMENTS

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
SYSTEMS = ("linux", "darwin", "win32")


def requirements(name: str) -> list[Requirement]:
    """Of a requirements or a lock file."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    lines = [re.sub(r"\s--hash=\S+", "", line).strip() for line in text.splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def holding(name: str, python: str, system: str) -> dict[NormalizedName, Requirement]:
    """What is installed from such a file there."""
    there = {
        "python_version": python,
        "python_full_version": f"{python}.7",
        "sys_platform": system,
        "os_name": "nt" if system == "win32" else "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    chosen = [each for each in requirements(name) if not each.marker or each.marker.evaluate(there)]
    held = {canonicalize_name(each.name): each for each in chosen}
    assert len(held) == len(chosen), "named twice"
    return held


PAIRS = list(product(PYTHONS, SYSTEMS))


@pytest.mark.parametrize(("python", "system"), PAIRS)
@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_one_version_of_all_that_is_asked_for(
    lock: str, python: str, system: str
) -> None:
    """Run scripts/lock.py after every change of requirements*.txt."""
    held = holding(lock, python, system)
    for source in LOCKS[lock]:
        for name, wanted in holding(source, python, system).items():
            (version,) = held[name].specifier
            assert version.operator == "=="
            assert wanted.specifier.contains(version.version), f"run scripts/lock.py: {wanted}"


@pytest.mark.parametrize(("python", "system"), PAIRS)
def test_the_tests_try_the_versions_that_the_demo_has(python: str, system: str) -> None:
    tested = holding("requirements-dev.lock", python, system)
    for name, locked in holding("requirements.lock", python, system).items():
        assert tested[name].specifier == locked.specifier


@pytest.mark.parametrize("lock", LOCKS)
def test_pip_takes_no_file_that_is_not_the_one_that_was_seen_then(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "--index-url" not in text
    entries = re.findall(r"^[\w.-]+==(?:.*\\\n)*.*$", text, re.MULTILINE)
    assert len(entries) == len(requirements(lock)) > 0
    assert all("--hash=sha256:" in entry for entry in entries)


def test_all_that_the_scripts_install_is_locked() -> None:
    installed = {*RUN_REQUIREMENTS, *TEST_REQUIREMENTS, *REQUIREMENTS}
    assert {*installed, RCLONE_REQUIREMENT, FAST_REQUIREMENT} == set(LOCKS)


def test_what_the_wheel_asks_for_has_an_upper_bound_and_a_lower_one() -> None:
    for each in requirements("requirements.txt") + requirements("requirements-fast.txt"):
        operators = {bound.operator for bound in each.specifier}
        assert operators in ({"=="}, {">=", "<"}), each
    assert all("==" in line for line in lowest((ROOT / "requirements.txt").read_text()))


def test_every_package_that_the_program_imports_is_asked_for_by_name() -> None:
    """What another package happens to bring along can go with its next version."""
    modules = {
        **{"pyrogram": "kurigram", "python_socks": "python-socks", "docopt": "docopt-ng"},
        **{"rclone_python": "rclone-python", "tgcrypto": "tgcrypto-pyrofork"},
    }
    found = {
        name.partition(".")[0]
        for path in (ROOT / "tdl_sync").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _imported(node)
    }
    foreign = found - sys.stdlib_module_names - {"tdl_sync"}
    asked_for = {
        canonicalize_name(each.name)
        for source in ("requirements.txt", "requirements-fast.txt")
        for each in requirements(source)
    }
    words = {
        name for name in foreign if canonicalize_name(modules.get(name, name)) not in asked_for
    }
    assert words == set()
    assert "pyrogram" in foreign


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [each.name for each in node.names]
    return [str(node.module)] if isinstance(node, ast.ImportFrom) and not node.level else []
