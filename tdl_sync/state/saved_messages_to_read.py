"""Saved Messages for those who only look: what would change them does nothing."""

from __future__ import annotations

from collections.abc import Iterable

from tdl_sync.core.ports import SavedMessages, SavedText


class SavedMessagesToRead:
    """``ports.SavedMessages`` without its writing half.

    Loading a state removes those that another is ahead of, which a run may do and a look may not.
    """

    def __init__(self, saved_messages: SavedMessages) -> None:
        self._saved_messages = saved_messages

    def find(self, header: str) -> list[SavedText]:
        return self._saved_messages.find(header)

    def read(self, message_id: int) -> SavedText | None:
        return self._saved_messages.read(message_id)

    def send(self, text: str) -> SavedText:
        raise NotImplementedError("only looking")

    def send_pinned(self, text: str) -> SavedText:
        raise NotImplementedError("only looking")

    def edit(self, message_id: int, text: str) -> bool:
        raise NotImplementedError("only looking")

    def delete(self, message_ids: Iterable[int]) -> None:
        """They stay."""
