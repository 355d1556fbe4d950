"""This run's claim in Saved Messages: sent, renewed until a save has replaced it, and removed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from tdl_sync.core.errors import (
    CredentialsRefused,
    HeldByAnotherRun,
    NetworkUnreachable,
    Stopped,
    TdlSyncError,
)
from tdl_sync.core.ports import SavedMessages, SavedText
from tdl_sync.state.claims import Subject, claim_text
from tdl_sync.state.run_state import RunIdentity
from tdl_sync.state.saved_texts import Claim, parsed
from tdl_sync.state.state_message import HEADER

READING_PAUSE_SECONDS = 1.0
RELEASE_SECONDS = 0.5


@dataclass
class OwnClaim:
    """``message_id`` is ``None`` where there is no claim: none yet, none any more, or none at all
    (then ``warning`` says why). ``release`` may be called at any time, in any thread."""

    saved_messages: SavedMessages
    subject: Subject
    run: RunIdentity
    sleep: Callable[[float], None]
    renewals: int = 0
    message_id: int | None = None
    warning: str | None = None

    def send(self) -> tuple[list[SavedText], datetime]:
        """Send it; all messages, and Telegram's time.

        Where Telegram takes no message there the run goes on without a claim, as it does where no
        state can be saved: nobody could use the program otherwise, and what another machine moves
        meanwhile is seen in the remote's listing, if not before it begins.
        """
        try:
            sent = self.saved_messages.send(claim_text(self.subject, self.run))
        except (CredentialsRefused, NetworkUnreachable, Stopped):
            raise
        except TdlSyncError as error:
            messages = self.saved_messages.find(HEADER)
            for each in parsed(messages):
                if each == Claim(each.message, self.subject.key, self.run, self.subject.shard):
                    self.message_id = each.message.message_id  # its answer was lost
                    return messages, each.message.edited_at
            self.warning = (
                f"warning: {self.subject.title!r} cannot be claimed in Saved Messages ({error}): "
                "no other machine sees this run, so start none there for this chat and remote"
            )
            return messages, datetime.now(timezone.utc)
        self.message_id = sent.message_id
        return self._read_with(sent.message_id)

    def _read_with(self, own_id: int) -> tuple[list[SavedText], datetime]:
        """All messages, and Telegram's time, once it shows the claim just sent."""
        for _ in range(5):
            messages = self.saved_messages.find(HEADER)
            for message in messages:
                if message.message_id == own_id:
                    return messages, message.edited_at
            self.sleep(READING_PAUSE_SECONDS)
        raise HeldByAnotherRun(
            f"the claim for {self.subject.title!r} that was sent to Saved Messages is gone again: "
            "another run or another program removes such messages; end it, then run again"
        )

    def renew(self, message_id: int) -> None:
        """Raises ``HeldByAnotherRun`` where it is gone, unless we have released it meanwhile."""
        self.renewals += 1
        text = claim_text(self.subject, self.run, self.renewals)
        if not self.saved_messages.edit(message_id, text) and self.message_id is not None:
            raise self._is_gone()

    def seen_at(self, message_id: int) -> datetime:
        """When it was renewed last, by Telegram's clock; raises where it is gone."""
        message = self.saved_messages.read(message_id)
        if message is None:
            raise self._is_gone()
        return message.edited_at

    def _is_gone(self) -> HeldByAnotherRun:
        return HeldByAnotherRun(
            f"this run's claim for {self.subject.title!r} in Saved Messages is gone: another run "
            "has taken over the chat, or somebody deleted the message. This run ends and has saved "
            "nothing; run again when no other one works on the chat"
        )

    def remove(self) -> None:
        """A save has replaced it. Where this raises it is still there, to be removed again."""
        if self.message_id is not None:
            self.saved_messages.delete([self.message_id])
            self.message_id = None

    def release(self) -> None:
        """Remove a claim that no save has replaced. Best effort and quick: it would lapse."""
        if self.message_id is None:
            return
        message_id, self.message_id = self.message_id, None

        def remove() -> None:
            try:
                self.saved_messages.delete([message_id])
            except TdlSyncError:
                return  # it lapses by itself, and its process is known to be gone on this machine

        removing = threading.Thread(target=remove, name="release", daemon=True)
        removing.start()
        removing.join(RELEASE_SECONDS)
