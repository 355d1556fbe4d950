"""Lines of a log: whatever an event holds, it is text that drives nothing, or valid JSON."""

from __future__ import annotations

import json
import logging
import threading
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdl_sync.options.config import PLAINLY
from tdl_sync.reporting.events import Counts, Event, EventKind, Level, as_json, as_text
from tdl_sync.reporting.stderr import tell_what_nobody_caught

ANY_TEXT = st.text(st.characters(codec=None), max_size=30)
HOSTILE = "\x1b[31mred\x07\r\nforged\N{RIGHT-TO-LEFT OVERRIDE}\ud800"


def event(*lines: str, name: str | None = None, reason: str | None = None) -> Event:
    return Event(EventKind.FAILED, Level.WARNING, lines, name=name, reason=reason)


def is_harmless(text: str) -> bool:
    """Controls and breaks of lines, signs that turn or hide text, halves of pairs are not."""
    return not {unicodedata.category(sign) for sign in text} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_json_is_valid_ascii_on_one_line_whatever_the_names(
    line: str, name: str, reason: str
) -> None:
    text = as_json(event(line, name=name, reason=reason))
    assert text.isascii()
    assert text.isprintable()
    # What is left of it can be written anywhere: no half of a surrogate pair.
    for value in json.loads(text).values():
        value.encode("utf-8")
        assert is_harmless(value)


@given(ANY_TEXT)
def test_a_line_of_text_stays_one_line_behind_its_time(line: str) -> None:
    (shown,) = as_text(event(line)).splitlines()
    assert is_harmless(shown)
    datetime.strptime(shown[:19], "%Y-%m-%d %H:%M:%S")


def test_json_has_what_the_event_knows_and_times_in_utc() -> None:
    moment = datetime(2024, 5, 6, 14, 0, 0, 123456, timezone(timedelta(hours=2)))
    told = Event(
        EventKind.SUMMARY,
        Level.INFO,
        ("Films", "  seen  4"),
        chat_id=-1001,
        size_bytes=5,
        seconds=1.23456,
        until=moment,
        counts=Counts(seen=4, done=0, skipped=1, failed=3),
        moment=moment,
    )
    assert json.loads(as_json(told)) == {
        "time": "2024-05-06T12:00:00.123Z",
        "level": "info",
        "event": "summary",
        "text": "Films\n  seen  4",
        "chat": -1001,
        "bytes": 5,
        "seconds": 1.235,
        "until": "2024-05-06T12:00:00.123Z",
        "seen": 4,
        "done": 0,
        "skipped": 1,
        "failed": 3,
    }


@pytest.fixture
def nobody_catches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    handlers = list(root.handlers)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    yield
    root.handlers[:] = handlers


@pytest.mark.usefixtures("nobody_catches")
@pytest.mark.parametrize("lines_as_json", [False, True])
def test_what_libraries_log_and_threads_die_of_drives_nothing_either(
    lines_as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    # pytest's own, whose reports can't hold half of a surrogate pair.
    logging.getLogger().handlers.clear()
    tell_what_nobody_caught(replace(PLAINLY, lines_as_json=lines_as_json))
    logging.getLogger("some.library").error("cannot read %s", HOSTILE)

    def die() -> None:
        raise RuntimeError(HOSTILE)

    thread = threading.Thread(target=die)
    thread.start()
    thread.join()
    shown = capsys.readouterr().err.splitlines()
    assert all(line.isprintable() for line in shown)
    texts = [json.loads(line)["text"] for line in shown] if lines_as_json else shown
    text = "\n".join(texts)
    assert text.startswith("warning: some.library: cannot read �[31mred")
    assert "RuntimeError: �[31mred" in text
    assert text.endswith("tdl_sync: this is a bug in tdl_sync; please report the lines above")
