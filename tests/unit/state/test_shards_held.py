"""Parts of a chat that can't overlap are held side by side; what overlaps excludes each other, on
one machine and between them, and so does a version that knows no parts.

That version takes ``<key>.lock`` for itself, and of claims and states it leaves out which part they
are about: to it the whole chat is held as long as the run of any part lives. Its ``status`` shows
each part as one of the chat with other filters, and ``--resume`` alone goes on with none of them.
"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdl_sync.core.errors import HeldByAnotherRun
from tdl_sync.core.model import Chat, ChatKind, Scope, scope_key
from tdl_sync.core.operating_system import FileLock, LockHeld
from tdl_sync.core.shards import WHOLE, Shard, parse_shard
from tdl_sync.core.stop import StopFlag
from tdl_sync.run.wanted_chats import unfinished_in
from tdl_sync.state.claims import Subject, claim_text, decode_claim
from tdl_sync.state.exclusive import ChatLock, exclusive
from tdl_sync.state.run_identity import this_run
from tdl_sync.state.run_state import RunIdentity, RunState, RunStatus
from tdl_sync.state.state_message import HEADER, encode, json_in
from tests.fakes.saved_messages import FakeSavedMessages

KEY = "0123456789abcdef"
REMOTE = "gdrive:tdl-sync"
CHAT = Chat(-1001234567890, "Lectures", ChatKind.CHANNEL)
SHARDS = [parse_shard(text) for text in ("1/1", "1/2", "2/2", "1/3", "2/3", "1/4", "3/4", "4/4")]
THERE = RunIdentity("there", 2, "there-2", "m2", 1_714_990_000, 300)


def lock(directory: Path, shard: Shard, run: RunIdentity | None = None) -> ChatLock:
    return ChatLock.acquire(directory, KEY, run or this_run(300), CHAT.title, shard)


@pytest.mark.parametrize(("held", "wanted"), list(product(SHARDS, SHARDS)), ids=str)
def test_on_one_machine_what_overlaps_excludes_each_other_and_nothing_else(
    held: Shard, wanted: Shard, tmp_path: Path
) -> None:
    first = lock(tmp_path, held)
    if held.overlaps(wanted):
        part = "" if held.is_whole else f"part {held} of "
        with pytest.raises(HeldByAnotherRun, match=rf"\(process \d+\).* moves {part}'Lectures'"):
            lock(tmp_path, wanted)
        first.release()
        lock(tmp_path, wanted).release()
    else:
        lock(tmp_path, wanted).release()
        first.release()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(SHARDS), st.booleans()), max_size=12))
def test_whatever_begins_and_ends_no_two_that_overlap_are_ever_held(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Shard, bool]]
) -> None:
    directory = tmp_path_factory.mktemp("locks")
    held: dict[Shard, ChatLock] = {}
    for shard, begins in steps:
        if not begins:
            if shard in held:
                held.pop(shard).release()
            continue
        is_free = not any(shard.overlaps(other) for other in held)
        try:
            held[shard] = lock(directory, shard)
        except HeldByAnotherRun:
            assert not is_free
        else:
            assert is_free
    for each in held.values():
        each.release()


@pytest.mark.skipif(sys.platform == "win32", reason="no lock there can be shared")
def test_while_a_part_is_held_an_earlier_version_finds_the_chat_locked(tmp_path: Path) -> None:
    """It knows the lock of the whole chat alone; two parts share that."""
    first, second = lock(tmp_path, Shard(1, 2)), lock(tmp_path, Shard(2, 2))
    for each in (first, second):
        with pytest.raises(LockHeld):
            FileLock.acquire(tmp_path / f"{KEY}.lock")
        each.release()
    earlier = FileLock.acquire(tmp_path / f"{KEY}.lock")
    with pytest.raises(HeldByAnotherRun, match="another run on this machine moves 'Lectures'"):
        lock(tmp_path, Shard(1, 2))
    earlier.release()


def test_a_refused_run_leaves_nothing_locked(tmp_path: Path) -> None:
    held = lock(tmp_path, Shard(2, 2))
    for wanted in (WHOLE, Shard(2, 4), Shard(2, 2)):
        with pytest.raises(HeldByAnotherRun):
            lock(tmp_path, wanted)
    lock(tmp_path, Shard(1, 4)).release()
    held.release()
    lock(tmp_path, WHOLE).release()


def test_the_runs_of_overlapping_parts_before_are_known_to_have_ended(tmp_path: Path) -> None:
    """On a machine that looks like another one after each start, as a container does, nothing else
    tells that; N may have changed since."""
    runs = {shard: this_run(300) for shard in (Shard(1, 4), Shard(2, 4), WHOLE)}
    for shard, run in runs.items():
        lock(tmp_path, shard, run).release()
    after = lock(tmp_path, Shard(1, 2))
    assert after.previous == {runs[Shard(1, 4)], runs[WHOLE]}


def test_a_run_that_hangs_in_its_beginning_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tdl_sync.state.exclusive._BEGINNING_SECONDS", 0.05)
    hanging = FileLock.acquire(tmp_path / f"{KEY}-begin.lock")
    with pytest.raises(HeldByAnotherRun, match="does not come on"):
        lock(tmp_path, Shard(1, 2))
    hanging.release()
    lock(tmp_path, Shard(1, 2)).release()


# --- between machines ----------------------------------------------------------------------------


def hold(
    stack: ExitStack, saved: FakeSavedMessages, directory: Path, shard: Shard, run: RunIdentity
) -> None:
    stack.enter_context(
        exclusive(CHAT, REMOTE, run, saved, directory, StopFlag(), take_over=False, shard=shard)
    )


@pytest.mark.parametrize(
    ("held", "wanted"),
    [(a, b) for a, b in product(SHARDS, SHARDS) if a != b or a == WHOLE],
    ids=str,
)
def test_between_machines_claims_exclude_what_overlaps_and_nothing_else(
    held: Shard, wanted: Shard, tmp_path: Path
) -> None:
    saved = FakeSavedMessages()
    with ExitStack() as stack:
        hold(stack, saved, tmp_path / "there", held, THERE)
        if not held.overlaps(wanted):
            hold(stack, saved, tmp_path / "here", wanted, this_run(300))
            assert len(saved.texts) == 2
            return
        with pytest.raises(HeldByAnotherRun) as caught:
            hold(stack, saved, tmp_path / "here", wanted, this_run(300))
    part = "" if held.is_whole else f"part {held} of "
    told = str(caught.value)
    assert f"another run moves {part}'Lectures' to the same remote" in told
    assert "process 2 on 'there'" in told
    both = not held.is_whole and not wanted.is_whole
    assert (f", which has messages in common with part {wanted}:" in told) == both


def state_of(shard: Shard) -> RunState:
    scope = Scope(REMOTE, CHAT.id, shard=shard)
    return RunState(
        scope_key=scope_key(scope),
        channel_id=CHAT.id,
        channel_name=CHAT.title,
        last_message_id=5,
        total_downloaded=1,
        total_uploaded=1,
        total_size_bytes=10,
        timestamp=FakeSavedMessages().now,
        status=RunStatus.RUNNING,
        remote=REMOTE,
        folder="Lectures",
        started=FakeSavedMessages().now,
        done_above_ids=(),
        failed_ids=(),
        failures_by_reason={},
        run=THERE,
        shard=shard,
        whole_scope_key="" if shard.is_whole else scope_key(Scope(REMOTE, CHAT.id)),
    )


@pytest.mark.parametrize(("held", "wanted"), list(product(SHARDS, SHARDS)), ids=str)
def test_a_running_state_holds_what_overlaps_its_part(
    held: Shard, wanted: Shard, tmp_path: Path
) -> None:
    saved = FakeSavedMessages()
    saved.put(encode(state_of(held)))
    with ExitStack() as stack:
        if held.overlaps(wanted):
            with pytest.raises(HeldByAnotherRun):
                hold(stack, saved, tmp_path, wanted, this_run(300))
        else:
            hold(stack, saved, tmp_path, wanted, this_run(300))


def test_an_earlier_version_sees_the_chat_held_by_the_run_of_a_part() -> None:
    """It reads the subject and the run of a claim, and status, chat and remote of a state."""
    subject = Subject(REMOTE, CHAT.id, KEY, CHAT.title, Shard(2, 4))
    record = json.loads(json_in(claim_text(subject, THERE)))
    assert record.pop("shard") == "2/4"
    assert record == json.loads(json_in(claim_text(replace(subject, shard=WHOLE), THERE)))
    assert record["subject"] == KEY
    state = json.loads(json_in(encode(state_of(Shard(2, 4)))))
    assert (state["status"], state["channel_id"], state["remote"]) == (
        "running",
        str(CHAT.id),
        REMOTE,
    )
    assert state["version"] == 1
    assert state["scope"] != scope_key(Scope(REMOTE, CHAT.id)), "it goes on with none of them"


def test_a_claim_on_a_part_that_is_spelt_otherwise_is_one_on_the_whole_chat() -> None:
    subject = Subject(REMOTE, CHAT.id, KEY, CHAT.title, Shard(2, 4))
    text = claim_text(subject, THERE)
    assert decode_claim(text) == (KEY, THERE, Shard(2, 4))
    assert decode_claim(text.replace('"2/4"', '"odd ids"')) == (KEY, THERE, WHOLE)
    assert decode_claim(text.replace('"2/4"', "[2]")) == (KEY, THERE, WHOLE)


@pytest.mark.parametrize(
    ("of", "asked", "why"),
    [
        (Shard(2, 4), Shard(2, 4), None),
        (WHOLE, WHOLE, None),
        (Shard(2, 4), WHOLE, "'Lectures' is part 2/4 of it; run with --shard 2/4 for it"),
        (Shard(2, 4), Shard(1, 4), "'Lectures' is part 2/4 of it; run with --shard 2/4 for it"),
        (WHOLE, Shard(1, 4), "'Lectures' was begun without --shard; run without it for it"),
    ],
    ids=str,
)
def test_resume_alone_goes_on_with_what_was_begun_as_the_same_part(
    of: Shard, asked: Shard, why: str | None
) -> None:
    saved = FakeSavedMessages()
    saved.put(encode(replace(state_of(of), status=RunStatus.STOPPED)))
    found = unfinished_in(saved.find(HEADER), REMOTE, "", asked)
    if why is None:
        assert [each.marked_id for each in found.chats] == [CHAT.id]
        assert found.left_out == ()
    else:
        assert found.chats == ()
        assert found.left_out == (f"not resumed: {why}",)
