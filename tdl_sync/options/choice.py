"""What of a chat one run is to move: its filters, their bounds, the order and the number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from tdl_sync.core.model import Chat, HistoryPage, Scope
from tdl_sync.core.ports import ChatReader
from tdl_sync.core.shards import WHOLE, Shard
from tdl_sync.options.filters import ALL_BUT_STICKERS, Filters, without_posts


class Replacing(str, Enum):
    """Where a message's new file goes when the one that it held was moved: the old one stays
    beside it, or gives way."""

    BESIDE = "beside"
    OVER = "over"


@dataclass(frozen=True)
class Choice:
    """``limit`` is the most files that a run moves of each chat, ``None`` without a limit.

    ``dedupe`` leaves out copies of files that another message has brought to the remote. Order
    and limit are no part of the scope: what they leave out lies above the watermark, so that any
    later run of the same filters finds it. ``shard`` is the part of each chat that is read at all.
    """

    filters: Filters = ALL_BUT_STICKERS
    newest_first: bool = False
    limit: int | None = None
    dedupe: bool = False
    shard: Shard = WHOLE

    @property
    def canonical_text(self) -> str:
        """All that leaves items out: the same for the same choice, empty for all of a chat."""
        text = self.filters.canonical_text
        return f"{text} dedupe".lstrip() if self.dedupe else text

    def bounds(
        self, reader: ChatReader, chat: Chat, after_id: int, newest_id: int | None = None
    ) -> tuple[int, int]:
        """``(after_id, up_to_id)``: what of the chat has to be listed at all. ``newest_id`` is that
        of its newest message, where it was asked for already.

        Dates rise with the ids, so that Telegram finds the first and the last message itself.
        """
        up_to_id = reader.newest_message_id(chat) if newest_id is None else newest_id
        if self.filters.since is not None:
            after_id = max(after_id, reader.last_id_before(chat, self.filters.since.at))
        if self.filters.until is not None:
            up_to_id = min(up_to_id, reader.last_id_before(chat, self.filters.until.at))
        if self.filters.to_id is not None:
            up_to_id = min(up_to_id, self.filters.to_id)
        return after_id, max(after_id, up_to_id)

    def pages(
        self, reader: ChatReader, chat: Chat, after_id: int, up_to_id: int
    ) -> Iterator[HistoryPage]:
        """The chat's pages in the order of the run, with what filters leave out as skipped."""
        listing = reader.pages_newest_first if self.newest_first else reader.pages
        for page in listing(chat, after_id, up_to_id, self.shard):
            if chat.comments_on_id is not None:
                page = without_posts(page, chat.comments_on_id)
            yield self.filters.page(page)

    def scope(self, remote: str, chat: Chat, lower_bound: int) -> Scope:
        """What a run of this choice over this chat is about. Comments leave out the posts."""
        filters = self.canonical_text
        if chat.comments_on_id is not None:
            filters = f"{filters} comments".lstrip()
        return Scope(remote, chat.id, chat.topic_id, filters, lower_bound, self.shard)


WHOLE_CHAT = Choice()
