"""The timeline of a start: what waits in a row, and where nobody waits for an answer."""

from __future__ import annotations

from scripts.benchmark.start import Event, Timeline


def timeline(*events: tuple[str, float, float]) -> Timeline:
    asked = tuple(Event("Telegram", *each) for each in events)
    return Timeline(seconds=9.0, cpu_seconds=0.5, first_line_at=0.1, events=asked)


def test_what_is_asked_at_once_counts_as_one_wait() -> None:
    run = timeline(("one", 1.0, 2.0), ("beside it", 1.0, 1.9), ("after both", 2.0, 3.0))
    assert [each.what for each in run.in_a_row("Telegram")] == ["one", "after both"]
    assert run.in_a_row("Drive") == []


def test_a_connection_is_no_call_that_is_waited_for() -> None:
    run = timeline(("connection", 1.0, 0.0), ("one", 1.0, 2.0))
    assert [each.what for each in run.in_a_row("Telegram")] == ["one"]


def test_a_silence_is_what_lies_between_answers_and_what_is_asked_next() -> None:
    run = timeline(("one", 1.0, 4.0), ("beside it", 1.0, 2.0), ("after both", 4.5, 5.0))
    assert run.longest_silence_seconds("Telegram") == 0.5
    assert run.longest_silence_seconds("Drive") == 0.0
