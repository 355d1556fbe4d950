"""The program as ``pip install .`` or ``pipx install .`` leaves it, run without the checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from standins.telegram.world import worlds
from tdl_sync.core.program import VERSION
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_on_remote, wanted
from tests.e2e.program import ROOT, SOURCE

NOT_IN_A_CHECKOUT = shutil.ignore_patterns(".*", "__pycache__", "build", "*.egg-info")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("build")
    # Building leaves directories behind, which do not belong into the checkout.
    shutil.copytree(ROOT, directory / "checkout", ignore=NOT_IN_A_CHECKOUT)
    pip(["wheel", "--no-deps", "--wheel-dir", str(directory), str(directory / "checkout")])
    (made,) = directory.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of an environment's programs; what the wheel needs is taken from the tests'."""
    environment = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin" / "python"
    pip(["--python", str(python), "install", "--no-deps", "--no-index", str(wheel)])
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "tests.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return environment / "bin"


def pip(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def test_the_wheel_holds_every_module_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    modules = (ROOT / "tdl_sync").rglob("*.py")
    assert held == {path.relative_to(ROOT).as_posix() for path in modules}


def test_the_wheel_names_what_it_needs_and_claims_nothing_else(wheel: Path) -> None:
    found = metadata(wheel)
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    needed = {"".join(line.split()) for line in lines if line and not line.startswith("#")}
    # The order of a requirement's bounds means nothing.
    assert {frozenset(name.split(",")) for name in needed} == {
        frozenset(_in_our_order(name).split(",")) for name in found.get_all("Requires-Dist", [])
    }
    assert (found["Name"], found["Version"]) == ("tdl-sync", VERSION)
    assert found["Requires-Python"] == ">=3.10"
    assert found["Description-Content-Type"] == "text/markdown"
    assert found.get_payload() == (ROOT / "README.md").read_text("utf-8")
    assert {"License", "Home-page", "Project-URL", "Author"} & set(found.keys()) == set()


def _in_our_order(requirement: str) -> str:
    """``name<2,>=1`` as ``name>=1,<2``."""
    name, less, rest = requirement.partition("<")
    bound, comma, least = rest.partition(",")
    return f"{name}{least},{less}{bound}" if comma else requirement


def test_the_installed_program_moves_files_and_calls_itself_by_its_name(
    installed: Path, stage: Stage
) -> None:
    scene = stage(worlds.mixed(messages=12, too_large_bytes=None, mean_size_bytes=2000))
    machine = scene.machine
    program = str(installed / "tdl-sync")
    rclone = shutil.which("rclone") or str(Path(sys.executable).parent / "rclone")
    files = wanted(scene.world.source)

    ended = machine.start("-u", SOURCE, "--rclone", rclone, command=[program]).wait()
    assert ended.exit_status == 0, ended.stderr
    assert ended.numbers()["done"] == len(files)
    assert_on_remote(machine, (scene.world.source, files))

    version = machine.start("--version", command=[program]).wait()
    assert (version.exit_status, version.stdout) == (0, f"tdl_sync {VERSION}\n")
    text = machine.start("--help", command=[program]).wait()
    assert "\n  tdl-sync login  " in text.stdout
    assert "\n  tdl-sync [sync] [-u CHAT]..." in text.stdout
    assert "tdl_sync.py" not in text.stdout
    line = "tdl_sync: completion takes the name of one shell: bash, zsh, fish; see "
    wrong = machine.start("completion", command=[program]).wait()
    assert wrong.said == f"{line}tdl-sync --help\n"

    module = [str(installed / "python"), "-m", "tdl_sync"]
    wrong = machine.start("completion", command=module).wait()
    assert wrong.said == f"{line}python -m tdl_sync --help\n"
