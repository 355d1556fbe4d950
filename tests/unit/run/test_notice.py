"""The note at the end says how it went, whatever the titles are, and delays it only so long."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdl_sync.core.errors import ChatUnreadable, NetworkUnreachable, QuotaExceeded
from tdl_sync.core.reports import FailedItem, RunReport
from tdl_sync.core.stop import StopFlag
from tdl_sync.core.text import MOST_UNITS, utf16_units
from tdl_sync.run import notice
from tdl_sync.run.notice import Ending, is_note, note, sent_in_time
from tdl_sync.state.state_message import HEADER, is_state_message
from tests.waiting import finished

DONE = RunReport(seen=1300, moved=1234, done_before=60, skipped_by_rule={"sticker": 6})
ALL_IS_WELL = Ending([("Holidays", DONE)], [], stopped=False, time_is_up=False, host="seedbox")
FAILED_FOR_NOW = RunReport(
    seen=1,
    failed_by_reason={"wrong size": 1},
    failed_items=(FailedItem(1, "a", "wrong size", "why", for_good=False),),
    failed_for_now=1,
)


def test_the_note_of_a_run_that_has_moved_everything() -> None:
    report = replace(DONE, uploaded_bytes=56_700_000_000)
    assert note(replace(ALL_IS_WELL, chats=[("Holidays", report)])) == (
        "✅ tdl_sync has moved everything (seedbox)\n"
        "Holidays: 1,234 moved (57 GB), 60 there before, 6 skipped"
    )


@pytest.mark.parametrize(
    ("ending", "first_words"),
    [
        (replace(ALL_IS_WELL, stopped=True), "⏹ tdl_sync was stopped; start it again"),
        (replace(ALL_IS_WELL, time_is_up=True), "⏱ tdl_sync has ended as it was told"),
        (
            replace(ALL_IS_WELL, chats=[("A", replace(DONE, more=True))]),
            "⏱ tdl_sync has ended as it was told",
        ),
        (
            replace(ALL_IS_WELL, chats=[("A", FAILED_FOR_NOW)]),
            "⚠️ tdl_sync has ended, and some files failed",
        ),
        (replace(ALL_IS_WELL, errors=[NetworkUnreachable("x")]), "❌ tdl_sync has failed"),
        (
            replace(ALL_IS_WELL, errors=[QuotaExceeded(datetime(2024, 5, 6, 7, 8), "x")]),
            "⏳ tdl_sync: the remote takes no more for now (seedbox)\n"
            "Quota exceeded, resume in 24 hours, at 2024-05-06 07:\u206008",
        ),
    ],
)
def test_the_first_words_say_how_it_ended(ending: Ending, first_words: str) -> None:
    assert note(ending).startswith(first_words)
    assert is_note(note(ending))


def test_an_error_is_one_line_of_the_note() -> None:
    error = ChatUnreadable("@gone", "nobody has this user name", "Name another.")
    assert note(replace(ALL_IS_WELL, chats=[], errors=[error])).split("\n")[1:] == [
        "cannot read the chat '@\u2060gone': nobody has this user name. Name another."
    ]


@given(
    st.lists(st.text(max_size=300) | st.just(f"{HEADER} claim\n{{}}") | st.just("😀" * 5000)),
    st.lists(st.text(max_size=300).map(NetworkUnreachable)),
)
def test_no_title_and_no_error_breaks_the_note(
    titles: list[str], errors: list[BaseException]
) -> None:
    text = note(replace(ALL_IS_WELL, chats=[(title, DONE) for title in titles], errors=errors))
    assert 0 < utf16_units(text) <= MOST_UNITS
    assert len(text.encode("utf-16-le")) // 2 == utf16_units(text), "Telegram takes no surrogates"
    assert text.count("\n") <= 18
    assert not text.startswith(HEADER)
    assert not is_state_message(text)


def test_a_note_that_hangs_delays_the_end_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice, "SEND_SECONDS", 0.1)

    def hang() -> None:
        threading.Event().wait()

    assert finished(lambda: sent_in_time(hang, StopFlag())) == "Telegram does not answer in time"


def test_a_stop_shortens_the_wait_for_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice, "SEND_AFTER_STOP_SECONDS", 0.1)
    stop = StopFlag()

    def hang() -> None:
        stop.set()
        threading.Event().wait()

    assert finished(lambda: sent_in_time(hang, stop)) == "Telegram does not answer in time"


def test_why_a_note_was_not_sent_is_told() -> None:
    def fail() -> None:
        raise NetworkUnreachable("no network")

    assert finished(lambda: sent_in_time(fail, StopFlag())) == "no network"
    assert finished(lambda: sent_in_time(lambda: None, StopFlag())) is None
