"""Between machines one run works on a chat: the one that claimed first, for as long as it lives."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

import pytest

from tdl_sync.core.errors import CredentialsRefused, HeldByAnotherRun, NetworkUnreachable
from tdl_sync.core.model import Scope, scope_key
from tdl_sync.core.ports import SavedText
from tdl_sync.core.stop import StopFlag
from tdl_sync.state.claims import CLAIM_HEADER, Subject, claim_text
from tdl_sync.state.holds import QUIET_SECONDS, Others
from tdl_sync.state.lease import FRESH_SECONDS, Lease
from tdl_sync.state.run_state import RunIdentity, RunStatus
from tdl_sync.state.state_message import HEADER, decode, encode, is_state_message
from tdl_sync.state.state_store import StateMessage
from tdl_sync.telegram.session.answers import TelegramRefuses
from tests.fakes.saved_messages import FakeSavedMessages
from tests.unit.state.test_state_message import PLAIN, SCOPE
from tests.waiting import finished, in_thread, result_of, until

SUBJECT = Subject(SCOPE.remote, SCOPE.chat_id, PLAIN.scope_key, PLAIN.channel_name)
COMPLETE = replace(PLAIN, status=RunStatus.COMPLETE)
INTERVAL_SECONDS = 300
HERE = RunIdentity("here", 1, "here-1", "m1", 1_714_990_000, INTERVAL_SECONDS)
THERE = RunIdentity("there", 2, "there-2", "m2", 1_714_990_000, INTERVAL_SECONDS)
CLAIM_ON_ANOTHER_CHAT = claim_text(
    Subject(SCOPE.remote, SCOPE.chat_id - 1, "another chat", "Another chat"),
    RunIdentity("elsewhere", 3, "elsewhere-3", "m3", 1_714_990_000, INTERVAL_SECONDS),
)
"""What shows what time it is at Telegram's."""


@dataclass
class Runner:
    """One run and its machine's clock."""

    saved: FakeSavedMessages
    run: RunIdentity
    gone: set[str] = field(default_factory=set)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.stop = StopFlag()
        self.lease = Lease(
            self.saved,
            Others(SUBJECT, self.run, lambda run: run.run_id in self.gone),
            self.stop,
            lambda: self.seconds,
            sleep=lambda seconds: None,
        )
        self.message = StateMessage(self.saved, PLAIN.scope_key, None)

    def take(self, take_over: bool = False, seconds_since_start: float = 1) -> None:
        self.lease.take(seconds_since_start=seconds_since_start, take_over=take_over)
        ids = [
            message.message_id
            for message in self.saved.find(HEADER)
            if is_state_message(message.text) and PLAIN.scope_key in message.text
        ]
        self.message = StateMessage(self.saved, PLAIN.scope_key, ids[0] if ids else None)
        self.lease.hold_by(self.message)

    def save(self, status: RunStatus = RunStatus.RUNNING) -> None:
        self.lease.write(encode(replace(PLAIN, run=self.run, status=status)))


class WatchedSavedMessages(FakeSavedMessages):
    """Something happens before a call of the thread that made this."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Callable[[str], None] = lambda name: None
        self._watched = threading.get_ident()

    def _call(self, name: str) -> None:
        if threading.get_ident() == self._watched:
            self.before(name)
        super()._call(name)


@pytest.fixture
def saved() -> WatchedSavedMessages:
    return WatchedSavedMessages()


def claims(saved: FakeSavedMessages) -> list[str]:
    return [text for text in saved.texts if text.startswith(CLAIM_HEADER)]


def writer(saved: FakeSavedMessages) -> RunIdentity:
    (text,) = saved.texts
    return decode(text).run


def test_the_first_run_works_and_leaves_one_message(saved: FakeSavedMessages) -> None:
    here = Runner(saved, HERE)
    here.take()
    assert len(claims(saved)) == 1
    here.save()
    assert writer(saved) == HERE


def test_the_second_run_is_told_who_has_it_since_when_and_until_when(
    saved: FakeSavedMessages,
) -> None:
    here = Runner(saved, HERE)
    here.take()
    here.save()
    saved.now += timedelta(seconds=60)
    with pytest.raises(HeldByAnotherRun) as caught:
        Runner(saved, THERE).take()
    assert str(caught.value) == (
        "another run moves 'Лекции 📚' to the same remote: process 1 on 'here', begun at "
        "2024-05-06 10:06:40 UTC, last heard of at 2024-05-06 12:00:00 UTC; unless it goes on, it "
        "loses its hold at 2024-05-06 12:15:00 UTC; if you know that it is dead, run with "
        "--take-over"
    )
    assert writer(saved) == HERE


@pytest.mark.parametrize(
    ("cut_short", "seconds_ago", "all_ended"),
    [(True, 10, False), (True, QUIET_SECONDS + 60, True), (False, 10, True)],
)
def test_a_run_that_was_stopped_while_it_sent_did_not_end_by_itself_until_all_is_listed(
    saved: FakeSavedMessages, cut_short: bool, seconds_ago: float, all_ended: bool
) -> None:
    saved.put(encode(replace(PLAIN, status=RunStatus.STOPPED, cut_short=cut_short)))
    saved.now += timedelta(seconds=seconds_ago)
    here = Runner(saved, HERE)
    here.lease.take(seconds_since_start=1, take_over=False)
    assert here.lease.before.all_ended is all_ended


@pytest.mark.parametrize(
    ("text", "seconds_ago", "was_quiet"),
    [
        (encode(COMPLETE), QUIET_SECONDS + 60, True),
        (encode(COMPLETE), QUIET_SECONDS / 2, False),  # what it has made may not be seen yet
        (encode(replace(COMPLETE, scope_key="0" * 16)), 10, False),
        (encode(replace(COMPLETE, remote="b2:x", scope_key="0" * 16)), 10, True),
        (encode(replace(COMPLETE, channel_id=-100777, scope_key="0" * 16)), 10, True),
        (f"{HEADER}\n{{", 10, False),  # nobody can tell of whom it is
        (encode(replace(PLAIN, run=THERE)), 86_400, False),  # it did not come to its end
    ],
)
def test_a_chat_was_quiet_where_no_other_run_had_to_do_with_it_just_now(
    saved: FakeSavedMessages, text: str, seconds_ago: float, was_quiet: bool
) -> None:
    """To the same remote, in whatever scope, and however it ended."""
    saved.put(text)
    saved.now += timedelta(seconds=seconds_ago)
    here = Runner(saved, HERE)
    here.lease.take(seconds_since_start=1, take_over=False)
    assert here.lease.before.was_quiet is was_quiet


def test_of_two_that_claim_before_either_looks_the_first_claim_works(
    saved: WatchedSavedMessages,
) -> None:
    here, there = Runner(saved, HERE), Runner(saved, THERE)

    def another_begins(name: str) -> None:
        if name == "find":
            saved.before = lambda name: None
            with pytest.raises(HeldByAnotherRun):
                there.take()

    saved.before = another_begins
    here.take()
    here.save()
    assert writer(saved) == HERE


@pytest.mark.parametrize("rounds", range(20))
def test_of_many_that_start_at_once_exactly_one_works(
    saved: FakeSavedMessages, rounds: int
) -> None:
    """The winner saves at once, so that the slow ones find its claim gone already."""
    runners = [
        Runner(saved, replace(HERE, run_id=f"run-{number}", pid=number)) for number in range(8)
    ]
    barrier = threading.Barrier(len(runners))

    def start(runner: Runner) -> bool:
        barrier.wait()
        try:
            runner.take()
        except HeldByAnotherRun:
            return False
        runner.save()
        return True

    started = [in_thread(lambda each=runner: start(each)) for runner in runners]  # type: ignore[misc]
    worked = [runner for runner, each in zip(runners, started, strict=True) if result_of(each)]
    assert len(worked) == 1
    assert writer(saved) == worked[0].run


def test_whenever_another_run_begins_between_the_claim_and_the_second_save_the_chat_is_taken(
    saved: WatchedSavedMessages,
) -> None:
    """Before each single call: no two of them leave the chat to nobody in between."""
    here = Runner(saved, HERE)
    refused_before = []

    def another_begins(name: str) -> None:
        if not saved.texts:
            return  # our claim is not sent yet
        saved.before = lambda name: None
        with pytest.raises(HeldByAnotherRun):
            Runner(saved, THERE).take()
        saved.before = another_begins
        refused_before.append(name)

    saved.before = another_begins
    here.take()
    here.save()
    here.save()
    assert {"find", "read", "send_pinned", "delete", "edit"} <= set(refused_before)


@pytest.mark.parametrize("calls_before", range(3))
def test_wherever_the_first_save_breaks_off_the_chat_stays_ours_and_the_next_save_ends_the_claim(
    saved: WatchedSavedMessages, calls_before: int
) -> None:
    here = Runner(saved, HERE)
    here.take()
    saved.errors = [None] * calls_before + [NetworkUnreachable("no network")]
    with pytest.raises(NetworkUnreachable):
        here.save()
    with pytest.raises(HeldByAnotherRun):
        Runner(saved, THERE).take()
    here.save()
    assert writer(saved) == HERE


def test_a_slow_one_that_claims_after_the_first_save_finds_the_state(
    saved: FakeSavedMessages,
) -> None:
    here = Runner(saved, HERE)
    here.take()
    here.save()
    assert claims(saved) == []
    with pytest.raises(HeldByAnotherRun):
        Runner(saved, THERE).take()


def test_a_lease_lapses_after_three_intervals_by_telegrams_clock(saved: FakeSavedMessages) -> None:
    here = Runner(saved, HERE)
    here.take()
    here.save()
    saved.now += timedelta(seconds=3 * INTERVAL_SECONDS - 1)
    with pytest.raises(HeldByAnotherRun):
        Runner(saved, THERE).take()
    saved.now += timedelta(seconds=1)
    there = Runner(saved, THERE)
    there.take()
    there.save()
    assert writer(saved) == THERE


def test_a_claim_that_nobody_removes_lapses_too_and_is_removed(saved: FakeSavedMessages) -> None:
    saved.put(claim_text(SUBJECT, HERE))
    with pytest.raises(HeldByAnotherRun):
        Runner(saved, THERE).take()
    saved.now += timedelta(seconds=3 * INTERVAL_SECONDS)
    there = Runner(saved, THERE)
    there.take()
    there.save()
    assert writer(saved) == THERE


@pytest.mark.parametrize("status", [RunStatus.STOPPED, RunStatus.QUOTA, RunStatus.COMPLETE])
def test_a_run_that_has_ended_holds_nothing(saved: FakeSavedMessages, status: RunStatus) -> None:
    here = Runner(saved, HERE)
    here.take()
    here.save(status)
    there = Runner(saved, THERE)
    there.take()
    there.save()
    assert writer(saved) == THERE


def test_a_process_that_is_known_to_be_gone_holds_nothing(saved: FakeSavedMessages) -> None:
    here = Runner(saved, HERE)
    here.take()
    here.save()
    saved.put(claim_text(SUBJECT, replace(HERE, run_id="here-0")))
    there = Runner(saved, THERE, gone={"here-1", "here-0"})
    there.take()
    there.save()
    assert writer(saved) == THERE


def test_other_chats_and_other_remotes_are_free(saved: FakeSavedMessages) -> None:
    saved.put(encode(replace(PLAIN, run=HERE, channel_id=-1001, scope_key="a" * 16)))
    saved.put(encode(replace(PLAIN, run=HERE, remote="b2:other", scope_key="b" * 16)))
    saved.put(claim_text(replace(SUBJECT, key="another"), HERE))
    saved.put(f"{CLAIM_HEADER}\nthe rest is lost")
    Runner(saved, THERE).take()
    assert len(saved.messages) == 5


def test_another_scope_of_the_same_chat_and_remote_is_not_free(saved: FakeSavedMessages) -> None:
    other = scope_key(Scope(SCOPE.remote, SCOPE.chat_id, lower_bound=7))
    saved.put(encode(replace(PLAIN, run=HERE, scope_key=other)))
    with pytest.raises(HeldByAnotherRun):
        Runner(saved, THERE).take()
    assert claims(saved) == []


def test_take_over_takes_it_and_the_other_run_ends_at_its_next_save(
    saved: FakeSavedMessages,
) -> None:
    here, there = Runner(saved, HERE), Runner(saved, THERE)
    here.take()
    here.save()
    saved.now += timedelta(seconds=20)
    there.take(take_over=True, seconds_since_start=5)
    there.save()
    with pytest.raises(HeldByAnotherRun, match="process 2 on 'there' has taken over"):
        here.save()
    assert here.stop.is_set
    assert isinstance(here.stop.cause, HeldByAnotherRun)
    assert writer(saved) == THERE
    there.save()
    assert not there.stop.is_set


def test_a_run_gives_way_to_a_later_one_of_its_own_machine_too(saved: FakeSavedMessages) -> None:
    here, later_here = Runner(saved, HERE), Runner(saved, replace(HERE, run_id="here-2"))
    here.take()
    here.save()
    saved.now += timedelta(seconds=20)
    later_here.take(take_over=True, seconds_since_start=5)
    later_here.save()
    with pytest.raises(HeldByAnotherRun):
        here.save()
    assert writer(saved) == later_here.run


def test_take_over_does_not_take_from_a_run_that_was_heard_of_since(
    saved: FakeSavedMessages,
) -> None:
    here = Runner(saved, HERE)
    here.take()
    here.save()
    saved.now += timedelta(seconds=3)
    with pytest.raises(HeldByAnotherRun, match="it lives, so --take-over does not help"):
        Runner(saved, THERE).take(take_over=True, seconds_since_start=5)


def test_a_message_that_another_run_wrote_is_never_overwritten_even_if_ours_was_deleted(
    saved: FakeSavedMessages,
) -> None:
    here = Runner(saved, HERE)
    here.take()
    here.save()
    saved.messages.clear()
    there = Runner(saved, THERE)
    there.take()
    there.save(RunStatus.COMPLETE)
    with pytest.raises(HeldByAnotherRun):
        here.save()
    assert writer(saved) == THERE


def test_a_message_that_the_user_deleted_is_made_again(saved: FakeSavedMessages) -> None:
    here = Runner(saved, HERE)
    here.take()
    here.save()
    saved.messages.clear()
    here.save()
    assert writer(saved) == HERE
    assert not here.stop.is_set


def test_nothing_is_admitted_when_two_intervals_went_by_without_a_renewal(
    saved: FakeSavedMessages,
) -> None:
    here = Runner(saved, HERE)
    here.take()
    here.save()
    here.seconds = 2 * INTERVAL_SECONDS - 1
    assert here.lease.admits
    here.seconds = 2 * INTERVAL_SECONDS
    assert not here.lease.admits
    saved.fail(1)
    with pytest.raises(NetworkUnreachable):
        here.save()
    assert not here.lease.admits
    here.save()
    assert here.lease.admits


def test_by_this_machines_clock_the_lease_lapses_after_three_intervals_until_it_is_renewed(
    saved: FakeSavedMessages,
) -> None:
    here = Runner(saved, HERE)
    here.take()
    here.save()
    here.seconds = 3 * INTERVAL_SECONDS - 1
    assert not here.lease.has_lapsed
    here.seconds = 3 * INTERVAL_SECONDS
    assert here.lease.has_lapsed
    here.save()
    assert not here.lease.has_lapsed


def test_only_what_saved_messages_say_tells_that_no_run_was_cut_off(
    saved: FakeSavedMessages,
) -> None:
    """No run at all, or one that came to its end by itself."""
    for ends_by_itself in (True, False):
        here = Runner(saved, replace(HERE, run_id=f"here-{ends_by_itself}"))
        here.take()
        assert here.lease.before.all_ended
        here.save(RunStatus.STOPPED if ends_by_itself else RunStatus.RUNNING)
        here.lease.release()
    after = Runner(saved, THERE, gone={"here-False"})
    after.take()
    assert not after.lease.before.all_ended


def test_a_claim_that_no_save_has_replaced_is_one_of_a_run_that_was_cut_off(
    saved: FakeSavedMessages,
) -> None:
    saved.put(claim_text(SUBJECT, HERE))
    there = Runner(saved, THERE, gone={HERE.run_id})
    there.take()
    assert not there.lease.before.all_ended


def test_a_lease_counts_from_when_it_was_asked_for_however_late_the_answer_is(
    saved: WatchedSavedMessages,
) -> None:
    """Others count from Telegram's date, which may be any moment before the answer."""
    here = Runner(saved, HERE)

    def slow(name: str) -> None:
        if name in ("send", "edit", "send_pinned"):
            here.seconds += 100

    def assert_counts_from(began_at: float) -> None:
        here.seconds = began_at + 2 * INTERVAL_SECONDS - 1
        assert here.lease.admits
        here.seconds = began_at + 2 * INTERVAL_SECONDS
        assert not here.lease.admits

    saved.before = slow
    here.seconds = 5000  # it was made long before it claims
    here.take()
    assert_counts_from(5000)
    here.seconds = 5300
    assert here.lease.renew_claim()
    assert_counts_from(5300)
    here.seconds = 5600
    here.save()
    assert_counts_from(5600)
    here.seconds = 5900
    here.save()
    assert_counts_from(5900)


def test_a_session_that_is_refused_while_saving_stops_the_run(saved: FakeSavedMessages) -> None:
    here = Runner(saved, HERE)
    here.take()
    here.save()
    saved.fail(1, CredentialsRefused("Telegram", "it is gone", "Log in"))
    with pytest.raises(CredentialsRefused):
        here.save()
    assert isinstance(here.stop.cause, CredentialsRefused)


REFUSED = TelegramRefuses("claiming the chat", "CHAT_WRITE_FORBIDDEN")


def test_where_telegram_takes_no_claim_the_run_goes_on_and_says_what_that_means(
    saved: FakeSavedMessages,
) -> None:
    """It never waits for a lease that it can't have, and makes one as soon as a save arrives."""
    here = Runner(saved, HERE)
    saved.fail(1, REFUSED)
    here.take()
    assert here.lease.warning == (
        f"warning: {SUBJECT.title!r} cannot be claimed in Saved Messages (Telegram refuses "
        "(claiming the chat): CHAT_WRITE_FORBIDDEN; run again later): no other machine sees this "
        "run, so start none there for this chat and remote"
    )
    # Whether an earlier run was cut off can't be told by a claim that isn't there.
    assert not here.lease.before.all_ended
    assert not here.lease.before.was_quiet
    here.seconds = 10 * INTERVAL_SECONDS
    assert here.lease.admits
    here.save()
    assert writer(saved) == HERE
    here.seconds += 2 * INTERVAL_SECONDS
    assert not here.lease.admits


def test_a_run_that_cannot_claim_gives_way_to_one_that_lives(saved: FakeSavedMessages) -> None:
    saved.now = datetime.now(timezone.utc)
    there = Runner(saved, THERE)
    there.take()
    there.save()
    saved.fail(1, REFUSED)
    with pytest.raises(HeldByAnotherRun):
        Runner(saved, HERE).take()


def test_a_run_that_cannot_claim_gives_way_to_a_claim_that_lives(saved: FakeSavedMessages) -> None:
    """It has no place in the order of claims, so each one is before it."""
    saved.now = datetime.now(timezone.utc)
    saved.put(claim_text(SUBJECT, THERE))
    saved.fail(1, REFUSED)
    with pytest.raises(HeldByAnotherRun):
        Runner(saved, HERE).take()


def test_a_claim_whose_answer_was_lost_is_a_claim(saved: FakeSavedMessages) -> None:
    here = Runner(saved, HERE)
    saved.arrives_anyway = True
    saved.fail(1, REFUSED)
    here.take()
    assert here.lease.warning is None
    with pytest.raises(HeldByAnotherRun):
        Runner(saved, THERE).take()
    here.save()
    assert writer(saved) == HERE


def test_a_network_that_is_gone_is_no_refusal(saved: FakeSavedMessages) -> None:
    saved.fail(1)
    with pytest.raises(NetworkUnreachable):
        Runner(saved, HERE).take()


def test_a_claim_stays_until_a_save_has_replaced_it_and_goes_with_its_run(
    saved: FakeSavedMessages,
) -> None:
    here = Runner(saved, HERE)
    here.take()
    saved.fail(1)
    with pytest.raises(NetworkUnreachable):
        here.save()
    assert len(claims(saved)) == 1
    with pytest.raises(HeldByAnotherRun):
        Runner(saved, THERE).take()
    here.lease.release()
    assert saved.texts == []


def test_a_release_does_not_wait_for_a_network_that_hangs(saved: FakeSavedMessages) -> None:
    here = Runner(saved, HERE)
    here.take()
    saved.hanging["delete"] = threading.Event()
    finished(here.lease.release, seconds=60)
    saved.hanging["delete"].set()


def test_a_claim_that_telegram_does_not_show_ends_the_run(saved: FakeSavedMessages) -> None:
    here = Runner(saved, HERE)
    send: Callable[[str], object] = saved.send

    def vanishing(text: str) -> object:
        sent = send(text)
        saved.messages.clear()
        return sent

    saved.send = vanishing  # type: ignore[assignment, method-assign]
    with pytest.raises(HeldByAnotherRun, match="is gone again"):
        here.take()


def test_a_claim_that_telegram_shows_late_is_waited_for(saved: FakeSavedMessages) -> None:
    here, find = Runner(saved, HERE), saved.find
    searches = []

    def late(header: str) -> list[SavedText]:
        searches.append(header)
        return find(header) if len(searches) > 2 else []

    saved.find = late  # type: ignore[method-assign]
    here.take()
    assert len(searches) > 2
    with pytest.raises(HeldByAnotherRun):
        Runner(saved, THERE).take()


# --- a look before the save at the end ------------------------------------------------------------


def begun(saved: FakeSavedMessages) -> Runner:
    here = Runner(saved, HERE)
    here.take()
    here.save()
    saved.calls.clear()
    return here


def test_what_was_looked_for_a_moment_ago_the_next_save_does_not_look_for(
    saved: FakeSavedMessages,
) -> None:
    here = begun(saved)
    here.lease.look()
    here.seconds += FRESH_SECONDS - 0.1
    here.save()
    assert saved.calls == ["read", "edit"]
    here.save()
    assert saved.calls == ["read", "edit", "read", "edit"], "it serves one"
    here.lease.look()
    here.seconds += FRESH_SECONDS
    here.save()
    assert saved.calls[4:] == ["read", "read", "edit"], "it is too long ago"


def test_a_look_that_finds_another_run_ends_ours_and_one_that_fails_is_none(
    saved: FakeSavedMessages,
) -> None:
    here, there = begun(saved), Runner(saved, THERE)
    saved.fail(1)
    here.lease.look()
    assert not here.stop.is_set
    saved.now += timedelta(seconds=20)
    there.take(take_over=True, seconds_since_start=5)
    there.save()
    here.lease.look()
    assert isinstance(here.stop.cause, HeldByAnotherRun)
    assert_ended_and_has_written_nothing(here, there)


def test_a_look_is_not_enough_where_the_lease_may_have_lapsed(saved: FakeSavedMessages) -> None:
    here = begun(saved)
    here.seconds += 2 * INTERVAL_SECONDS
    here.lease.look()
    saved.calls.clear()
    here.save()
    assert saved.calls == ["find", "read", "edit", "find"]


def test_before_the_first_save_nothing_is_looked_for(saved: FakeSavedMessages) -> None:
    here = Runner(saved, HERE)
    here.take()
    saved.calls.clear()
    here.lease.look()
    assert saved.calls == []


# --- a start that lasts: from the claim to the first save -----------------------------------------


def later(saved: FakeSavedMessages, *runners: Runner, intervals: float = 3) -> None:
    """So much time goes by, for Telegram and on the runs' machines."""
    saved.now += timedelta(seconds=intervals * INTERVAL_SECONDS + 1)
    for runner in runners:
        runner.seconds += intervals * INTERVAL_SECONDS + 1


def assert_ended_and_has_written_nothing(here: Runner, there: Runner) -> None:
    before = dict(there.saved.messages)
    with pytest.raises(HeldByAnotherRun):
        here.save()
    assert here.saved.messages == before
    assert isinstance(here.stop.cause, HeldByAnotherRun)
    there.save()
    assert not there.stop.is_set
    assert writer(there.saved) == THERE


@pytest.mark.parametrize("with_state_before", [False, True])
def test_a_run_whose_claim_lapsed_before_its_first_save_leaves_the_chat_to_who_took_it(
    saved: FakeSavedMessages, with_state_before: bool
) -> None:
    """A large remote was listed, the network was gone, or the laptop slept."""
    if with_state_before:
        earlier = Runner(saved, replace(HERE, run_id="earlier"))
        earlier.take()
        earlier.save(RunStatus.STOPPED)
    here, there = Runner(saved, HERE), Runner(saved, THERE)
    here.take()
    later(saved, here)
    there.take()
    there.save()
    assert_ended_and_has_written_nothing(here, there)


def test_a_claim_that_was_taken_over_is_missed_by_the_first_save_however_early_that_is(
    saved: FakeSavedMessages,
) -> None:
    here, there = Runner(saved, HERE), Runner(saved, THERE)
    here.take()
    saved.now += timedelta(seconds=20)
    there.take(take_over=True, seconds_since_start=5)
    there.save()
    assert_ended_and_has_written_nothing(here, there)


def test_a_late_first_save_gives_way_to_one_that_is_just_taking_the_chat(
    saved: FakeSavedMessages,
) -> None:
    """The other one has read that our claim has lapsed, and has not removed it yet."""
    here = Runner(saved, HERE)
    here.take()
    later(saved, here)
    saved.put(claim_text(SUBJECT, THERE))
    with pytest.raises(HeldByAnotherRun, match="process 2 on 'there' has taken over"):
        here.save()
    assert len(claims(saved)) == len(saved.texts) == 2


def test_a_machine_that_slept_gives_way_to_one_that_has_only_claimed_the_chat(
    saved: FakeSavedMessages,
) -> None:
    """The other one moves already, and the state message is still ours when we wake."""
    here, there = Runner(saved, HERE), Runner(saved, THERE)
    here.take()
    here.save()
    later(saved, here)
    there.take()
    saved.now += timedelta(seconds=1)
    moved_on = encode(replace(PLAIN, run=HERE, last_message_id=PLAIN.last_message_id + 1))
    with pytest.raises(HeldByAnotherRun, match="process 2 on 'there' has taken over"):
        here.lease.write(moved_on)
    assert here.stop.is_set
    assert here.lease.has_lapsed
    later(saved, there, intervals=2)
    there.save()
    assert not there.stop.is_set
    assert writer(saved) == THERE


def test_who_claims_the_chat_while_a_machine_that_slept_renews_it_keeps_it(
    saved: WatchedSavedMessages,
) -> None:
    """It may have read before what is written now."""
    here = Runner(saved, HERE)
    here.take()
    here.save()
    later(saved, here)

    def claim(call: str) -> None:
        if call == "edit":
            saved.before = lambda call: None
            saved.put(claim_text(SUBJECT, THERE))

    saved.before = claim
    with pytest.raises(HeldByAnotherRun, match="process 2 on 'there' has taken over"):
        here.save()


def test_a_machine_that_slept_goes_on_where_nobody_came(saved: FakeSavedMessages) -> None:
    here = Runner(saved, HERE)
    here.take()
    here.save()
    later(saved, here)
    here.save()
    assert here.lease.admits


@pytest.mark.parametrize("how", ["its process has ended", "it fell asleep itself"])
def test_a_machine_that_slept_gives_way_to_who_came_meanwhile_though_that_lives_no_more(
    saved: FakeSavedMessages, how: str
) -> None:
    """It may have moved files before its first save, of which nobody else knows."""
    here = Runner(saved, HERE, gone={THERE.run_id} if how == "its process has ended" else set())
    here.take()
    here.save()
    later(saved, here)
    Runner(saved, THERE).take()
    if how == "it fell asleep itself":
        later(saved, here)
        saved.put(CLAIM_ON_ANOTHER_CHAT)
    with pytest.raises(HeldByAnotherRun, match="took over 'Лекции 📚' while this run was silent"):
        here.save()
    assert here.stop.is_set


def test_a_run_that_overwrites_what_another_one_may_have_saved_while_it_stood_still_ends(
    saved: WatchedSavedMessages,
) -> None:
    """Nothing tells it of the other one any more."""
    here, there = Runner(saved, HERE), Runner(saved, THERE)
    here.take()
    here.save()

    def sleep(call: str) -> None:
        if call == "edit":
            saved.before = lambda call: None
            later(saved, here)
            there.take()
            there.save()

    saved.before = sleep
    with pytest.raises(HeldByAnotherRun, match="this run stood still in the midst of a save"):
        here.save()
    assert here.stop.is_set
    assert claims(saved) == []


def test_a_save_that_takes_long_but_not_longer_than_a_hold_renews_it(
    saved: WatchedSavedMessages,
) -> None:
    here = Runner(saved, HERE)
    here.take()
    here.save()

    def wait(call: str) -> None:
        if call == "edit":
            later(saved, here, intervals=2.5)

    saved.before = wait
    here.save()
    saved.before = lambda call: None
    here.save()
    assert not here.stop.is_set


def test_a_machine_that_slept_minds_nobody_who_came_before_that_and_gave_way(
    saved: FakeSavedMessages,
) -> None:
    """Its claim may have stayed where it lost its network."""
    here = Runner(saved, HERE)
    here.take()
    here.save()
    saved.now += timedelta(seconds=1)
    saved.put(claim_text(SUBJECT, THERE))
    later(saved, here)
    saved.put(CLAIM_ON_ANOTHER_CHAT)
    here.save()
    assert here.lease.admits


@pytest.mark.parametrize("saves_before", [0, 1])
def test_a_machine_that_sleeps_in_the_midst_of_a_save_gives_way_to_who_came_meanwhile(
    saved: WatchedSavedMessages, saves_before: int
) -> None:
    """It had looked before that, and its save wakes with it. The other one, which gives way as well
    at its own next save, has moved files."""
    here, there = Runner(saved, HERE), Runner(saved, THERE)
    here.take()
    for _ in range(saves_before):
        here.save()

    def sleep(call: str) -> None:
        if call == ("edit" if saves_before else "send_pinned"):
            saved.before = lambda call: None
            later(saved, here)
            there.take()

    saved.before = sleep
    with pytest.raises(HeldByAnotherRun, match="process 2 on 'there' has taken over"):
        here.save()
    assert here.stop.is_set


def test_a_late_first_save_goes_on_where_nobody_else_came(saved: FakeSavedMessages) -> None:
    here = Runner(saved, HERE)
    here.take()
    later(saved, here, intervals=9)
    assert not here.lease.admits
    here.save()
    assert here.lease.admits
    assert writer(saved) == HERE


def test_a_late_first_save_minds_nobody_whom_take_over_has_dismissed(
    saved: FakeSavedMessages,
) -> None:
    there, here = Runner(saved, THERE), Runner(saved, HERE)
    there.take()
    there.save()
    saved.now += timedelta(seconds=20)
    here.take(take_over=True, seconds_since_start=5)
    later(saved, here, intervals=2)
    here.save()
    assert writer(saved) == HERE


def test_a_run_that_could_not_claim_gives_way_at_its_first_save_to_one_that_came_meanwhile(
    saved: FakeSavedMessages,
) -> None:
    here, there = Runner(saved, HERE), Runner(saved, THERE)
    saved.fail(1, REFUSED)
    here.take()
    saved.now = datetime.now(timezone.utc) + timedelta(seconds=1)
    there.take()
    there.save()
    assert_ended_and_has_written_nothing(here, there)


def test_a_claim_that_is_renewed_holds_the_chat_however_long_the_start_lasts(
    saved: FakeSavedMessages,
) -> None:
    here = Runner(saved, HERE)
    here.take()
    for _ in range(5):
        later(saved, here, intervals=1)
        assert here.lease.renew_claim()
    assert here.lease.admits
    with pytest.raises(HeldByAnotherRun):
        Runner(saved, THERE).take()
    here.save()
    assert writer(saved) == HERE
    assert not here.lease.renew_claim()


def test_a_renewal_that_comes_too_late_stops_the_run_and_leaves_the_other_one_alone(
    saved: FakeSavedMessages,
) -> None:
    here, there = Runner(saved, HERE), Runner(saved, THERE)
    here.take()
    later(saved, here)
    there.take()
    assert not here.lease.renew_claim()
    assert isinstance(here.stop.cause, HeldByAnotherRun)
    there.save()
    assert writer(saved) == THERE


def test_a_late_renewal_looks_for_others_only_when_its_own_claim_is_there_to_be_found(
    saved: WatchedSavedMessages,
) -> None:
    """Otherwise one that claims between the look and the renewal would not be found by it, and
    would not find it."""
    here = Runner(saved, HERE)
    here.take()
    later(saved, here)

    def another_claims(name: str) -> None:
        if name == "edit":
            saved.put(claim_text(SUBJECT, THERE))

    saved.before = another_claims
    assert not here.lease.renew_claim()
    assert isinstance(here.stop.cause, HeldByAnotherRun)


@pytest.mark.parametrize("intervals", [1, 3])
def test_a_claim_that_is_released_while_it_is_renewed_is_not_missed(
    saved: WatchedSavedMessages, intervals: int
) -> None:
    here = Runner(saved, HERE)
    here.take()
    later(saved, here, intervals=intervals)

    def released(name: str) -> None:
        if name == "edit":
            here.lease.release()
            until(lambda: saved.texts == [])

    saved.before = released
    here.lease.renew_claim()
    assert saved.texts == []
    assert not here.stop.is_set


def test_a_renewal_without_a_network_is_tried_again(saved: FakeSavedMessages) -> None:
    here = Runner(saved, HERE)
    here.take()
    saved.fail(1)
    assert here.lease.renew_claim()
    assert not here.stop.is_set


def test_a_claim_that_was_released_is_not_renewed_and_stops_nothing(
    saved: FakeSavedMessages,
) -> None:
    here = Runner(saved, HERE)
    here.take()
    here.lease.release()
    assert not here.lease.renew_claim()
    assert not here.stop.is_set
    assert saved.texts == []


def test_what_writes_without_the_lease_is_told_that_the_chat_was_taken(
    saved: FakeSavedMessages,
) -> None:
    here, there = Runner(saved, HERE), Runner(saved, THERE)
    here.take()
    here.lease.check_claim()
    later(saved, here)
    there.take()
    with pytest.raises(HeldByAnotherRun):
        here.lease.check_claim()


# --- a chat that is followed and has nothing to move ----------------------------------------------


def test_a_lease_that_an_idle_chat_loses_ends_this_chat_alone(saved: FakeSavedMessages) -> None:
    here, there = Runner(saved, HERE), Runner(saved, THERE)
    here.take()
    here.save()
    saved.now += timedelta(seconds=20)

    def lose_it_while_idle() -> None:
        with here.lease.idle():
            there.take(take_over=True, seconds_since_start=5)
            there.save()
            with pytest.raises(HeldByAnotherRun):
                here.save()

    with pytest.raises(HeldByAnotherRun, match="has taken over"):
        lose_it_while_idle()
    with pytest.raises(HeldByAnotherRun):
        here.save(RunStatus.STOPPED)
    assert not here.stop.is_set
    assert writer(saved) == THERE


def test_a_lease_that_is_lost_once_the_chat_moves_again_stops_the_run(
    saved: FakeSavedMessages,
) -> None:
    here, there = Runner(saved, HERE), Runner(saved, THERE)
    here.take()
    here.save()
    with here.lease.idle():
        here.save()
    saved.now += timedelta(seconds=20)
    there.take(take_over=True, seconds_since_start=5)
    there.save()
    with pytest.raises(HeldByAnotherRun):
        here.save()
    assert isinstance(here.stop.cause, HeldByAnotherRun)
