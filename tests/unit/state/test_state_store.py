"""The state message is found, kept, made again and never doubled; a dead network loses nothing."""

from __future__ import annotations

import errno
import os
import platform
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from tdl_sync.core.errors import (
    ConfigurationError,
    CredentialsRefused,
    NetworkUnreachable,
    StateUnreadable,
    Stopped,
)
from tdl_sync.core.model import Scope, scope_key
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.run_state import RunState, RunStatus
from tdl_sync.state.state_message import HEADER, decode, encode, json_in
from tdl_sync.state.state_saver import SavedIn, SaveSchedule, StateSaver
from tdl_sync.state.state_store import LoadedState, StateMessage, StateStore
from tests.durability import DurableSteps
from tests.fakes.saved_messages import FakeSavedMessages
from tests.unit.state.test_state_message import NEXT_STEP, NOON, PLAIN, SCOPE
from tests.waiting import until

KEY = scope_key(SCOPE)
FURTHER = replace(PLAIN, last_message_id=20_000, done_above_ids=())
FOREIGN = replace(PLAIN, scope_key=scope_key(Scope("b2:other", SCOPE.chat_id)))


@pytest.fixture
def saved() -> FakeSavedMessages:
    return FakeSavedMessages()


@pytest.fixture
def local(tmp_path: Path) -> LocalStates:
    return LocalStates(tmp_path / "state")


def load(saved: FakeSavedMessages, local: LocalStates) -> LoadedState | None:
    return StateStore(saved, local).load(SCOPE)


# Loading


def test_a_scope_without_a_message_has_no_state(
    saved: FakeSavedMessages, local: LocalStates
) -> None:
    saved.put(encode(FOREIGN))
    saved.put(f"{HEADER} is how my notes begin")
    saved.put("hello")
    assert load(saved, local) is None
    assert len(saved.messages) == 3


def test_the_message_of_the_scope_is_found_among_others(
    saved: FakeSavedMessages, local: LocalStates
) -> None:
    saved.put(encode(replace(FOREIGN, last_message_id=99_999)))
    ours = saved.put(encode(PLAIN))
    saved.put(encode(FURTHER), forwarded=True)
    assert load(saved, local) == LoadedState(PLAIN, ours.message_id)
    assert len(saved.messages) == 3


def test_of_several_the_most_advanced_counts_and_the_others_are_stale(
    saved: FakeSavedMessages, local: LocalStates
) -> None:
    """Asking removes nothing: who only looks asks the same."""
    stale = saved.put(encode(PLAIN))
    kept = saved.put(encode(FURTHER))
    later = saved.put(encode(replace(PLAIN, timestamp=NOON + timedelta(days=1))))
    saved.put(encode(FOREIGN))
    stale_ids = (later.message_id, stale.message_id)
    assert load(saved, local) == LoadedState(FURTHER, kept.message_id, stale_ids)
    assert (len(saved.messages), set(saved.calls)) == (4, {"find"})


def test_a_local_copy_that_is_further_counts_and_the_message_is_kept(
    saved: FakeSavedMessages, local: LocalStates
) -> None:
    local.write(KEY, json_in(encode(FURTHER)))
    assert load(saved, local) == LoadedState(FURTHER, None)
    message = saved.put(encode(PLAIN))
    assert load(saved, local) == LoadedState(FURTHER, message.message_id)
    saved.edit(message.message_id, encode(replace(FURTHER, last_message_id=30_000)))
    loaded = load(saved, local)
    assert loaded is not None
    assert loaded.state.last_message_id == 30_000


@pytest.mark.parametrize(
    "broken",
    [
        encode(PLAIN).replace('"version":1', '"version":2'),
        encode(PLAIN).replace('"last_message_id":12345', '"last_message_id":-1'),
        encode(PLAIN).replace('"status"', "status"),
    ],
)
def test_a_broken_message_of_the_scope_stops_the_run_and_stays_as_it_is(
    saved: FakeSavedMessages, local: LocalStates, broken: str
) -> None:
    saved.put(broken)
    saved.put(encode(PLAIN))
    before = dict(saved.messages)
    with pytest.raises(StateUnreadable) as caught:
        load(saved, local)
    assert str(caught.value).startswith(
        "message 101 in Saved Messages, edited 2024-05-06 12:00 UTC: the saved state cannot be "
        "read: expected "
    )
    assert str(caught.value).endswith(NEXT_STEP)
    assert saved.messages == before


def test_a_broken_message_of_nobody_knows_what_stops_only_who_has_no_other(
    saved: FakeSavedMessages, local: LocalStates
) -> None:
    saved.put(f"{HEADER}\nI deleted the rest by accident")
    with pytest.raises(StateUnreadable, match="message 101"):
        load(saved, local)
    ours = saved.put(encode(PLAIN))
    assert load(saved, local) == LoadedState(PLAIN, ours.message_id)
    assert len(saved.messages) == 2


def test_a_broken_message_of_another_scope_stops_nobody(
    saved: FakeSavedMessages, local: LocalStates
) -> None:
    saved.put(encode(FOREIGN).replace('"version":1', '"version":7'))
    assert load(saved, local) is None
    assert len(saved.messages) == 1


def test_a_damaged_local_copy_is_named_with_its_path(
    saved: FakeSavedMessages, local: LocalStates
) -> None:
    local.write(KEY, "{")
    with pytest.raises(StateUnreadable, match=f"Remove the file {local.path(KEY)} and run again"):
        load(saved, local)
    local.path(KEY).unlink()
    local.path(KEY).mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(saved, local)


# The message


def test_the_message_is_edited_in_place_and_made_again_when_it_was_deleted(
    saved: FakeSavedMessages,
) -> None:
    message = StateMessage(saved, KEY, None)
    message.write(encode(PLAIN))
    message.write(encode(FURTHER))
    (first_id,) = saved.messages
    assert saved.texts == [encode(FURTHER)]
    saved.delete([first_id])
    message.write(encode(FURTHER))
    message.write(encode(PLAIN))
    (second_id,) = saved.messages
    assert second_id != first_id
    assert saved.texts == [encode(PLAIN)]


def test_a_send_whose_answer_was_lost_does_not_make_a_second_message(
    saved: FakeSavedMessages,
) -> None:
    foreign = saved.put(encode(FOREIGN))
    saved.arrives_anyway = True
    saved.fail(1)
    message = StateMessage(saved, KEY, None)
    with pytest.raises(Exception, match="no network"):
        message.write(encode(PLAIN))
    message.write(encode(FURTHER))
    del saved.messages[foreign.message_id]
    assert saved.texts == [encode(FURTHER)]


def test_a_message_in_doubt_is_looked_for_until_the_search_was_answered(
    saved: FakeSavedMessages,
) -> None:
    saved.arrives_anyway = True
    saved.fail(2)  # the send, and then the search for what it may have left
    message = StateMessage(saved, KEY, None)
    for _ in range(2):
        with pytest.raises(NetworkUnreachable):
            message.write(encode(PLAIN))
    message.write(encode(FURTHER))
    assert saved.texts == [encode(FURTHER)]


@pytest.mark.skipif(os.name != "posix", reason="POSIX modes")
def test_the_local_copy_is_for_the_owner_alone(local: LocalStates) -> None:
    before = os.umask(0)
    try:
        local.write(KEY, "{}")
    finally:
        os.umask(before)
    assert stat.S_IMODE(local.path(KEY).stat().st_mode) == 0o600
    assert stat.S_IMODE(local.path(KEY).parent.stat().st_mode) == 0o700
    assert [path.name for path in local.path(KEY).parent.iterdir()] == [f"{KEY}.json"]


@pytest.mark.skipif(os.name != "posix", reason="there a directory cannot be synced")
def test_the_local_copy_is_on_the_disk_whole_before_it_replaces_the_one_before(
    local: LocalStates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.write(KEY, json_in(encode(PLAIN)))
    seen = DurableSteps(tmp_path, monkeypatch)
    local.write(KEY, json_in(encode(FURTHER)))
    assert seen.steps == [
        f"make state/{KEY}.new",
        f"sync state/{KEY}.new",
        f"rename state/{KEY}.new to state/{KEY}.json",
        "sync state/",
    ]
    assert local.read(KEY) == FURTHER


def test_a_copy_that_cannot_be_written_leaves_the_one_before_as_it_was(
    local: LocalStates, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.write(KEY, json_in(encode(PLAIN)))

    def failing(descriptor: int) -> None:
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match="broken"):
        local.write(KEY, json_in(encode(FURTHER)))
    assert local.read(KEY) == PLAIN


# When a save is due


def test_without_files_a_save_is_due_after_the_interval() -> None:
    schedule = SaveSchedule(300, now=1000)
    assert schedule.due_at == 1300
    schedule.save_began()
    schedule.save_ended(1305, SavedIn.TELEGRAM)
    assert schedule.due_at == 1605


def test_ten_files_make_a_save_due_but_never_twice_within_30_seconds() -> None:
    schedule = SaveSchedule(300, now=1000)
    for _ in range(9):
        schedule.file_finished()
    assert schedule.due_at == 1300
    schedule.file_finished()
    assert schedule.due_at == 1030
    schedule.save_began()
    for _ in range(10):
        schedule.file_finished()
    schedule.save_ended(1040, SavedIn.TELEGRAM)
    assert schedule.due_at == 1070


def test_a_save_that_telegram_did_not_take_is_tried_again_soon() -> None:
    """With the network back a run does not wait for its lease until the next interval is over."""
    schedule = SaveSchedule(300, now=1000)
    for saved_in in (SavedIn.LOCAL_FILE, SavedIn.NOWHERE):
        schedule.save_began()
        schedule.save_ended(1310, saved_in)
        assert schedule.due_at == 1340
    schedule.save_ended(1345, SavedIn.TELEGRAM)
    assert schedule.due_at == 1645


def test_a_shorter_interval_than_30_seconds_is_30_seconds() -> None:
    assert SaveSchedule(1, now=1000).due_at == 1030


# The thread


class ManualTime:
    """A clock that stands still until a test moves it, and the waiting that goes with it."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._changed = threading.Condition()
        self._waits_until: float | None = None

    def clock(self) -> float:
        return self._now

    def wait(self, event: threading.Event, seconds: float) -> bool:
        until = self._now + seconds
        with self._changed:
            self._waits_until = until
            while not event.is_set() and self._now < until:
                self._changed.wait(0.002)
            self._waits_until = None
        return event.is_set()

    def advance_to(self, now: float) -> None:
        with self._changed:
            self._now = now
            self._changed.notify_all()

    def reached(self, until: float) -> bool:
        """Whether the thread has come to wait for this moment."""
        with self._changed:
            return self._waits_until == until


@dataclass
class Messages:
    """The part of ``ports.ProgressListener`` that the saver speaks to."""

    lines: list[str] = field(default_factory=list)

    def message(self, line: str) -> None:
        self.lines.append(line)


@dataclass
class Run:
    saved: FakeSavedMessages
    local: LocalStates
    time: ManualTime
    progress: Messages
    state: RunState = PLAIN


@pytest.fixture
def run(saved: FakeSavedMessages, local: LocalStates) -> Run:
    return Run(saved, local, ManualTime(), Messages())


@contextmanager
def saver_of(run: Run) -> Iterator[StateSaver]:
    with StateSaver(
        StateMessage(run.saved, KEY, None),
        run.local,
        lambda: run.state,
        run.progress,  # type: ignore[arg-type]
        300,
        run.time.clock,
        run.time.wait,
    ) as saver:
        yield saver


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="others can't be told")
def test_with_each_save_what_was_freed_goes_back_to_the_system(run: Run) -> None:
    own = psutil.Process()
    blocks = [bytes([1]) * 100_000 for _ in range(600)]  # too small to be given back by itself
    blocks = blocks[9::10]  # and never all that lie side by side
    with saver_of(run) as saver:
        resident_bytes = own.memory_info().rss
        assert saver.save_now() is SavedIn.TELEGRAM
        until(lambda: own.memory_info().rss < resident_bytes - 30_000_000)
    assert len(blocks) == 60


def test_the_state_is_saved_by_itself_after_the_interval(run: Run) -> None:
    with saver_of(run):
        until(lambda: run.time.reached(1300))
        assert run.saved.texts == []
        run.time.advance_to(1300)
        until(lambda: run.time.reached(1600))
        assert run.saved.texts == [encode(PLAIN)]
        run.state = FURTHER
        run.time.advance_to(1600)
        until(lambda: run.time.reached(1900))
        assert run.saved.texts == [encode(FURTHER)]


def test_the_state_is_saved_when_ten_files_have_finished(run: Run) -> None:
    with saver_of(run) as saver:
        until(lambda: run.time.reached(1300))
        for _ in range(10):
            saver.file_finished()
        until(lambda: run.time.reached(1030))
        assert run.saved.texts == []
        run.time.advance_to(1030)
        until(lambda: run.time.reached(1330))
        assert run.saved.texts == [encode(PLAIN)]


def test_files_that_finish_while_a_save_is_under_way_count_for_the_next_one(run: Run) -> None:
    """The state was looked at before, so they are not in it."""
    sending = threading.Event()
    run.saved.hanging = {"send_pinned": sending}
    with saver_of(run) as saver:
        run.time.advance_to(1300)
        until(lambda: "send_pinned" in run.saved.calls)
        for _ in range(10):
            saver.file_finished()
        sending.set()
        until(lambda: run.time.reached(1330))


def test_what_is_asked_for_while_a_save_is_under_way_gets_one_of_its_own(run: Run) -> None:
    sending = threading.Event()
    run.saved.hanging = {"send_pinned": sending}
    with saver_of(run) as saver:
        saver.save_soon()
        until(lambda: "send_pinned" in run.saved.calls)
        run.state = FURTHER
        saver.save_soon()
        sending.set()
        until(lambda: run.saved.texts == [encode(FURTHER)])


def test_the_copy_on_this_disk_stays_until_telegram_has_the_state(run: Run) -> None:
    sending = threading.Event()
    with saver_of(run) as saver:
        run.saved.fail(3)
        assert saver.save_now() is SavedIn.LOCAL_FILE
        run.saved.hanging = {"send_pinned": sending}
        tried = run.saved.calls.count("send_pinned")
        saver.save_soon()
        until(lambda: run.saved.calls.count("send_pinned") > tried)
        assert run.local.path(KEY).exists()
        sending.set()
        assert saver.save_now() is SavedIn.TELEGRAM
    assert not run.local.path(KEY).exists()


def test_save_now_returns_when_telegram_has_the_newest_state(run: Run) -> None:
    with saver_of(run) as saver:
        assert saver.save_now() is SavedIn.TELEGRAM
        run.state = replace(FURTHER, status=RunStatus.STOPPED)
        assert saver.save_now() is SavedIn.TELEGRAM
        assert run.saved.texts == [encode(run.state)]


def test_two_attempts_that_fail_are_not_worth_a_word(run: Run) -> None:
    with saver_of(run) as saver:
        run.saved.fail(2)
        assert saver.save_now() is SavedIn.TELEGRAM
    assert run.progress.lines == []
    assert not run.local.path(KEY).exists()


def test_attempts_of_the_timer_are_apart(run: Run) -> None:
    with saver_of(run):
        run.saved.fail(2)
        run.time.advance_to(1300)
        until(lambda: run.time.reached(1302))
        run.time.advance_to(1302)
        until(lambda: run.time.reached(1310))
        run.time.advance_to(1310)
        until(lambda: run.saved.texts == [encode(PLAIN)])


def test_after_three_the_same_json_is_on_this_disk_and_the_run_goes_on(run: Run) -> None:
    with saver_of(run) as saver:
        run.saved.fail(6)
        assert saver.save_now() is SavedIn.LOCAL_FILE
        run.state = FURTHER
        assert saver.save_now() is SavedIn.LOCAL_FILE
        assert run.local.path(KEY).read_text(encoding="utf-8") == json_in(encode(FURTHER))
        assert run.progress.lines == [
            "warning: the state cannot be saved in Saved Messages (no network); it is kept in "
            f"{run.local.path(KEY)}, and the run goes on"
        ]
        assert saver.save_now() is SavedIn.TELEGRAM
        assert run.progress.lines[1:] == ["the state message is saved in Saved Messages again"]
        assert not run.local.path(KEY).exists()
    assert load(run.saved, run.local) is not None


@pytest.mark.parametrize(
    "error", [CredentialsRefused("Telegram", "the session was revoked", "Log in"), Stopped("end")]
)
def test_what_more_attempts_cannot_help_goes_to_this_disk_at_once(
    run: Run, error: CredentialsRefused | Stopped
) -> None:
    with saver_of(run) as saver:
        run.saved.fail(1, error)
        assert saver.save_now() is SavedIn.LOCAL_FILE
    assert run.saved.calls == ["send_pinned"]
    why = "end" if isinstance(error, Stopped) else "Telegram: the session was revoked"
    assert run.progress.lines == [
        f"warning: the state cannot be saved in Saved Messages ({why}); it is kept in "
        f"{run.local.path(KEY)}, and the next run on this machine begins there"
    ]


def test_what_a_stopped_run_cannot_save_is_not_said_to_go_on(run: Run) -> None:
    run.state = replace(PLAIN, status=RunStatus.STOPPED)
    with saver_of(run) as saver:
        run.saved.fail(3)
        assert saver.save_now() is SavedIn.LOCAL_FILE
        assert run.progress.lines[0].endswith(", and the next run on this machine begins there")
        run.local.path(KEY).unlink()
        run.local.path(KEY).parent.rmdir()
        run.local.path(KEY).parent.touch()
        run.saved.fail(3)
        assert saver.save_now() is SavedIn.NOWHERE
        assert (
            "; the next run on this machine begins with what is marked as done"
            in (run.progress.lines[1])
        )


def test_a_stop_is_durable_in_time_though_telegram_hangs(run: Run) -> None:
    sending, editing = threading.Event(), threading.Event()
    run.saved.hanging = {"send_pinned": sending, "edit": editing}
    local_file = run.local.path(KEY)
    with saver_of(run) as saver:
        assert saver.save_now(timeout_seconds=0.05) is SavedIn.LOCAL_FILE
        assert json_in(encode(PLAIN)) == local_file.read_text(encoding="utf-8")
        run.state = FURTHER
        assert saver.save_now(timeout_seconds=0.05) is SavedIn.LOCAL_FILE
        # The old text that hung arrives late: the newer copy stays until Telegram has it, too.
        sending.set()
        until(lambda: "edit" in run.saved.calls)
        assert decode(run.saved.texts[0]) == PLAIN
        assert load(run.saved, run.local) == LoadedState(FURTHER, 101)
        assert saver.save_now(timeout_seconds=0.05) is SavedIn.LOCAL_FILE
        assert len(run.progress.lines) == 1
    # Leaving did not wait for the call that hangs; when it comes back, all is in order.
    editing.set()
    until(lambda: all(one.name != "state saver" for one in threading.enumerate()))
    assert load(run.saved, run.local) == LoadedState(FURTHER, 101)
    assert not local_file.exists()
    assert run.progress.lines[1:] == ["the state message is saved in Saved Messages again"]


def test_a_disk_that_takes_nothing_either_is_named(run: Run) -> None:
    run.local.path(KEY).parent.touch()
    with saver_of(run) as saver:
        run.saved.fail(3)
        assert saver.save_now() is SavedIn.NOWHERE
    (line,) = run.progress.lines
    assert line.startswith("warning: the state can be saved neither in Saved Messages (no network)")


def test_a_saver_that_was_left_saves_what_it_is_still_asked_for_on_this_disk(run: Run) -> None:
    with saver_of(run) as saver:
        pass
    assert saver.save_now() is SavedIn.LOCAL_FILE
    assert run.saved.texts == []
