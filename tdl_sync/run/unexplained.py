"""Whether somebody else moves the chat to the same folder: another account has Saved Messages of
its own, so that its claims and states are not seen, but its files are.
"""

from __future__ import annotations

from collections.abc import Iterable

from tdl_sync.core.ports import SavedText
from tdl_sync.state.run_state import RunState
from tdl_sync.state.saved_texts import State, parsed
from tdl_sync.state.state_message import names_remote
from tdl_sync.transfer.job import Job


def unexplained_line(
    job: Job, messages: Iterable[SavedText], loaded: RunState | None
) -> str | None:
    """What to say of files in the chat's folder that neither a mark nor a saved state of any scope
    of the chat explains. To be asked when no run is known that did not come to its end: such a one
    may not have told of its last files."""
    if not job.choice.shard.is_whole:
        return None  # the files of the other parts are there, too
    states = [each.state for each in parsed(messages) if isinstance(each, State)]
    if loaded is not None:
        states.append(loaded)
    of_chat = [
        state
        for state in states
        if state.channel_id == job.chat.id and names_remote(state, job.remote)
    ]
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
