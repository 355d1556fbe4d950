"""Whom a flood wait means: told by what other connections answer meanwhile. No clock runs."""

from __future__ import annotations

from tdl_sync.telegram.files.pauses import Pauses

FIRST, SECOND, THIRD = "first", "second", "third"
ELSEWHERE, UNDER_WAY = "elsewhere", "under way"


class Line:
    """Requests over connections, which are sent and answered at given moments, while another is
    under way."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses = Pauses(lambda: self.now)
        self.pauses.asked(ELSEWHERE, UNDER_WAY)

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

    def ask(self, connection: str) -> tuple[str, float]:
        """One that is under way from now on."""
        request = (connection, self.now)
        self.pauses.asked(connection, request)
        return request

    def all_is_over(self) -> None:
        """Nothing else is under way any more."""
        self.pauses.ended(UNDER_WAY)

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
    line.now = 23.05
    assert line.free() == set()
    line.now = 23.1  # the end that the first of them was told, who was refused the same
    assert line.free() == {THIRD}
    line.now = 23.3
    assert line.free() == {FIRST, SECOND, THIRD}


def test_one_that_is_answered_in_between_ends_the_row() -> None:
    line = with_a_limit_of_one()
    for number in range(2, 10):
        line.refuse(f"another {number}", sent=number, heard=number + 0.1)
        assert line.free() == {SECOND, THIRD}
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


def refused_while_others_had_less() -> Line:
    """Nothing that is under way shows whom it means, nor does anything else."""
    line = Line()
    line.answer(FIRST, sent=0.5, heard=0.6)
    line.refuse(FIRST, sent=1.0, heard=1.1)
    return line


def test_where_nothing_under_way_can_show_whom_a_refusal_means_one_request_asks() -> None:
    line = refused_while_others_had_less()
    assert line.free() == set()
    line.all_is_over()
    assert line.free() == {SECOND, THIRD}
    line.ask(SECOND)
    assert line.free() == set()


def test_where_that_is_taken_one_connection_is_meant() -> None:
    line = refused_while_others_had_less()
    line.all_is_over()
    asked = line.ask(SECOND)
    line.pauses.taken(SECOND, asked, 1.1)
    assert line.free() == {SECOND, THIRD}


def test_where_that_is_refused_nothing_else_is_asked_before_the_end() -> None:
    line = refused_while_others_had_less()
    line.all_is_over()
    line.ask(SECOND)
    line.refuse(SECOND, sent=1.1, heard=1.2)
    assert line.free() == set()
    line.now = 11.0
    assert line.free() == set()


def test_where_that_comes_to_nothing_the_next_asks() -> None:
    line = refused_while_others_had_less()
    line.all_is_over()
    line.pauses.ended(line.ask(SECOND))
    assert line.free() == {SECOND, THIRD}


def test_a_connection_that_has_taken_as_much_as_the_one_that_was_refused_shows_nothing() -> None:
    """Each may have come to the same limit of its own."""
    line = Line()
    for connection in (FIRST, SECOND):
        line.answer(connection, sent=0.5, heard=0.6)
    line.refuse(FIRST, sent=1.0, heard=1.1)
    line.all_is_over()
    assert line.free() == {THIRD}


def test_a_connection_that_has_taken_more_than_the_one_that_was_refused_may_show_it() -> None:
    """Its limit, if it has one, is not that of the other."""
    line = Line()
    for connection in (FIRST, SECOND, SECOND):
        line.answer(connection, sent=0.5, heard=0.6)
    line.refuse(FIRST, sent=1.0, heard=1.1)
    line.all_is_over()
    assert line.free() == {SECOND, THIRD}


def test_what_comes_after_a_refusal_was_taken_before_it_if_it_was_sent_before() -> None:
    """A refusal has few bytes, and overtakes what it was refused behind."""
    line = Line()
    earlier = line.ask(FIRST)
    line.answer(SECOND, sent=0.5, heard=0.6)
    line.refuse(FIRST, sent=1.0, heard=1.1)
    line.pauses.answered(FIRST, earlier, 0.0)
    line.pauses.ended(earlier)
    line.all_is_over()
    assert line.free() == {THIRD}  # the second has taken one as well


def test_what_a_connection_had_taken_before_it_was_refused_counts_for_no_later_refusal() -> None:
    line = Line()
    earlier = line.ask(FIRST)
    line.refuse(FIRST, sent=1.0, heard=1.1)
    line.pauses.answered(FIRST, earlier, 0.0)
    line.pauses.ended(earlier)
    line.now = 20
    for connection in (FIRST, SECOND):
        feeler = line.ask(connection)
        line.pauses.answered(connection, feeler, line.now)
        line.pauses.ended(feeler)
    line.refuse(FIRST, sent=21, heard=21.1)
    line.all_is_over()
    assert line.free() == {THIRD}


def test_the_more_were_in_vain_the_rarer_one_asks_during_a_pause() -> None:
    """Where a limit is the account's it is found out a few times, not in each pause."""
    line = Line()
    line.all_is_over()
    asked_during = []
    for pause in range(20):
        began = pause * 100.0
        line.answer(FIRST, sent=began, heard=began + 0.1)
        line.refuse(FIRST, sent=began + 1, heard=began + 1.1)
        if line.free():
            asked_during.append(pause)
            line.ask(SECOND)
            line.refuse(SECOND, sent=began + 1.1, heard=began + 1.2)
        line.now = began + 20
        feeler = line.ask(FIRST)
        line.pauses.answered(FIRST, feeler, line.now)
        line.pauses.ended(feeler)
    assert asked_during == [0, 2, 6, 14]


def test_of_ends_that_are_less_than_a_second_apart_the_first_is_that_of_all() -> None:
    """Waits are told in whole seconds. Each connection waits for its own all the same."""
    line = Line()
    line.refuse(FIRST, sent=1.0, heard=1.1)
    line.refuse(SECOND, sent=1.0, heard=1.9)
    line.now = 11.0
    assert line.free() == set()
    line.now = 11.1
    assert line.free() == {FIRST, THIRD}
    feeler = line.ask(FIRST)
    line.pauses.taken(FIRST, feeler, 11.1)
    assert line.free() == {FIRST, THIRD}
    line.now = 11.9
    assert line.free() == {FIRST, SECOND, THIRD}


def test_who_was_refused_feels_the_way() -> None:
    """Another connection may have come to a limit of its own meanwhile, and may have met none."""
    line = Line()
    line.refuse(SECOND, sent=1.0, heard=1.1)
    assert [line.pauses.has_waited(each) for each in (FIRST, SECOND, THIRD)] == [False, True, False]
