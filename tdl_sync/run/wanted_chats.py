"""Which chats a run reads, in order: those that the user named, and the comments on their posts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tdl_sync.core.model import Chat
from tdl_sync.options.chat_spelling import ChatSpelling
from tdl_sync.options.config import Config

if TYPE_CHECKING:
    from tdl_sync.telegram.messages.chats import ChatBook


@dataclass(frozen=True)
class WantedPosts:
    """A chat, from ``lower_bound`` on; of a forum only ``topic_id`` unless that is 0."""

    spelling: ChatSpelling
    lower_bound: int
    topic_id: int

    def find(self, chats: ChatBook) -> Chat:
        """Raises ``ChatUnreadable``."""
        return replace(chats.resolve(self.spelling), topic_id=self.topic_id)


@dataclass(frozen=True)
class WantedComments:
    """All that was written about a channel's posts."""

    spelling: ChatSpelling
    lower_bound: int = 0

    def find(self, chats: ChatBook) -> Chat:
        """Raises ``ChatUnreadable``."""
        return chats.discussion_of(chats.resolve(self.spelling))


def wanted_chats(
    spellings: Iterable[ChatSpelling], config: Config
) -> Iterator[WantedPosts | WantedComments]:
    for spelling in spellings:
        lower_bound = config.resume_from_id or spelling.from_message_id
        yield WantedPosts(spelling, lower_bound, config.topic_id or 0)
        if config.comments:
            yield WantedComments(spelling)
