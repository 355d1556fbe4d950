"""Whether another run of this account may be making a remote's own folder at this moment.

A chat is claimed by one run (`lease`), but the remote's folder belongs to all chats. So who is to
make it, or to put the first thing into it, claims that as well: a message of its own is sent, and
only then are all of them read. Who finds no other run then is alone: whoever comes later finds this
claim, or the chat's that replaces it, or the state that replaces that one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from tdl_sync.core.errors import Stopped, TdlSyncError
from tdl_sync.core.model import Scope, scope_key
from tdl_sync.core.ports import SavedMessages
from tdl_sync.core.shards import WHOLE, Shard
from tdl_sync.state.claims import Subject
from tdl_sync.state.holds import QUIET_SECONDS, Hold
from tdl_sync.state.own_claim import OwnClaim
from tdl_sync.state.run_identity import is_gone
from tdl_sync.state.run_state import RunIdentity, RunStatus
from tdl_sync.state.saved_texts import Broken, Claim, State, parsed

_NO_CHAT = 0


@dataclass(frozen=True)
class OtherRuns:
    """``are_there``: those that live, and those that were heard of a moment ago, whatever they
    move where, since one folder has many spellings. ``may_be_alone``: one of them may think that it
    is, and make the folder yet."""

    are_there: bool
    may_be_alone: bool


class FolderClaim:
    """``take`` once; ``release`` as soon as a chat is claimed, or nothing is to be moved."""

    def __init__(
        self, saved_messages: SavedMessages, remote: str, run: RunIdentity, shard: Shard = WHOLE
    ) -> None:
        """``run`` is the same for all remotes. Who moves a ``shard`` is never alone, and the claim
        says so."""
        self._saved_messages = saved_messages
        self._run = run
        self._key = scope_key(Scope(remote, _NO_CHAT))
        subject = Subject(remote, _NO_CHAT, self._key, remote, shard)
        self._claim = OwnClaim(saved_messages, subject, run, time.sleep)

    def take(self) -> OtherRuns | None:
        """``None`` where Saved Messages can't be asked: what is wrong there meets the chat's claim
        as well, and is told by that. Blocks for some calls to Telegram, and for its pauses. Raises
        ``Stopped``."""
        try:
            messages, now = self._claim.send()
            if self._claim.message_id is None:
                return None
            dead = [
                each.message.message_id
                for each in parsed(messages)
                if isinstance(each, Claim)
                and each.subject_key == self._key
                and not self._counts(each, now)
                and each.run != self._run
            ]
            if dead:
                self._saved_messages.delete(dead)
        except Stopped:
            raise
        except TdlSyncError:
            return None
        others = [each for each in parsed(messages) if self._counts(each, now)]
        return OtherRuns(bool(others), any(map(_may_be_alone, others)))

    def release(self) -> None:
        """See ``OwnClaim.release``."""
        self._claim.release()

    def _counts(self, found: State | Claim | Broken, now: datetime) -> bool:
        lately = found.message.edited_at >= now - timedelta(seconds=QUIET_SECONDS)
        if isinstance(found, Broken):
            return lately
        if found.run.run_id == self._run.run_id:
            return False
        return lately or (not _has_ended(found) and Hold.of(found).lives(now, is_gone))


def _has_ended(found: State | Claim) -> bool:
    return isinstance(found, State) and found.state.status is not RunStatus.RUNNING


def _may_be_alone(found: State | Claim | Broken) -> bool:
    return isinstance(found, Broken) or (found.shard.is_whole and not _has_ended(found))
