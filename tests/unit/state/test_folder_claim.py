"""Who is to make a remote's own folder learns whether another run of the account may, too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tdl_sync.core.errors import CredentialsRefused, NetworkUnreachable, Stopped
from tdl_sync.core.shards import WHOLE, Shard
from tdl_sync.state.claims import Subject, claim_text
from tdl_sync.state.folder_claim import FolderClaim, OtherRuns
from tdl_sync.state.holds import INTERVALS_TO_LAPSE, QUIET_SECONDS
from tdl_sync.state.run_state import RunStatus
from tdl_sync.state.state_message import HEADER, encode
from tests.fakes.saved_messages import FakeSavedMessages
from tests.unit.state.test_lease import HERE, INTERVAL_SECONDS, SUBJECT, THERE, Runner
from tests.unit.state.test_state_message import PLAIN

NOBODY = OtherRuns(are_there=False, may_be_alone=False, may_have_made_it=False)
OF_A_PART = OtherRuns(are_there=True, may_be_alone=False, may_have_made_it=False)
ONE_THAT_HAS_MADE_IT = OtherRuns(are_there=True, may_be_alone=False, may_have_made_it=True)
"""It may not be listed yet."""
ONE_THAT_MAY_BE_ALONE = OtherRuns(are_there=True, may_be_alone=True, may_have_made_it=False)
LAPSE_SECONDS = INTERVALS_TO_LAPSE * INTERVAL_SECONDS
ELSEWHERE = Subject("other:place", 7, "0123456789abcdef", "Another")
PART = Shard(2, 3)


def claim(saved: FakeSavedMessages, remote: str = "r:x", shard: Shard = WHOLE) -> FolderClaim:
    return FolderClaim(saved, remote, HERE, shard)


def state(status: RunStatus, shard: Shard = WHOLE) -> str:
    whole = "" if shard.is_whole else PLAIN.scope_key
    return encode(replace(PLAIN, run=THERE, status=status, shard=shard, whole_scope_key=whole))


@pytest.mark.parametrize(
    ("text", "seconds_ago", "others"),
    [
        (claim_text(SUBJECT, THERE), LAPSE_SECONDS - 1, ONE_THAT_MAY_BE_ALONE),
        (claim_text(ELSEWHERE, THERE), 1, ONE_THAT_MAY_BE_ALONE),
        (claim_text(replace(SUBJECT, shard=PART), THERE), 1, OF_A_PART),
        (claim_text(SUBJECT, THERE), LAPSE_SECONDS, NOBODY),
        (claim_text(SUBJECT, HERE), 1, NOBODY),  # of another of its remotes
        (state(RunStatus.RUNNING), LAPSE_SECONDS - 1, ONE_THAT_HAS_MADE_IT),
        (state(RunStatus.RUNNING, PART), 1, OF_A_PART),
        (state(RunStatus.RUNNING), LAPSE_SECONDS, NOBODY),
        (state(RunStatus.COMPLETE), QUIET_SECONDS - 1, ONE_THAT_HAS_MADE_IT),
        (state(RunStatus.COMPLETE), QUIET_SECONDS + 1, NOBODY),
        (state(RunStatus.STOPPED, PART), QUIET_SECONDS - 1, OF_A_PART),
        (f"{HEADER}\nof a later version", QUIET_SECONDS - 1, ONE_THAT_MAY_BE_ALONE),
        (f"{HEADER}\nof a later version", QUIET_SECONDS + 1, NOBODY),
        ("a message of the user's", 1, NOBODY),
    ],
)
def test_a_run_is_alone_unless_another_lives_or_was_heard_of_a_moment_ago_whatever_it_moves(
    text: str, seconds_ago: float, others: OtherRuns
) -> None:
    saved = FakeSavedMessages()
    saved.put(text)
    saved.now += timedelta(seconds=seconds_ago)
    assert claim(saved).take() == others


def test_of_two_that_begin_at_once_only_the_first_may_take_itself_for_alone() -> None:
    saved = FakeSavedMessages()
    assert FolderClaim(saved, "r:x", THERE).take() == NOBODY
    assert claim(saved, "the same:by another name").take() == ONE_THAT_MAY_BE_ALONE


def test_who_moves_a_part_says_so_in_its_claim() -> None:
    saved = FakeSavedMessages()
    claim(saved, shard=PART).take()
    assert FolderClaim(saved, "r:x", THERE).take() == OF_A_PART


def test_one_run_claims_the_folders_of_several_remotes_and_removes_its_claims() -> None:
    saved = FakeSavedMessages()
    claims = [claim(saved, remote) for remote in ("r:x", "r:y")]
    assert [each.take() for each in claims] == [NOBODY, NOBODY]
    for each in claims:
        each.release()
        each.release()
    assert saved.texts == []


def test_a_claim_that_a_dead_run_has_left_is_removed_when_it_has_lapsed() -> None:
    saved = FakeSavedMessages()
    FolderClaim(saved, "r:x", THERE).take()
    saved.now += timedelta(seconds=LAPSE_SECONDS)
    saved.put(of_a_chat := claim_text(SUBJECT, THERE))
    ours = claim(saved)
    ours.take()
    ours.release()
    assert saved.texts == [of_a_chat]


def test_who_claims_a_chat_removes_what_a_dead_run_has_left_of_its_remotes_folder() -> None:
    """Once something is in the folder nobody claims that any more."""
    saved = FakeSavedMessages()
    for remote in (SUBJECT.remote, "another:remote"):
        FolderClaim(saved, remote, THERE).take()
    left = list(saved.texts)
    saved.now += timedelta(seconds=LAPSE_SECONDS)
    here = Runner(saved, HERE)
    here.take()
    here.save()
    assert saved.texts[0] == left[1]
    assert len(saved.texts) == 2


@pytest.mark.parametrize(
    "failing",
    [
        lambda saved: saved.fail(1),
        lambda saved: saved.fail(
            1, CredentialsRefused("Telegram", "the session is gone", "log in again")
        ),
        lambda saved: saved.errors.extend([None, NetworkUnreachable("no network")]),
    ],
)
def test_where_telegram_can_not_be_asked_nothing_is_known(
    failing: Callable[[FakeSavedMessages], None],
) -> None:
    saved = FakeSavedMessages()
    failing(saved)
    assert claim(saved).take() is None


def test_a_stop_ends_the_question() -> None:
    saved = FakeSavedMessages()
    saved.fail(1, Stopped("the run is stopping"))
    with pytest.raises(Stopped):
        claim(saved).take()
