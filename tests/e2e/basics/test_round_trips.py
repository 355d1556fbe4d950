"""A run asks Telegram no more than it has to, and what can be asked at once is."""

from __future__ import annotations

from collections import Counter

from standins.telegram.world import worlds
from tests.e2e.conftest import Stage
from tests.e2e.program import SOURCE
from tests.in_process import run_here

IN_A_ROW = (
    "help.GetConfig",  # with which the library opens its connection
    "users.GetUsers",  # whose account it is, and whether its session still counts
    "channels.GetChannels",  # whether the chat still bears its name
    "messages.SendMessage",  # the claim
    "messages.Search",  # claims and states: two searches and the history at once
    "messages.GetMessages",  # the claim is still there
    "messages.EditMessage",  # the state message
    "messages.DeleteMessages",  # the claim, which that has replaced
)
"""What a run with nothing new waits for, one after the other."""

MOST_IN_A_ROW = 12

BESIDE = Counter(
    {
        "help.GetConfig": 1,  # addresses for files
        "messages.GetHistory": 2,  # the newest message, beside the claim; Saved Messages'
        "messages.Search": 3,  # the other search there, and two samples of the chat's files
        "messages.GetSearchCounters": 2,  # for the balance, and for the display
    }
)
"""What it asks for beside that. Of what serves the display some may come too late to be asked."""


def test_a_run_with_nothing_new_asks_for_so_much_and_no_more(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000, 2000]))
    assert run_here(scene.machine, "-u", SOURCE).numbers()["done"] == 2
    before = Counter(scene.telegram.statistics.counts().calls)
    ended = run_here(scene.machine, "-u", SOURCE)
    assert (ended.exit_status, ended.numbers()["seen"]) == (0, 0), ended.stderr
    asked = Counter(scene.telegram.statistics.counts().calls)
    asked.subtract(before)
    most = Counter(IN_A_ROW) + BESIDE
    assert {name: count for name, count in asked.items() if count > most[name]} == {}
    missing = Counter(IN_A_ROW) - asked
    assert not missing, "it is not asked for any more: take it off the list"
    assert len(IN_A_ROW) <= MOST_IN_A_ROW
