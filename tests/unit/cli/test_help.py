"""Help is short where somebody begins, a page for each command, and whole where that is asked for;
the man page has the same."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from standins.telegram.server import StandIn
from standins.telegram.world import worlds
from tdl_sync.cli.help import EVERYDAY, PAGES, help_text
from tdl_sync.cli.man_page import man_page
from tdl_sync.cli.usage import OF_COMMAND, OPTIONS, PATTERNS, USAGE
from tests.e2e.program import Machine
from tests.in_process import run_here

SHOWN_OPTION = re.compile(r"^  (?:-\w(?: [A-Z]+)?, )?(--[a-z-]+)", re.MULTILINE)


@pytest.mark.parametrize("command", OF_COMMAND)
def test_each_command_has_a_page_of_its_own(command: str) -> None:
    for words in ([command, "--help"], ["-h", command], ["--help", command, "-u", "me"]):
        page = help_text(words)
        assert page == help_text([command, "-h"])
    lines = page.splitlines()
    assert 10 <= len(lines) <= 40
    assert max(map(len, lines)) <= 80
    assert f"tdl_sync.py {command}" in page or f"[{command}]" in page
    assert page.endswith("All options, variables and exit states: tdl_sync.py --help all\n")
    shown = set(SHOWN_OPTION.findall(page))
    assert shown <= OF_COMMAND[command]
    if "\nOptions:\n" in page:
        assert shown == OF_COMMAND[command] - {"--help", "--version"}
    assert "(verify" not in page


def test_each_command_has_lines_of_use_by_which_it_is_understood() -> None:
    assert PATTERNS.keys() == OF_COMMAND.keys()


def test_who_begins_is_shown_the_commands_and_a_dozen_options() -> None:
    first = help_text(["--help"])
    assert first == help_text(["-h"]) == help_text(["--help", "-u", "me"])
    assert len(first.splitlines()) <= 50
    assert max(map(len, first.splitlines())) <= 80
    assert first.index("Commands:") < first.index("Everyday options:")
    assert re.findall(r"^  ([a-z]+)  +\S", first, re.MULTILINE) == list(OF_COMMAND)
    assert SHOWN_OPTION.findall(first) == list(EVERYDAY)
    assert 10 <= len(EVERYDAY) <= 13


def test_what_a_page_says_of_an_option_the_whole_text_says_in_the_same_words() -> None:
    whole = " ".join(USAGE.split())
    for words in ([], *([command] for command in PAGES)):
        options = help_text(words).partition("ptions:\n")[2].partition("\n\n")[0]
        for part in re.split(r"\n(?=  -)", options):
            description = part.partition("   ")[2] or part
            assert " ".join(description.split()) in whole


def test_the_program_shows_them(tmp_path: Path) -> None:
    with StandIn(worlds.files(sizes=[])) as telegram:
        machine = Machine(tmp_path, telegram)
        for words in (["--help"], ["doctor", "--help"], ["--nonsense", "--help", "all"]):
            shown = run_here(machine, *words)
            assert (shown.exit_status, shown.stderr) == (0, "")
            assert shown.stdout == help_text(words)


# --- the man page -------------------------------------------------------------------------------


def test_the_man_page_has_every_command_option_variable_and_exit_state() -> None:
    page = man_page().replace("\\-", "-").replace("\\fB", "").replace("\\fR", "")
    for command in OF_COMMAND:
        assert f".TP\n{command}\n" in page
    for option in OPTIONS.values():
        assert re.search(rf"^\.TP\n(?:-.*, )?{option.name}\b", page, re.MULTILINE), option.name
    everything = " ".join(page.split())
    for paragraph in ("TDL_SYNC_API_HASH", "75 come back later", "https://t.me/+invite"):
        assert paragraph in everything
    assert "tdl_sync.py" not in page
    headings = re.findall(r"^\.SH (.*)$", page, re.MULTILINE)
    assert headings[:3] == ["NAME", "SYNOPSIS", "DESCRIPTION"]
    assert headings[-3:] == ["ENVIRONMENT", "EXIT STATUS", "EXAMPLES"]


def test_man_takes_every_line_of_it() -> None:
    """No line is one of man's own commands by chance, or broken off; asked of groff where it is."""
    requests = {line.split()[0] for line in man_page().splitlines() if line.startswith((".", "'"))}
    assert requests == {".TH", ".nh", ".SH", ".SS", ".TP", ".br", ".nf", ".fi"}
    escapes = set(re.findall(r"\\(.)", man_page()))
    assert escapes <= {"-", "f", "&", "e"}
    groff = shutil.which("groff")
    if groff is not None:
        run = subprocess.run(
            [groff, "-man", "-ww", "-Tascii"], input=man_page(), capture_output=True, text=True
        )
        assert (run.returncode, run.stderr) == (0, "")
