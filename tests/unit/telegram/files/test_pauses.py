"""Whom a flood wait means: told by what other connections answer meanwhile. No clock runs."""

from __future__ import annotations

from tdl_sync.telegram.files.pauses import Pauses

FIRST, SECOND, THIRD = "first", "second", "third"


class Line:
    """Requests over connections, which are sent and answered at given moments."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses = Pauses(lambda: self.now)

    def refuse(self, connection: str, *, sent: float, heard: float, seconds: int = 10) -> None:
        self.now = heard
        request = (connection, sent)
        self.pauses.refused(connection, request, sent, seconds)
        self.pauses.ended(request)

    def answer(self, connection: str, *, sent: float, heard: float) -> None:
        self.now = heard
        request = (connection, sent)
        self.pauses.answered(connection, request, sent)
        self.pauses.ended(request)

    def free(self) -> set[str]:
        return {each for each in (FIRST, SECOND, THIRD) if self.pauses.may_ask(each)}


def test_a_refusal_holds_all_as_long_as_nothing_else_is_known() -> None:
    line = Line()
    line.refuse(FIRST, sent=1.0, heard=1.1)
    assert line.free() == set()


def test_where_others_are_answered_what_was_sent_later_one_connection_is_meant() -> None:
    line = Line()
    line.refuse(FIRST, sent=1.0, heard=1.1)
    line.answer(SECOND, sent=1.06, heard=1.2)
    assert line.free() == set()
    line.answer(THIRD, sent=1.07, heard=1.3)
    assert line.free() == {SECOND, THIRD}
    line.now = 11.1
    assert line.free() == {FIRST, SECOND, THIRD}


def test_what_was_sent_at_about_the_same_time_shows_nothing() -> None:
    """It may have come to Telegram before what was refused."""
    line = Line()
    line.refuse(FIRST, sent=1.0, heard=1.1)
    for sent in (0.9, 1.0, 1.01, 1.02):
        line.answer(SECOND, sent=sent, heard=1.2)
    assert line.free() == set()


def test_an_answer_over_the_same_connection_shows_nothing() -> None:
    line = Line()
    line.refuse(FIRST, sent=1.0, heard=1.1)
    for _ in range(5):
        line.answer(FIRST, sent=1.08, heard=1.2)
    assert line.free() == set()


def test_where_most_others_are_refused_too_all_are_meant() -> None:
    """Some in between were taken, as from a bucket that fills up drop by drop."""
    line = Line()
    line.refuse(FIRST, sent=1.0, heard=1.1)
    for _ in range(3):
        line.refuse(SECOND, sent=1.06, heard=1.2)
    for _ in range(2):
        line.answer(THIRD, sent=1.07, heard=1.3)
    assert line.free() == set()


def test_where_several_have_come_to_limits_of_their_own_each_waits_for_its_own_end() -> None:
    line = Line()
    line.refuse(FIRST, sent=1.0, heard=1.1)
    line.refuse(SECOND, sent=1.06, heard=1.2, seconds=5)
    for _ in range(2):
        line.answer(THIRD, sent=1.07, heard=1.3)
    assert line.free() == {THIRD}
    line.now = 6.2
    assert line.free() == {SECOND, THIRD}


def with_a_limit_of_one() -> Line:
    line = Line()
    line.refuse(FIRST, sent=1.0, heard=1.1)
    line.answer(SECOND, sent=1.06, heard=1.2)
    line.answer(THIRD, sent=1.07, heard=1.2)
    return line


def test_what_was_found_out_holds_for_the_next_refusal() -> None:
    line = with_a_limit_of_one()
    line.refuse(SECOND, sent=1.15, heard=1.3)
    assert line.free() == {THIRD}


def test_until_several_in_a_row_are_refused_what_was_sent_later() -> None:
    line = with_a_limit_of_one()
    line.now = 12.0
    line.pauses.asked(FIRST, (FIRST, 12.0))
    line.answer(FIRST, sent=12.0, heard=12.1)
    line.refuse("fourth", sent=13.0, heard=13.1)
    line.refuse(FIRST, sent=13.2, heard=13.3)
    line.refuse(SECOND, sent=13.2, heard=13.3)
    assert line.free() == {THIRD}
    line.refuse("fifth", sent=13.2, heard=13.4)
    assert line.free() == set()
    line.now = 23.35
    assert line.free() == set()  # to the end of the last that was told
    line.now = 23.4
    assert line.free() == {FIRST, SECOND, THIRD}


def test_one_that_is_answered_in_between_ends_the_row() -> None:
    line = with_a_limit_of_one()
    for number in range(2, 10):
        line.refuse(f"another {number}", sent=number, heard=number + 0.1)
        line.answer(SECOND, sent=number + 0.2, heard=number + 0.3)
    assert line.free() == {SECOND, THIRD}


def test_after_a_pause_one_connection_is_asked_once_and_then_it_is_free() -> None:
    line = Line()
    line.refuse(FIRST, sent=1.0, heard=1.1)
    line.now = 11.1
    line.pauses.asked(SECOND, (SECOND, 11.1))
    assert line.free() == set()
    line.answer(SECOND, sent=11.1, heard=11.2)
    assert line.free() == {FIRST, SECOND, THIRD}


def test_a_connection_that_is_closed_takes_its_pause_with_it() -> None:
    line = with_a_limit_of_one()
    line.pauses.forget(FIRST)
    assert line.pauses.are_none
