"""Whatever shape a chat has, all that can be had of it is moved, and what is said of it is right.

A short version of ``scripts/torture.py --worlds``, which says what is drawn and what is compared.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts.campaign_runs import BUDGET_BYTES
from scripts.world_books import Books, Told
from scripts.worlds_campaign import WorldsFigures, WorldsPlan, run_worlds_campaign
from standins.demonstration import differences
from standins.telegram.server import StandIn
from standins.telegram.world.generated import generated
from tests.e2e.program import Machine
from tests.in_process import run_here

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.mark.parametrize("seed", [10, 29, 39, 43])
def test_the_books_of_a_chat_of_any_shape_are_balanced_to_the_last_message(
    seed: int, tmp_path: Path
) -> None:
    drawn = generated(seed)
    with StandIn(drawn.world) as telegram:
        machine = Machine(tmp_path / "machine", telegram)
        machine.variables["TDL_SYNC_MAX_DISK"] = f"{BUDGET_BYTES}B"

        def call(words: Sequence[str]) -> Told:
            command, *options = words
            # A topic has a state of its own, and status tells all states of a chat.
            chats = drawn.words[:2] if command == "status" else drawn.words
            ended = run_here(machine, command, *chats, *options)
            return Told(ended.exit_status, ended.stdout, ended.stderr)

        books = Books(drawn, refused=())
        assert list(books.problems_before(call)) == []
        # In two parts: what the first one has seen is a part of the books, too.
        assert call(["sync", "--limit", "3"]).exit_status == 0
        ended = call(["sync"])
        assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
        missing = {f"{key}: 0 files instead of 1" for key in books.failed()}
        assert set(differences(drawn.chats, machine.remote_directory)) == missing
        assert list(books.problems(call, all_moves_known=True)) == []
        assert telegram.unknown_rpcs == []


def test_kills_and_refusals_in_between_change_nothing_of_that(tmp_path: Path) -> None:
    figures = WorldsFigures()
    run_worlds_campaign(WorldsPlan(worlds=1, seed=9, kills=2), tmp_path, figures, print)
    assert figures.problems == []


def test_a_campaign_in_which_no_run_was_killed_has_failed() -> None:
    figures = WorldsFigures(worlds=3)
    figures.conclude()
    assert figures.problems == ["no run of 3 worlds was killed"]
    figures = WorldsFigures(worlds=3, kills=1)
    figures.conclude()
    assert figures.problems == []
