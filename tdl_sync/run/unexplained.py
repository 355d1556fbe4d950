"""What is in the chat's folder on the remote, and nothing that was kept of earlier runs tells of.

A run may have sent it that did not come to its end. Or somebody else moves the chat to the same
folder: another account has Saved Messages of its own, so that its claims and states are not seen,
but its files are.
"""

from __future__ import annotations

from collections.abc import Iterable

from tdl_sync.core.model import FileNumber
from tdl_sync.core.ports import SavedText
from tdl_sync.state.run_state import RunState
from tdl_sync.state.saved_texts import State, parsed
from tdl_sync.state.state_message import names_remote
from tdl_sync.transfer.job import Job

MOST_SENT_BETWEEN_SAVES = 1000
"""A run saves its state each half a minute while it moves many files; Drive takes ten a second."""


def unexplained_files(
    job: Job, messages: Iterable[SavedText], loaded: RunState | None
) -> frozenset[FileNumber]:
    """Of what the remote lists and no mark here knows, what no saved state of the chat tells of
    either. For when a run is known that did not come to its end: it may have sent these, and what
    became of that nobody knows. Empty where there is more of it than such a run can have sent:
    then others have put it there.
    """
    found = {each for each in job.on_remote if job.choice.shard.holds(each.message_id)}
    for state in _states_of_chat(job, messages, loaded):
        above, passed_id = set(state.done_above_ids), state.last_message_id
        holds = state.shard.holds
        found = {
            each
            for each in found
            if not (each.message_id <= passed_id or each.message_id in above)
            or not holds(each.message_id)
        }
    return frozenset(found if len(found) <= MOST_SENT_BETWEEN_SAVES else ())


def _states_of_chat(
    job: Job, messages: Iterable[SavedText], loaded: RunState | None
) -> list[RunState]:
    states = [each.state for each in parsed(messages) if isinstance(each, State)]
    if loaded is not None:
        states.append(loaded)
    return [
        state
        for state in states
        if state.channel_id == job.chat.id and names_remote(state, job.remote)
    ]


def unexplained_line(
    job: Job, messages: Iterable[SavedText], loaded: RunState | None
) -> str | None:
    """What to say of files in the chat's folder that neither a mark nor a saved state of any scope
    of the chat explains. To be asked when no run is known that did not come to its end: such a one
    may not have told of its last files."""
    if not job.choice.shard.is_whole:
        return None  # the files of the other parts are there, too
    of_chat = _states_of_chat(job, messages, loaded)
    if any(state.done_above_ids for state in of_chat):
        return None  # there may have been no room for all that it has done
    if job.chat.comments_on_id is not None and any(not each.shard.is_whole for each in of_chat):
        return None  # which part has which comment is known to who has read them as such
    failed_ids = {each for state in of_chat for each in state.failed_ids}
    found = {number.message_id for number in job.on_remote} - failed_ids
    for state in of_chat:
        holds, passed_id = state.shard.holds, state.last_message_id
        found = {each for each in found if each > passed_id or not holds(each)}
    if not found:
        return None
    messages_found = "1 message" if len(found) == 1 else f"{len(found):,} messages"
    return (
        f"warning: {job.chat.title!r}: its folder on {job.remote} shows files of {messages_found} "
        "that no done-mark here and no state in this account's Saved Messages explain. They count "
        "as done; but if another account moves this chat to the same folder now, give each of the "
        "two a part of it (--shard 1/2 and 2/2), or end one: they do not see each other"
    )
