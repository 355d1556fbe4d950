"""State messages and claims of earlier versions say what they said, and are written as ever."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tdl_sync.core.errors import StateUnreadable
from tdl_sync.core.model import READER, Scope, scope_key
from tdl_sync.core.ports import SavedText
from tdl_sync.core.text import MOST_UNITS, utf16_units
from tdl_sync.run.resume import failed_elsewhere
from tdl_sync.run.wanted_chats import unfinished_in
from tdl_sync.state.claims import CLAIM_HEADER, claim_text
from tdl_sync.state.holds import INTERVALS_TO_LAPSE, holds_among
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.run_state import RunState, RunStatus
from tdl_sync.state.saved_texts import Broken, Claim, parsed
from tdl_sync.state.state_message import decode, encode, is_state_message, scope_key_in
from tdl_sync.state.state_store import StateMessage, StateStore
from tests.fakes.saved_messages import FakeSavedMessages
from tests.kept import values_states as values
from tests.kept.places import VERSIONS, Kept
from tests.kept.values_states import FIRST, FULL, NOON, RUN, STATES, SUBJECT

SCOPE = Scope("gdrive:tdl-sync", -1001234567890)
CUT = ("many-done-above", "many-failed", "hostile", "long-names")
"""Of these a test of its own says what is read."""


@pytest.mark.parametrize("name", [name for name in STATES if name not in CUT])
def test_a_state_is_read_as_it_was_given(kept: Kept, name: str) -> None:
    text = kept.text(f"states/{name}.txt")
    assert is_state_message(text)
    assert scope_key_in(text) == STATES[name].scope_key
    assert decode(text) == values.READ_OTHERWISE.get(name, STATES[name])


@pytest.mark.parametrize("name", list(STATES))
def test_a_state_is_written_as_ever(name: str) -> None:
    text = encode(STATES[name])
    assert text == VERSIONS[-1].texts("states")[name]
    assert utf16_units(text) <= MOST_UNITS


def test_what_was_dropped_of_a_long_state_is_the_highest_ids_done_above(kept: Kept) -> None:
    text = kept.text("states/many-done-above.txt")
    read = decode(text)
    assert utf16_units(text) == 4092
    assert read.done_above_ids == tuple(range(20_001, 20_001 + 2 * len(read.done_above_ids), 2))
    assert (len(read.done_above_ids), read.last_message_id) == (543, 12345)
    assert replace(read, done_above_ids=()) == replace(FULL, done_above_ids=())


def test_where_not_all_failed_ids_have_room_the_watermark_is_below_the_first_left_out(
    kept: Kept,
) -> None:
    read = decode(kept.text("states/many-failed.txt"))
    assert read.failed_ids == tuple(range(10_001, 10_001 + 2 * len(read.failed_ids), 2))
    assert (len(read.failed_ids), read.last_message_id) == (552, 11_104)
    assert read.last_message_id == read.failed_ids[-1] + 1
    assert read.done_above_ids == ()
    assert read.failures_by_reason == {"download failed": 10_000}


def test_signs_that_servers_strip_come_back(kept: Kept) -> None:
    text, given = kept.text("states/hostile.txt"), STATES["hostile"]
    assert len(text.split("\n")) == 4
    read = decode(text)
    assert (read.folder, read.remote, read.run.host) == (
        given.folder,
        given.remote,
        values.HOSTILE,
    )
    # Escaped signs count as many, so a title is cut earlier, and a reason.
    assert read.channel_name == values.HOSTILE.removesuffix("\u200d\ufeff") + "…"
    ((reason, count),) = read.failures_by_reason.items()
    assert (reason, count) == (values.HOSTILE[: values.HOSTILE.index(".")] + "…", 1)


def test_long_names_are_cut_and_the_folder_is_not(kept: Kept) -> None:
    read, given = decode(kept.text("states/long-names.txt")), STATES["long-names"]
    assert read.folder == given.folder
    names = (read.channel_name, read.remote, read.run.host, read.run.run_id, read.run.machine)
    book = "\U0001f4da"
    assert names == (
        f"{book * 39}…",
        f"box:{book * 147}…",
        *[f"{book * 49}…"] * 3,
    )
    assert replace(read, channel_name="", remote="", run=RUN) == replace(
        given, channel_name="", remote="", run=RUN
    )


@pytest.mark.parametrize("name", list(values.OLDER))
def test_other_shapes_of_earlier_versions_are_read(kept: Kept, name: str) -> None:
    text = kept.text(f"older-states/{name}.txt")
    assert is_state_message(text)
    assert decode(text) == values.OLDER[name]


@pytest.mark.parametrize("name", list(values.UNREADABLE))
def test_a_broken_state_is_named_with_what_is_wrong_and_is_not_overwritten(
    kept: Kept, name: str, tmp_path: Path
) -> None:
    text = kept.text(f"unreadable-states/{name}.txt")
    assert is_state_message(text)
    with pytest.raises(StateUnreadable) as raised:
        decode(text)
    found = values.UNREADABLE[name]
    assert str(raised.value).startswith(f"the saved state cannot be read: {found}. Delete that")
    text = text.replace(FULL.scope_key, scope_key(SCOPE))
    saved_messages = FakeSavedMessages()
    message = saved_messages.put(text)
    store = StateStore(saved_messages, LocalStates(tmp_path))
    with pytest.raises(StateUnreadable, match=f"message {message.message_id} in Saved Messages"):
        store.load(SCOPE)
    assert saved_messages.texts == [text]
    (broken,) = parsed([message])
    assert isinstance(broken, Broken)


def test_texts_of_the_user_are_no_states(kept: Kept) -> None:
    texts = kept.texts("foreign")
    assert sorted(texts) == sorted(values.FOREIGN)
    assert not any(is_state_message(text) for text in texts.values())


def test_a_claim_names_its_run_and_holds_the_chat_for_three_intervals(kept: Kept) -> None:
    for name in values.CLAIMS:
        text = kept.text(f"claims/{name}.txt")
        assert text.split("\n")[0] == CLAIM_HEADER
        message = SavedText(5, text, NOON, pinned=False)
        assert list(parsed([message])) == [Claim(message, SUBJECT.key, RUN)]
        (hold,) = holds_among([message], SUBJECT)
        assert (hold.run, hold.heard_at, hold.message_id, hold.is_claim) == (RUN, NOON, 5, True)
        assert (hold.lapses_at - NOON).total_seconds() == INTERVALS_TO_LAPSE * 300 == 900


def test_what_is_no_claim_on_the_subject_holds_nothing(kept: Kept) -> None:
    for name in values.OTHER_CLAIMS:
        text = kept.text(f"claims/{name}.txt")
        assert holds_among([SavedText(5, text, NOON, pinned=False)], SUBJECT) == []


def test_a_running_state_holds_its_chat_and_an_ended_one_does_not(kept: Kept) -> None:
    for name in ("running", "stopped", "quota", "complete", "first"):
        text = kept.text(f"states/{name}.txt")
        holds = holds_among([SavedText(5, text, NOON, pinned=True)], SUBJECT)
        assert [hold.run for hold in holds] == ([RUN] if name == "running" else [])


def test_claims_are_written_as_ever() -> None:
    kept = VERSIONS[-1].texts("claims")
    for name, renewals in values.CLAIMS.items():
        assert claim_text(SUBJECT, RUN, renewals) == kept[name]
    assert sorted(kept) == sorted([*values.CLAIMS, *values.OTHER_CLAIMS])


def test_a_run_goes_on_from_the_most_advanced_message_and_edits_it(
    kept: Kept, tmp_path: Path
) -> None:
    key = scope_key(SCOPE)
    saved_messages = FakeSavedMessages()
    texts = [
        kept.text("states/stopped.txt").replace(FULL.scope_key, key),
        kept.text("states/greatest.txt")
        .replace(FULL.scope_key, key)
        .replace(str(STATES["greatest"].channel_id), str(SCOPE.chat_id)),
        kept.text("states/first.txt"),
        *kept.texts("foreign").values(),
        kept.text("claims/begun.txt"),
    ]
    messages = [saved_messages.put(text) for text in texts if text]
    greatest = replace(STATES["greatest"], last_message_id=2**31 - 1, scope_key=key)
    saved_messages.put(encode(replace(greatest, done_above_ids=())), forwarded=True)
    loaded = StateStore(saved_messages, LocalStates(tmp_path)).load(SCOPE)
    assert loaded is not None
    assert (loaded.message_id, loaded.state.last_message_id) == (messages[1].message_id, 2**31 - 2)
    # The less advanced one of that scope is to go, and nothing else.
    assert loaded.stale_ids == (messages[0].message_id,)
    assert all(saved_messages.read(each.message_id) == each for each in messages)
    message = StateMessage(saved_messages, key, loaded.message_id)
    message.write(encode(replace(FIRST, scope_key=key)))
    assert message.message_id == messages[1].message_id


def test_what_failed_elsewhere_is_distrusted_where_the_reasons_say_so_or_are_not_told(
    kept: Kept,
) -> None:
    for name, distrusted in (("running", False), ("many-reasons", True)):
        failures = list(failed_elsewhere(decode(kept.text(f"states/{name}.txt"))))
        assert [failure.key.message_id for failure in failures] == [12, 77, 12_350]
        assert {failure.key.chat_id for failure in failures} == {FULL.channel_id}
        assert {failure.distrusted for failure in failures} == {distrusted}
        assert {(failure.attempts, failure.for_good) for failure in failures} == {(1, False)}


def test_resume_without_a_chat_goes_on_with_all_that_is_unfinished(kept: Kept) -> None:
    scope = Scope("gdrive:tdl-sync", FULL.channel_id, lower_bound=FULL.lower_bound)
    filtered = replace(scope, filters="dedupe")
    messages = [
        SavedText(number, text, NOON, pinned=True)
        for number, text in enumerate(
            [
                kept.text("states/stopped.txt").replace(FULL.scope_key, scope_key(scope)),
                kept.text("states/complete.txt")
                .replace(FULL.scope_key, scope_key(scope))
                .replace('"wrong size":2,', "")
                .replace("{", f'{{"reader":{READER},', 1),
                kept.text("states/quota.txt").replace(FULL.scope_key, scope_key(filtered)),
                kept.text("states/first.txt"),
                kept.text("unreadable-states/later-version.txt"),
                kept.text("claims/begun.txt"),
            ]
        )
    ]
    found = unfinished_in(messages, "gdrive:tdl-sync", "")
    assert [(chat.marked_id, chat.from_message_id) for chat in found.chats] == [
        (FULL.channel_id, FULL.lower_bound)
    ]
    title = repr(FULL.channel_name)
    assert found.left_out[:2] == (
        f"not resumed: {title} was begun with other filters; run with the same ones for it",
        "not resumed: '' goes to another remote; run with --remote '/mnt/box' for it",
    )
    assert found.left_out[2].startswith(
        "warning: not resumed: message 4 in Saved Messages: the saved state cannot be read: "
        "expected version 1, found 2 (a newer tdl_sync reads it)"
    )
    with_filter = unfinished_in(messages, "gdrive:tdl-sync", "dedupe")
    assert len(with_filter.chats) == 1


def test_what_an_earlier_version_called_complete_is_resumed_where_files_had_failed_for_now(
    kept: Kept,
) -> None:
    text = kept.text("states/complete.txt")
    assert decode(text).failures_by_reason == {"wrong size": 2, "larger than the disk budget": 1}
    scope = Scope("gdrive:tdl-sync", FULL.channel_id, lower_bound=FULL.lower_bound)
    message = SavedText(1, text.replace(FULL.scope_key, scope_key(scope)), NOON, pinned=True)
    found = unfinished_in([message], "gdrive:tdl-sync", "")
    assert [chat.marked_id for chat in found.chats] == [FULL.channel_id]


def test_what_an_earlier_reader_called_complete_is_resumed_and_read_once_more(kept: Kept) -> None:
    """It may have passed files that Telegram had left out of a page."""
    text = kept.text("states/complete.txt").replace('"wrong size":2,', "")
    scope = Scope("gdrive:tdl-sync", FULL.channel_id, lower_bound=FULL.lower_bound)
    text = text.replace(FULL.scope_key, scope_key(scope))
    assert decode(text).is_finished
    for reader, is_resumed in ((1, True), (READER, False)):
        told = text.replace("{", f'{{"reader":{reader},', 1)
        found = unfinished_in([SavedText(1, told, NOON, pinned=True)], "gdrive:tdl-sync", "")
        assert len(found.chats) == is_resumed


@pytest.mark.parametrize("filters", ["", "dedupe"])
def test_what_waits_to_be_bought_makes_a_complete_chat_one_to_look_at_again(
    kept: Kept, filters: str
) -> None:
    """And says nothing where it is not this run's."""
    text = kept.text("states/complete.txt").replace('"wrong size":2,', "")
    scope = Scope("gdrive:tdl-sync", FULL.channel_id, lower_bound=FULL.lower_bound)
    text = text.replace(FULL.scope_key, scope_key(scope))
    told = text.replace("{", f'{{"reader":{READER},"waiting":"7-9",', 1)
    found = unfinished_in([SavedText(1, told, NOON, pinned=True)], "gdrive:tdl-sync", filters)
    assert (len(found.chats), found.left_out) == (0 if filters else 1, ())


def test_every_status_and_the_absence_of_every_optional_key_is_among_the_kept(kept: Kept) -> None:
    states = [decode(text) for text in kept.texts("states").values()]
    assert {state.status for state in states} == set(RunStatus)
    assert {bool(state.failed_ids) for state in states} == {True, False}
    assert {bool(state.done_above_ids) for state in states} == {True, False}
    assert {bool(state.failures_by_reason) for state in states} == {True, False}
    assert all(isinstance(state, RunState) for state in states)
    assert kept.texts("states").keys() >= STATES.keys() - {"later"}
