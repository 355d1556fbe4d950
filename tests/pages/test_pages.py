"""What the pages say can be followed: links, options, commands."""

from __future__ import annotations

import re
import subprocess

import pytest

from scripts.options_page import MORE, options_page
from tdl_sync.cli.parse import TextRequested, parse_config
from tdl_sync.cli.usage import ABOUT_THE_PROGRAM, OF_COMMAND, OPTIONS
from tests.pages.markdown import PAGES, PROGRAM, ROOT, Page

README = Page(ROOT / "README.md")
OPTIONS_PAGE = Page(ROOT / "docs" / "options.md")
EACH = pytest.mark.parametrize("page", [Page(path) for path in PAGES], ids=lambda page: page.name)

OF_OTHERS = {
    "docs/benchmarks.md": {"--before", "--quick", "--transfers"},
    "docs/recipes.md": {"--export", "--init", "--time"},
    "docs/remote-errors.md": {"--drive-chunk-size"},
}
"""Options of other programs, by the page that names them."""


@EACH
def test_every_link_leads_to_a_file_and_every_anchor_to_a_heading(page: Page) -> None:
    for link in page.links():
        if link.startswith(("https://", "mailto:")):
            continue
        target, _, anchor = link.partition("#")
        path = (page.path.parent / target).resolve() if target else page.path
        assert path.exists(), link
        assert path.is_relative_to(ROOT), link
        assert not anchor or anchor in Page(path).anchors(), link


@EACH
def test_a_link_to_the_web_is_encrypted(page: Page) -> None:
    assert [link for link in page.links() if link.startswith("http://")] == []


def test_the_readme_is_two_screens_and_has_no_link_that_an_index_could_not_follow() -> None:
    assert len(README.text.splitlines()) <= 100
    assert [link for link in README.links() if link.startswith("#")] == []


def test_the_readme_leads_to_every_page() -> None:
    pages = {page.name for page in map(Page, PAGES)} - {"README.md"}
    assert pages - {link.partition("#")[0] for link in README.links()} == set()


@EACH
def test_every_option_that_is_named_as_ours_is_one(page: Page) -> None:
    words = [word for word in page.code_words() if word.startswith(("--", PROGRAM))]
    if page.name == "docs/comparison.md":
        words = [word for word in words if word.startswith(PROGRAM)]  # the rest is tdl's, too
    named = {name for word in words for name in re.findall(r"(?<![\w=-])--[a-z][a-z-]+", word)}
    assert named - OPTIONS.keys() - OF_OTHERS.get(page.name, set()) == set()


def test_the_page_of_options_is_what_the_help_says() -> None:
    """``python3 scripts/options_page.py`` writes it, after each change of either."""
    assert OPTIONS_PAGE.text == options_page()
    assert MORE.keys() <= OPTIONS.keys()


def test_the_page_of_options_has_each_of_them_with_its_default() -> None:
    rows = [line.split(" | ") for line in OPTIONS_PAGE.text.splitlines() if line.startswith("| `")]
    listed = {name: row for row in rows for name in re.findall(r"(--[a-z-]+)", row[0])}
    assert OPTIONS.keys() == listed.keys() | ABOUT_THE_PROGRAM
    for name, row in listed.items():
        assert len(row[1]) > 10, name
        option = OPTIONS[name]
        if option.default is not None:
            assert f"`{option.default}`" in row[2], name
        assert (option.value_name is not None) == (" " in row[0].split("`")[1].strip()), name


@EACH
def test_every_command_is_understood_by_the_program(page: Page) -> None:
    now = {"TDL_SYNC_DATA_DIR": "/nowhere"}
    for words in page.commands():
        if words[:1] in (["completion"], ["config"]):
            with pytest.raises(TextRequested):
                parse_config(words, now)
        else:
            config = parse_config(words, now)
            assert config.command.value in OF_COMMAND


@EACH
def test_every_block_of_commands_is_one_for_the_shell(page: Page) -> None:
    for block in page.shell_blocks():
        run = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True)
        assert (run.returncode, run.stderr) == (0, ""), block


@EACH
def test_every_script_of_ours_is_there_and_knows_the_options_that_it_is_given(page: Page) -> None:
    words = [
        *page.code_words(),
        *(line for block in page.shell_blocks() for line in block.split("\n")),
    ]
    for word in words:
        match = re.match(r"python3 (scripts/\w+\.py)(.*)", word.partition("  ")[0])
        if match:
            text = (ROOT / match[1]).read_text()
            for option in re.findall(r"(?<!\S)--[a-z-]+", match[2]):
                assert option in text, word
