"""One account, its chats and files: plain Python, no sockets, no event loop.

All methods of all classes may be called from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from . import media
from .channel import Channel
from .content import FilePlace, FileRecord, derived_number
from .plan import FilePlan, Recipe


@dataclass(frozen=True)
class Account:
    """Who is logged in. `password` is the two-factor password, None without one."""

    user_id: int
    access_hash: int
    first_name: str
    username: str | None
    phone: str
    password: str | None
    login_code: str
    premium: bool


@dataclass(frozen=True)
class Community:
    """Several chats under one roof: a row in the list of dialogs that is no chat itself. Its id is
    a sequence of its own, which overlaps those of users and chats."""

    community_id: int
    title: str


class World:
    """One account, its chats, and all files that they hold."""

    def __init__(self, *, seed: int, account: Account, home_dc_id: int = 2) -> None:
        self.seed = seed
        self.account = account
        self.home_dc_id = home_dc_id
        self.other_user_id = 700_000_000 + derived_number("other user", seed, bits=20)
        self.channels: dict[int, Channel] = {}
        self.communities: list[Community] = []
        self.file_reference_epoch = 1
        self.append_lock = threading.RLock()
        self.on_append: list[Callable[[Channel, int, object], None]] = []
        """Told the chat, the new message's id and who sent it (``Channel.append``)."""
        self.on_edit: list[Callable[[Channel, int, object], None]] = []
        """Told the same of a message that was edited to hold another file."""
        self._by_number: list[Channel] = []

    def add(
        self,
        *,
        chat_id: int,
        kind: str,
        title: str,
        recipe: Recipe | None = None,
        username: str | None = None,
        invite_hash: str | None = None,
        joined: bool = True,
        protected: bool = False,
    ) -> Channel:
        """A new chat. ValueError when a second chat outside of channels starts with a history:
        those share one sequence of message ids."""
        channel = Channel(
            self,
            number=len(self._by_number),
            chat_id=chat_id,
            kind=kind,
            title=title,
            recipe=recipe,
            username=username,
            invite_hash=invite_hash,
            joined=joined,
            protected=protected,
        )
        if recipe is not None and not channel.is_channel and self._highest_shared_id():
            raise ValueError(f"add {title!r} before any other chat that is not a channel has ids")
        self._by_number.append(channel)
        self.channels[chat_id] = channel
        return channel

    @property
    def own_user_id(self) -> int:
        return self.account.user_id

    @property
    def source(self) -> Channel:
        """The chat that a ready world is about: the first one that was added."""
        return self._by_number[0]

    @property
    def saved_messages(self) -> Channel:
        return self.channels[self.account.user_id]

    def shared_chat(self, message_id: int) -> Channel | None:
        """The chat (not a channel) where this id is, for calls that name a message by id alone."""
        for channel in self._by_number:
            if not channel.is_channel and channel.message(message_id) is not None:
                return channel
        return None

    def next_message_id(self, channel: Channel) -> int:
        if channel.is_channel:
            return channel.highest_id_ever() + 1
        return self._highest_shared_id() + 1

    def _highest_shared_id(self) -> int:
        shared = [c.highest_id_ever() for c in self._by_number if not c.is_channel]
        return max(shared, default=0)

    def file(self, kind: str, file_id: int, thumb_size: str = "") -> FileRecord | None:
        """`kind` is "document" or "photo"; None when there is no such file.

        An empty `thumb_size` is the document itself, or the photo's largest size.
        """
        place = FilePlace.of(file_id)
        if place is None or place.is_photo != (kind == "photo"):
            return None
        if place.channel_number >= len(self._by_number):
            return None
        record = self._by_number[place.channel_number].record_at(place)
        if record is None or thumb_size == "":
            return record
        if kind == "photo" and thumb_size == media.LARGEST_PHOTO_TYPE:
            return record
        return media.thumb_record(record, thumb_size)

    def chat_of_file(self, file_id: int) -> Channel | None:
        place = FilePlace.of(file_id)
        if place is None or place.channel_number >= len(self._by_number):
            return None
        return self._by_number[place.channel_number]

    def older_part_of(self, channel: Channel) -> Channel | None:
        """The group that has become this supergroup."""
        return next((each for each in self._by_number if each.migrated_to is channel), None)

    def record(self, place: FilePlace, file: FilePlan) -> FileRecord:
        file_id = place.file_id()
        return FileRecord(
            file_id=file_id,
            access_hash=derived_number("access", self.seed, file_id),
            dc_id=file.dc_id,
            size_bytes=file.size_bytes,
            seed=derived_number("content", self.seed, file_id),
            content=file.content,
        )

    def reference(self, file_id: int) -> bytes:
        """The file reference that is valid now (https://core.telegram.org/api/file_reference)."""
        epoch = self.file_reference_epoch
        secret = derived_number("reference", self.seed, file_id, epoch)
        return b"\x02" + epoch.to_bytes(4, "big") + secret.to_bytes(16, "big")
