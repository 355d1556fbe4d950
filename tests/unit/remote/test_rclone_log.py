"""Whatever a line of rclone's log is, reading it raises nothing: a log that nobody reads any more
stops rclone."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tdl_sync.core.text import printable
from tdl_sync.remote.rclone_log import CallTriedAgain, ConfigFile, RcloneLog, SentSoFar, Serving

NUMBERS = st.integers() | st.floats() | st.just(10**400)
VALUES = st.none() | st.booleans() | NUMBERS | st.text(max_size=9)
TASKS = st.lists(
    VALUES
    | st.dictionaries(st.sampled_from(["name", "size", "bytes", "speed"]), VALUES, max_size=4),
    max_size=3,
)
STATS = st.dictionaries(
    st.sampled_from(["totalBytes", "bytes", "speed", "transferring"]), VALUES | TASKS, max_size=4
)
TELLING = st.sampled_from(
    [
        "Serving remote control on http://127.0.0.1:",
        "low level retry 1/10 (error ",
        'Using config file from "',
        'Config file "',
        "Failed to serve with 2 errors: last error was: ",
    ]
)
MESSAGES = st.text() | st.builds(str.__add__, TELLING, st.text() | st.just("9" * 5000 + "/"))
LEVELS = st.sampled_from(["debug", "info", "notice", "error", "critical"])
ENTRIES = st.fixed_dictionaries(
    {}, optional={"level": LEVELS | VALUES, "msg": MESSAGES | VALUES, "stats": STATS | VALUES}
)


def as_line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def sent_of(sent_bytes: float) -> object:
    task = {"name": "a", "size": 3, "bytes": sent_bytes}
    return {"totalBytes": 9, "bytes": 3, "speed": 1, "transferring": [task]}


@given(st.binary() | ENTRIES.map(as_line) | st.builds(lambda e: as_line(e)[:-5], ENTRIES))
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(as_line({"level": "info", "stats": sent_of(math.inf)}))
@example(as_line({"level": "info", "stats": sent_of(10**400)}))
@example(as_line({"level": "info", "stats": {"totalBytes": 1, "transferring": {"name": "a"}}}))
@example(as_line({"msg": f"Serving remote control on http://127.0.0.1:{'9' * 5000}/"}))
@example(as_line({"msg": 'Config file "\0\ud800"', "level": ["info"]}))
def test_no_line_stops_the_reading(line: bytes) -> None:
    log = RcloneLog()
    log.read(line)
    assert log.last_words == printable(log.last_words)
    assert log.read(SERVES) == Serving(4711)


SERVES = as_line({"level": "notice", "msg": "Serving remote control on http://127.0.0.1:4711/"})


def entry(level: str, message: str, **more: Any) -> bytes:
    return as_line({"level": level, "msg": message, **more})


@pytest.mark.parametrize("level", ["notice", "warning"])
def test_the_port_is_read_from_both_versions_words(level: str) -> None:
    message = "Serving remote control on http://127.0.0.1:4711/"
    assert RcloneLog().read(entry(level, message)) == Serving(4711)


def test_what_is_told_of_transfers_and_the_configuration_goes_further() -> None:
    log = RcloneLog()
    stats = {"totalBytes": 9, "bytes": 3, "speed": 1, "transferring": [{"name": "a", "bytes": 3}]}
    assert log.read(entry("info", "", stats=stats)) == SentSoFar({"a": 3})
    tried_again = log.read(entry("debug", "low level retry 1/10 (error too\nmany)"))
    assert tried_again == CallTriedAgain("too many")
    assert log.read(entry("debug", 'Using config file from "/a \\"b\\""')) == ConfigFile(
        Path('/a "b"')
    )
    assert log.last_words == ""


def test_parameters_replies_and_passwords_go_nowhere() -> None:
    """They are in the log, among them tokens; also as last words only what says why it ended."""
    log = RcloneLog()
    secret = "ya29.secret"
    lines = [
        f'2026/11/26 20:17:41 DEBUG : Setting --rc-pass "{secret}" from environment'.encode(),
        entry("debug", f'rc: "config/dump": reply map[token:{secret}]: <nil>'),
        entry("debug", f'rc: "config/update": with parameters map[token:{secret}]'),
        entry("debug", f'rc: "config/dump": reply map[low level retry 1/2 (error {secret})]'),
        entry("error", f'rc: "config/update": error: no {secret}'),
        b'{"level":"debug","msg":"rc: \\"config/dump\\": reply low level retry 1/2 (error '
        + secret.encode(),
    ]
    assert [log.read(line) for line in lines] == [None] * len(lines)
    assert log.last_words == ""


@pytest.mark.parametrize(
    "lines",
    [
        [b"2026/11/26 20:35:49 Failed to serve: no good day", b"goroutine 1 [running]:"],
        [entry("error", "something before"), entry("critical", "Failed to serve: no good day")],
        [entry("error", "a rumour"), entry("error", "no good day"), entry("info", "it goes on")],
        [b"fatal error: no good day", b"runtime: what the machine has to say"],
    ],
)
def test_why_it_ended_are_its_last_words_whichever_version_says_them(lines: list[bytes]) -> None:
    log = RcloneLog()
    for line in lines:
        log.read(line)
    assert log.last_words.removeprefix("fatal error: ") == "no good day"
