"""Whatever a saved state says, it is a state, or it is named with its mend; never a traceback."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdl_sync.commands.status_facts import claims_in, saved_states, status_of
from tdl_sync.commands.status_text import block, record
from tdl_sync.core.errors import HeldByAnotherRun, StateUnreadable, TdlSyncError
from tdl_sync.core.model import Scope, scope_key
from tdl_sync.core.operating_system import machine_id
from tdl_sync.core.ports import SavedText
from tdl_sync.run.resume import failed_elsewhere
from tdl_sync.run.wanted_chats import unfinished_in
from tdl_sync.state.claims import CLAIM_HEADER, Subject, claim_text
from tdl_sync.state.holds import Others
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.run_identity import is_gone, this_run
from tdl_sync.state.run_state import RunState
from tdl_sync.state.state_message import HEADER, decode, encode, json_in
from tdl_sync.state.state_store import StateStore
from tests.fakes.saved_messages import FakeSavedMessages
from tests.unit.state.test_state_message import NOON, PLAIN, SCOPE

RECORD: dict[str, Any] = json.loads(json_in(encode(PLAIN)))
SUBJECT = Subject(SCOPE.remote, SCOPE.chat_id, scope_key(SCOPE), "A channel")
CLAIM: dict[str, Any] = json.loads(json_in(claim_text(SUBJECT, this_run(300))))
NUMBERS = st.sampled_from(
    [-1, 0, 1, 2**31 - 1, 2**31, 2**32, 2**40, 2**53, 2**63, 2**64, 10**400, 0.5, -0.0, 1e308]
)
TEXTS = st.text(st.characters(), max_size=30) | st.sampled_from(
    [
        "",
        ".",
        "..",
        "../../x",
        "a/b",
        "a\0b",
        "\ud800",
        "x" * 300,
        "é" * 128,
        "0" * 16,
        scope_key(SCOPE),
        "1-100000",
        "1-99999999999",
        "5-4",
        "-9223372036854775809",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "36812-02-20T00:36:16Z",
        "1-1-1T1:1:1Z",
        "running",
        machine_id(),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats(allow_nan=True) | st.integers() | TEXTS,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(TEXTS, inside, max_size=3),
    max_leaves=5,
)


@st.composite
def changed(draw: st.DrawFn, original: dict[str, Any]) -> str:
    """Its JSON with one to three keys of its own that hold anything, or are missing."""
    text = json.loads(json.dumps(original))
    for key in draw(st.lists(st.sampled_from(sorted(text)), min_size=1, max_size=3, unique=True)):
        if key == "run" and draw(st.booleans()):
            text["run"][draw(st.sampled_from(sorted(original["run"])))] = draw(VALUES)
        elif draw(st.integers(0, 9)) == 0:
            text.pop(key, None)
        else:
            text[key] = draw(VALUES)
    return json.dumps(text)


def message_of(json_text: str, header: str = HEADER) -> SavedText:
    return SavedText(7, f"{header}\n{json_text}", NOON, pinned=True)


def written(text: str) -> None:
    """As what goes to a terminal, to Telegram or to a file in the end."""
    text.encode("utf-8", "backslashreplace")
    assert "\0" not in text


@settings(max_examples=300, deadline=None)
@given(changed(RECORD))
def test_any_value_in_any_key_makes_a_state_or_is_named(json_text: str) -> None:
    """And all who read it can do with it what they do: begin, status, resume, take over."""
    message = message_of(json_text)
    with contextlib.suppress(StateUnreadable):
        state = decode(message.text)
        assert decode(encode(state)).folder == state.folder
        assert "/" not in state.folder
    states, unreadable = saved_states([message], LocalStates(Path("nowhere")))
    assert len(states) + len(unreadable) == 1
    for error in unreadable:
        assert str(error).count("\n") == 0
        assert "Delete that message in Saved Messages and run again" in str(error)
    for saved in states:
        found = status_of(saved, claims_in([message]), NOON, is_gone)
        written("\n".join(block(found, NOON)))
        json.dumps(record(found))
        written(json.dumps([len(list(failed_elsewhere(saved.state)))]))
    unfinished_in([message], SCOPE.remote, "")
    others = Others(SUBJECT, this_run(300), is_gone)
    for hold in others.living(others.among([message]), NOON + timedelta(seconds=1)):
        assert isinstance(others.held(hold, take_over=False), HeldByAnotherRun)
    saved_messages = FakeSavedMessages()
    saved_messages.messages[7] = message
    with contextlib.suppress(StateUnreadable):
        loaded = StateStore(saved_messages, LocalStates(Path("nowhere"))).load(SCOPE)
        assert loaded is None or loaded.state.channel_id == SCOPE.chat_id


@settings(max_examples=150, deadline=None)
@given(changed(CLAIM))
def test_any_value_in_any_key_of_a_claim_makes_a_claim_or_none(json_text: str) -> None:
    message = message_of(json_text, CLAIM_HEADER)
    others = Others(SUBJECT, this_run(300), is_gone)
    for hold in others.living(others.among([message]), NOON + timedelta(seconds=1)):
        str(others.held(hold, take_over=True))
        str(others.taken_over(hold.run))
    claims_in([message])


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=100) | changed(RECORD).map(str.encode))
def test_the_copy_on_this_disk_is_a_state_or_is_named(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("states")
    local_states, key = LocalStates(directory), scope_key(SCOPE)
    local_states.path(key).write_bytes(content)
    named: list[str] = []
    try:
        assert local_states.read(key) is not None
        loaded = StateStore(FakeSavedMessages(), local_states).load(SCOPE)
        assert loaded is not None
        assert loaded.state.scope_key == key
    except StateUnreadable as error:
        named.append(str(error))
    for line in named:
        assert f"Remove the file {local_states.path(key)} and run again" in line
        assert "\n" not in line


@pytest.mark.parametrize("pid", [0, 2**31 - 1, 2**31, 2**32 - 1])
def test_a_process_that_no_system_has_is_gone(pid: int) -> None:
    assert is_gone(replace(this_run(300), pid=pid))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"folder": "../../x"}, "expected 'folder' to be one file name of at most 255 bytes"),
        ({"folder": "a/b"}, "found 'a/b'"),
        ({"folder": "a\0b"}, "found 'a\\x00b'"),
        ({"folder": "\ud800"}, "found '\\ud800'"),
        ({"folder": ""}, "found ''"),
        ({"folder": ".."}, "found '..'"),
        ({"folder": "é" * 128}, "expected 'folder' to be one file name"),
        (
            {"timestamp": "9999-12-31T23:59:59Z"},
            "expected 'timestamp' to be a time of 1970 to 2499",
        ),
        ({"started": "0001-01-01T00:00:00Z"}, "expected 'started' to be a time of 1970 to 2499"),
        ({"failed": "1-99999999999"}, "expected an id or a range"),
        ({"failed": "1-2147483647"}, "expected 100000 ids at most"),
        ({"run": {**RECORD["run"], "process_started": 1_099_511_627_776}}, "'process_started'"),
        ({"run": {**RECORD["run"], "pid": 2**63}}, "expected 'pid' to be a whole number"),
        ({"channel_id": "5"}, "expected 'channel_id' to be -1001234567890, found 5"),
        ({"remote": "box:other"}, "expected 'remote' to be 'gdrive:tdl-sync', found 'box:other'"),
    ],
    ids=str,
)
def test_a_bad_value_is_named_with_its_mend(changes: dict[str, Any], told: str) -> None:
    saved_messages = FakeSavedMessages()
    saved_messages.put(f"{HEADER}\n{json.dumps({**RECORD, **changes})}")
    with pytest.raises(StateUnreadable) as caught:
        StateStore(saved_messages, LocalStates(Path("nowhere"))).load(SCOPE)
    assert told in str(caught.value)
    assert "Delete that message in Saved Messages and run again" in str(caught.value)


def _of_another_scope(state: RunState) -> RunState:
    return replace(state, scope_key=scope_key(Scope("box:x", 5)))


def _too_long(state: RunState) -> str:
    return json_in(encode(state)) + " " * 70_000


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda state: json_in(encode(_of_another_scope(state))), "expected 'scope' to be"),
        (_too_long, "expected 65536 bytes at most, found more"),
        (lambda state: "[" * 60_000, "expected a JSON object"),
    ],
    ids=["another scope's", "too long", "deep"],
)
def test_a_copy_on_this_disk_that_is_not_this_scopes_is_named(
    made: Callable[[RunState], str], told: str, tmp_path: Path
) -> None:
    local_states, key = LocalStates(tmp_path), scope_key(SCOPE)
    local_states.write(key, made(PLAIN))
    with pytest.raises(TdlSyncError, match=told):
        local_states.read(key)


def test_a_thousand_messages_of_a_hundred_thousand_ids_each_are_read_without_laying_them_out() -> (
    None
):
    """A hundred million ids would take minutes and gigabytes."""
    text = (
        f"{HEADER}\n{json.dumps({**RECORD, 'failed': '1-100000', 'done_above': '200000-299999'})}"
    )
    messages = [replace(message_of(""), message_id=number, text=text) for number in range(1, 1001)]
    states, unreadable = saved_states(messages, LocalStates(Path("nowhere")))
    assert (len(states), unreadable) == (1, [])
    found = status_of(states[0], (), NOON.astimezone(timezone.utc), is_gone)
    assert "messages 1-100000" in "\n".join(block(found, NOON))
