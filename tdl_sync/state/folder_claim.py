"""Whether another run of this account may be making a remote's own folder at this moment.

A chat is claimed by one run (`lease`), but the remote's folder belongs to all chats. So who is to
make it, or to put the first thing into it, claims that as well: a message of its own is sent, and
only then are all of them read. Who finds no other run then is alone: whoever comes later finds this
claim, or the chat's that replaces it, or the state that replaces that one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tdl_sync.core.errors import Stopped, TdlSyncError
from tdl_sync.core.model import Scope, scope_key
from tdl_sync.core.ports import SavedMessages, SavedText
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
    is, and make the folder yet: none that has saved a state, which comes after that.
    ``may_have_made_it``: one that has saved may have been alone, and have made it just before."""

    are_there: bool
    may_be_alone: bool
    may_have_made_it: bool


class FolderClaim:
    """``take`` once; ``release`` as soon as a chat is claimed, or nothing is to be moved."""

    def __init__(
        self, saved_messages: SavedMessages, remote: str, run: RunIdentity, shard: Shard = WHOLE
    ) -> None:
        """``run`` is the same for all remotes. Who moves a ``shard`` is never alone, and the claim
        says so."""
        self._saved_messages = saved_messages
        self._run = run
        self._remote = remote
        subject = Subject(remote, _NO_CHAT, _key(remote), remote, shard)
        self._claim = OwnClaim(saved_messages, subject, run, time.sleep)

    def take(self) -> OtherRuns | None:
        """``None`` where Saved Messages can't be asked: what is wrong there meets the chat's claim
        as well, and is told by that. Blocks for some calls to Telegram, and for its pauses. Raises
        ``Stopped``."""
        try:
            messages, now = self._claim.send()
            if self._claim.message_id is None:
                return None
            lapsed = lapsed_claims(self._remote, messages, now)
            if lapsed:
                self._saved_messages.delete(lapsed)
        except Stopped:
            raise
        except TdlSyncError:
            return None
        others = [each for each in parsed(messages) if self._counts(each, now)]
        return OtherRuns(
            bool(others), any(map(_may_be_alone, others)), any(map(_may_have_made_it, others))
        )

    def release(self) -> None:
        """See ``OwnClaim.release``."""
        self._claim.release()

    def _counts(self, found: State | Claim | Broken, now: datetime) -> bool:
        lately = found.message.edited_at >= now - timedelta(seconds=QUIET_SECONDS)
        if isinstance(found, Broken):
            return lately
        if found.run.run_id == self._run.run_id:
            return False
        may_live = isinstance(found, Claim) or found.state.status is RunStatus.RUNNING
        return lately or (may_live and Hold.of(found).lives(now, is_gone))


def lapsed_claims(remote: str, messages: Iterable[SavedText], now: datetime) -> list[int]:
    """The messages by which runs have claimed this remote's folder that have died since then."""
    return [
        each.message.message_id
        for each in parsed(messages)
        if isinstance(each, Claim)
        and each.subject_key == _key(remote)
        and now >= Hold.of(each).lapses_at
    ]


def _key(remote: str) -> str:
    return scope_key(Scope(remote, _NO_CHAT))


def _may_be_alone(found: State | Claim | Broken) -> bool:
    return isinstance(found, Broken) or (isinstance(found, Claim) and found.shard.is_whole)


def _may_have_made_it(found: State | Claim | Broken) -> bool:
    return isinstance(found, State) and found.state.shard.is_whole
