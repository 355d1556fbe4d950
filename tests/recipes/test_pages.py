"""What the pages about recipes and other programs say is what there is."""

from __future__ import annotations

import re

from tdl_sync.cli.usage import OF_COMMAND, OPTIONS
from tests.e2e.program import ROOT
from tests.recipes.hosts import RECIPES

PAGE = (ROOT / "docs" / "recipes.md").read_text()
COMPARISON = (ROOT / "docs" / "comparison.md").read_text()


def test_the_line_to_copy_for_cron_is_the_one_that_is_tested() -> None:
    (line,) = re.findall(r"^    (17 .+)$", PAGE, re.MULTILINE)
    assert line in (RECIPES / "crontab").read_text().splitlines()


def test_every_recipe_is_on_the_page_and_every_file_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"(recipes/[\w./-]*\w)", PAGE))
    assert all((ROOT / name).exists() for name in named), named
    files = {str(path.relative_to(ROOT)) for path in RECIPES.rglob("*") if path.is_file()}
    assert files - named == set()


def test_every_option_and_command_that_the_recipes_and_the_comparison_give_is_one() -> None:
    cells = [line.split("|")[2] for line in COMPARISON.splitlines() if line.startswith("| ")]
    given = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", " ".join(cells)))
    assert given - OPTIONS.keys() == set()
    assert len(given) > 25
    commands = re.findall(r"`tdl-sync (\w+)", " ".join(cells) + PAGE)
    assert set(commands) - {*OF_COMMAND, "completion"} == set()
