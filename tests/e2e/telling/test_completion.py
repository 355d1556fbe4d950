"""Completion: the real shells offer what the command line takes, and nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tdl_sync.cli.usage import OF_COMMAND, OPTIONS, SHELLS
from tests.e2e.program import PROGRAM
from tests.e2e.telling.shells import Shells

COMMANDS = set(OF_COMMAND)

OFFERED: dict[str, set[str]] = {
    "tdl-sync ": COMMANDS,
    "tdl-sync do": {"doctor"},
    "tdl-sync --ma": {"--match", "--max-disk", "--max-runtime", "--max-size"},
    # Options of another command are left out, and so are options that were given.
    "tdl-sync login --": {name for name in OPTIONS if name in OF_COMMAND["login"]},
    "tdl-sync login --qr --": {name for name in OF_COMMAND["login"] if name != "--qr"},
    "tdl-sync -q --qu": set(),
    "tdl-sync --max-disk 5 --max-d": set(),
    "tdl-sync -u a --ur": {"--url"},
    # The name of a command is none where it is an option's value.
    "tdl-sync --remote login --print": set(),
    "tdl-sync --max-disk ": set(),
    "tdl-sync --on-quota ": {"exit", "wait"},
    "tdl-sync --on-quota=w": {"wait"},
    "tdl-sync --type vo": {"voice"},
    # The remotes of rclone's configuration.
    "tdl-sync --remote ": {"box:", "films:"},
    "tdl-sync --remote=bo": {"box:"},
    "tdl-sync verify --remote f": {"films:"},
    "tdl-sync --remote /nowhere/": set(),
    "tdl-sync --type=video,vo": {"voice"},
    "tdl-sync --type video,photo,p": set(),
    "tdl-sync --chats c": {"cellar", "chats.txt"},
    "tdl-sync --staging c": {"cellar"},
    "tdl-sync completion ": set(SHELLS),
    "tdl-sync completion --": {"--help", "--version"},
    "tdl-sync --config c": {"cellar", "chats.txt"},
    "tdl_sync.py stat": {"status"},
}


@pytest.fixture(scope="module")
def shells(tmp_path_factory: pytest.TempPathFactory) -> Shells:
    directory = tmp_path_factory.mktemp("files")
    (directory / "chats.txt").touch()
    (directory / "cellar").mkdir()
    home = tmp_path_factory.mktemp("shells")
    configuration = home / ".config" / "rclone" / "rclone.conf"
    configuration.parent.mkdir(parents=True)
    configuration.write_text("[box]\ntype = local\n[films]\ntype = crypt\nremote = box:x\n")
    return Shells({shell: script(shell) for shell in SHELLS}, directory, home)


def script(shell: str) -> str:
    command = [sys.executable, str(PROGRAM), "completion", shell]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_offers_what_the_line_takes_and_nothing_else(shell: str, shells: Shells) -> None:
    answers = shells.asked[shell](list(OFFERED))
    # A shell may say all of a list that it goes on with, and mark a directory.
    offered = {
        line: {word.rpartition(",")[2].rstrip("/") for word in words} - {"-h", "-V"}
        for line, words in answers.items()
    }
    assert offered == OFFERED


@pytest.mark.parametrize("words", [[], ["tcsh"], ["bash", "zsh"]])
def test_completion_for_no_shell_that_is_known_is_a_line_and_no_script(words: list[str]) -> None:
    command = [sys.executable, str(PROGRAM), "completion", *words]
    run = subprocess.run(command, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == (
        "tdl_sync: completion takes the name of one shell: bash, zsh, fish; "
        "see tdl_sync.py --help\n"
    )
