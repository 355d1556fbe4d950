"""Account, chats and files of one stand-in: plain Python, no sockets, no event loop.

Nothing is stored for a message until it is appended, edited or deleted: whatever a chat starts
with is computed from the seed each time that somebody asks. All methods may be called from any
thread.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from pyrogram import raw

from standins.telegram import media
from standins.telegram.content import FilePlace, FileRecord, derived_number
from standins.telegram.id_sequence import LiveIds, SortedIds, page_ids
from standins.telegram.plan import DELETED, FilePlan, MessagePlan, Recipe

Message = raw.types.Message | raw.types.MessageService

CHANNEL_ID_SHIFT = 1_000_000_000_000
"""A channel's marked id is -(this + its own id), as in the bot API."""

FILTER_KINDS: dict[type, frozenset[str]] = {
    raw.types.InputMessagesFilterPhotos: frozenset({"photo"}),
    raw.types.InputMessagesFilterVideo: frozenset({"video"}),
    raw.types.InputMessagesFilterPhotoVideo: frozenset({"photo", "video"}),
    raw.types.InputMessagesFilterDocument: frozenset({"document"}),
    raw.types.InputMessagesFilterMusic: frozenset({"audio"}),
    raw.types.InputMessagesFilterVoice: frozenset({"voice"}),
    raw.types.InputMessagesFilterRoundVideo: frozenset({"video_note"}),
    raw.types.InputMessagesFilterRoundVoice: frozenset({"voice", "video_note"}),
    raw.types.InputMessagesFilterGif: frozenset({"animation"}),
    raw.types.InputMessagesFilterUrl: frozenset({"link", "web_page"}),
    raw.types.InputMessagesFilterPoll: frozenset({"poll"}),
    raw.types.InputMessagesFilterGeo: frozenset({"geo"}),
    raw.types.InputMessagesFilterContacts: frozenset({"contact"}),
    raw.types.InputMessagesFilterChatPhotos: frozenset(),
    raw.types.InputMessagesFilterPhoneCalls: frozenset(),
    raw.types.InputMessagesFilterMyMentions: frozenset(),
}


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
class WorldItem:
    """A message that holds a file, as tests compare it with what arrived."""

    message_id: int
    kind: str
    file_name: str | None
    mime_type: str
    date: datetime
    file: FileRecord


@dataclass(frozen=True)
class _Edit:
    text: str
    entities: tuple[raw.base.MessageEntity, ...]
    date: int


@dataclass(frozen=True)
class _Appended:
    plan: MessagePlan
    entities: tuple[raw.base.MessageEntity, ...]


class Channel:
    """Any chat: kind "channel", "supergroup", "group", "user" or "saved".

    `private`, `joined`, `protected`, `title` and `username` may be changed while the stand-in runs.
    """

    def __init__(
        self,
        world: World,
        *,
        number: int,
        chat_id: int,
        kind: str,
        title: str,
        recipe: Recipe | None = None,
        username: str | None = None,
        invite_hash: str | None = None,
        joined: bool = True,
        protected: bool = False,
    ) -> None:
        self.world = world
        self.number = number
        self.chat_id = chat_id
        self.kind = kind
        self.title = title
        self.username = username
        self.invite_hash = invite_hash
        self.joined = joined
        self.protected = protected
        self.private = False
        self.access_hash = derived_number("chat", world.seed, chat_id)
        self.created_date = int(datetime(2021, 3, 4, tzinfo=timezone.utc).timestamp())
        self._recipe = recipe
        self._lock = threading.RLock()
        self._appended: dict[int, _Appended] = {}
        self._edits: dict[int, _Edit] = {}
        self._pinned: set[int] = set()
        self._ids_by_filter: dict[type, list[int]] = {}
        gaps = [] if recipe is None else _positions(recipe.kinds(), frozenset({DELETED}))
        self._ids = LiveIds(0 if recipe is None else recipe.newest_id, gaps)

    @property
    def is_channel(self) -> bool:
        """Whether it counts its own message ids; all other chats of an account share theirs."""
        return self.kind in ("channel", "supergroup")

    @property
    def raw_id(self) -> int:
        """The id as raw types carry it."""
        if self.is_channel:
            return -self.chat_id - CHANNEL_ID_SHIFT
        return abs(self.chat_id)

    @property
    def peer(self) -> raw.types.PeerChannel | raw.types.PeerChat | raw.types.PeerUser:
        if self.is_channel:
            return raw.types.PeerChannel(channel_id=self.raw_id)
        if self.kind == "group":
            return raw.types.PeerChat(chat_id=self.raw_id)
        return raw.types.PeerUser(user_id=self.raw_id)

    # Reading

    def newest_id(self) -> int:
        """The id of the newest message that is still there, 0 when there is none."""
        with self._lock:
            return self._ids.nth(len(self._ids) - 1) if len(self._ids) else 0

    def message(self, message_id: int) -> Message | None:
        """None for a message that never was or is deleted."""
        with self._lock:
            return self._message(message_id) if message_id in self._ids else None

    def page(
        self,
        offset_id: int,
        offset_date: int,
        add_offset: int,
        limit: int,
        max_id: int,
        min_id: int,
    ) -> tuple[list[Message], int]:
        """A page of messages.getHistory, newest first, and the count of all messages.

        `offset_date` counts only without `offset_id`: the page starts before that date.
        """
        with self._lock:
            if offset_date > 0 and offset_id <= 0:
                offset_id = self._first_id_from(offset_date)
            ids = page_ids(
                self._ids,
                offset_id=offset_id,
                add_offset=add_offset,
                limit=limit,
                max_id=max_id,
                min_id=min_id,
            )
            return [self._message(i) for i in ids], len(self._ids)

    def search(
        self,
        filter_type: type,
        offset_id: int,
        add_offset: int,
        limit: int,
        max_id: int,
        min_id: int,
        query: str = "",
    ) -> tuple[list[Message], int]:
        """A page of messages.search, newest first, and the count of all that match.

        KeyError for a filter that the stand-in does not know.
        """
        with self._lock:
            found = self._matching(filter_type, query)
            ids = page_ids(
                SortedIds(found),
                offset_id=offset_id,
                add_offset=add_offset,
                limit=limit,
                max_id=max_id,
                min_id=min_id,
            )
            return [self._message(i) for i in ids], len(found)

    def counters(self) -> dict[type, int]:
        """How many messages each filter finds, for messages.getSearchCounters."""
        with self._lock:
            counts = {known: len(self._matching(known, "")) for known in FILTER_KINDS}
            counts[raw.types.InputMessagesFilterPinned] = len(self._pinned)
            return counts

    def items(self) -> Iterator[WorldItem]:
        """Every message that holds a file, oldest first; stickers, too."""
        with self._lock:
            ids = list(self._ids)
        for message_id in ids:
            item = self.item(message_id)
            if item is not None:
                yield item

    def item(self, message_id: int) -> WorldItem | None:
        with self._lock:
            if message_id not in self._ids:
                return None
            plan = self._plan(message_id)
        if plan.file is None:
            return None
        return WorldItem(
            message_id=message_id,
            kind=plan.file.kind,
            file_name=plan.file.name,
            mime_type=plan.file.mime_type,
            date=datetime.fromtimestamp(plan.date, timezone.utc),
            file=self._record(message_id, plan.file),
        )

    def pinned_ids(self) -> list[int]:
        """Newest first."""
        with self._lock:
            return sorted(self._pinned, reverse=True)

    def record_at(self, place: FilePlace) -> FileRecord | None:
        """The file at a place, whether its message is deleted or not; None if none was there."""
        with self._lock:
            plan = self._plan_or_none(place.message_id)
        if plan is None:
            return None
        file = preview_plan(self.world, plan) if place.is_preview else plan.file
        if file is None or (file.kind == "photo") != place.is_photo:
            return None
        return self._record(place.message_id, file, is_preview=place.is_preview)

    # Changing

    def append(
        self,
        text: str = "",
        *,
        entities: Sequence[raw.base.MessageEntity] = (),
        file: FilePlan | None = None,
        kind: str | None = None,
        date: int | None = None,
        grouped_id: int | None = None,
    ) -> int:
        """Adds a message and returns its id. `date` is now unless given.

        `kind` is the file's kind, or "text"; another of `plan.OTHER_KINDS` may be given.
        """
        with self.world.append_lock, self._lock:
            message_id = self.world.next_message_id(self)
            plan = MessagePlan(
                kind=kind or (file.kind if file else "text"),
                date=int(time.time()) if date is None else date,
                text=text,
                file=file,
                grouped_id=grouped_id,
            )
            self._appended[message_id] = _Appended(plan, tuple(entities))
            self._ids.append(message_id)
            self._ids_by_filter.clear()
            return message_id

    def delete(self, message_ids: Iterable[int]) -> list[int]:
        """Returns those that were there."""
        with self._lock:
            deleted = [i for i in dict.fromkeys(message_ids) if i in self._ids]
            for message_id in deleted:
                self._ids.delete(message_id)
                self._pinned.discard(message_id)
            self._ids_by_filter.clear()
            return deleted

    def edit(
        self, message_id: int, text: str, entities: Sequence[raw.base.MessageEntity] = ()
    ) -> bool:
        """False, and no change, when text and entities are what they were.

        KeyError when there is no such message.
        """
        with self._lock:
            if message_id not in self._ids:
                raise KeyError(message_id)
            if self._text(message_id) == (text, tuple(entities)):
                return False
            self._edits[message_id] = _Edit(text, tuple(entities), int(time.time()))
            return True

    def pin(self, message_id: int, on: bool) -> None:
        """KeyError when there is no such message."""
        with self._lock:
            if message_id not in self._ids:
                raise KeyError(message_id)
            if on:
                self._pinned.add(message_id)
            else:
                self._pinned.discard(message_id)

    def highest_id_ever(self) -> int:
        """The greatest id that was ever given out here, deleted or not."""
        return self._ids.newest

    # Parts of the above; the caller holds the lock

    def _plan(self, message_id: int) -> MessagePlan:
        appended = self._appended.get(message_id)
        if appended is not None:
            return appended.plan
        assert self._recipe is not None
        return self._recipe.plan(message_id)

    def _plan_or_none(self, message_id: int) -> MessagePlan | None:
        if message_id in self._appended:
            return self._appended[message_id].plan
        if self._recipe is None or not 1 <= message_id <= self._recipe.newest_id:
            return None
        return None if self._recipe.kind(message_id) == DELETED else self._recipe.plan(message_id)

    def _kind(self, message_id: int) -> str:
        appended = self._appended.get(message_id)
        if appended is not None:
            return appended.plan.kind
        assert self._recipe is not None
        return self._recipe.kind(message_id)

    def _date(self, message_id: int) -> int:
        appended = self._appended.get(message_id)
        if appended is not None:
            return appended.plan.date
        assert self._recipe is not None
        return self._recipe.date(message_id)

    def _text(self, message_id: int) -> tuple[str, tuple[raw.base.MessageEntity, ...]]:
        if message_id in self._edits:
            return self._edits[message_id].text, self._edits[message_id].entities
        appended = self._appended.get(message_id)
        if appended is not None:
            return appended.plan.text, appended.entities
        plan = self._plan(message_id)
        return plan.text, link_entities(plan)

    def _first_id_from(self, date: int) -> int:
        lowest, highest = 0, len(self._ids)
        while lowest < highest:
            middle = (lowest + highest) // 2
            if self._date(self._ids.nth(middle)) >= date:
                highest = middle
            else:
                lowest = middle + 1
        return self._ids.nth(lowest) if lowest < len(self._ids) else 0

    def _matching(self, filter_type: type, query: str) -> Sequence[int]:
        words = _words(query)
        ids = self._ids_for(filter_type)
        if not query:
            return ids
        return [i for i in ids if words and _holds_words(self._text(i)[0], words)]

    def _ids_for(self, filter_type: type) -> list[int]:
        if filter_type is raw.types.InputMessagesFilterPinned:
            return sorted(self._pinned)
        if filter_type is raw.types.InputMessagesFilterEmpty:
            return list(self._ids)
        ids = self._ids_by_filter.get(filter_type)
        if ids is None:
            kinds = FILTER_KINDS[filter_type]
            started = [] if self._recipe is None else _positions(self._recipe.kinds(), kinds)
            added = [i for i, message in self._appended.items() if message.plan.kind in kinds]
            ids = [i for i in started + added if i in self._ids]
            self._ids_by_filter[filter_type] = ids
        return ids

    def _record(self, message_id: int, file: FilePlan, is_preview: bool = False) -> FileRecord:
        place = FilePlace(self.number, message_id, file.kind == "photo", is_preview)
        return self.world.record(place, file)

    def _message(self, message_id: int) -> Message:
        plan = self._plan(message_id)
        if plan.kind == "service":
            return raw.types.MessageService(
                id=message_id,
                peer_id=self.peer,
                date=plan.date,
                action=self._action(message_id, plan),
                post=self.kind == "channel" or None,
                from_id=self._sender(message_id),
                saved_peer_id=self.peer if self.kind == "saved" else None,
            )
        text, entities = self._text(message_id)
        edit = self._edits.get(message_id)
        return raw.types.Message(
            id=message_id,
            peer_id=self.peer,
            date=plan.date,
            message=text,
            entities=list(entities) or None,
            media=self._media(message_id, plan),
            post=self.kind == "channel" or None,
            views=message_id % 977 if self.kind == "channel" else None,
            from_id=self._sender(message_id),
            saved_peer_id=self.peer if self.kind == "saved" else None,
            pinned=message_id in self._pinned or None,
            noforwards=self.protected or None,
            edit_date=edit.date if edit else None,
            grouped_id=plan.grouped_id,
        )

    def _sender(self, message_id: int) -> raw.types.PeerUser | None:
        if self.kind == "channel":
            return None
        if self.kind == "saved" or message_id in self._appended:
            return raw.types.PeerUser(user_id=self.world.account.user_id)
        return raw.types.PeerUser(user_id=self.world.other_user_id)

    def _action(self, message_id: int, plan: MessagePlan) -> raw.base.MessageAction:
        if message_id == 1 and self.is_channel:
            return raw.types.MessageActionChannelCreate(title=self.title)
        if message_id % 2:
            return raw.types.MessageActionPinMessage()
        return raw.types.MessageActionChatEditTitle(title=plan.text or self.title)

    def _media(self, message_id: int, plan: MessagePlan) -> raw.base.MessageMedia | None:
        if plan.file is not None:
            record = self._record(message_id, plan.file)
            reference = self.world.reference(record.file_id)
            return media.message_media(plan.file, record, reference, plan.date)
        preview = preview_plan(self.world, plan)
        if preview is None:
            return media.fileless_media(plan.kind, message_id)
        record = self._record(message_id, preview, is_preview=True)
        picture = media.photo(record, self.world.reference(record.file_id), plan.date)
        return media.web_page(message_id, picture)


class World:
    """One account, its chats, and all files that they hold."""

    def __init__(self, *, seed: int, account: Account, home_dc_id: int = 2) -> None:
        self.seed = seed
        self.account = account
        self.home_dc_id = home_dc_id
        self.other_user_id = 700_000_000 + derived_number("other user", seed, bits=20)
        self.channels: dict[int, Channel] = {}
        self.file_reference_epoch = 1
        self.append_lock = threading.RLock()
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

    def record(self, place: FilePlace, file: FilePlan) -> FileRecord:
        file_id = place.file_id()
        return FileRecord(
            file_id=file_id,
            access_hash=derived_number("access", self.seed, file_id),
            dc_id=file.dc_id,
            size_bytes=file.size_bytes,
            seed=derived_number("content", self.seed, file_id),
        )

    def reference(self, file_id: int) -> bytes:
        """The file reference that is valid now (https://core.telegram.org/api/file_reference)."""
        epoch = self.file_reference_epoch
        secret = derived_number("reference", self.seed, file_id, epoch)
        return b"\x02" + epoch.to_bytes(4, "big") + secret.to_bytes(16, "big")


def preview_plan(world: World, plan: MessagePlan) -> FilePlan | None:
    """The photo in a web page's preview: Telegram serves it, but it is no file of the message."""
    if plan.kind != "web_page":
        return None
    return FilePlan("photo", 30_000, None, "image/jpeg", world.home_dc_id)


_URL = re.compile(r"https?://\S+")


def link_entities(plan: MessagePlan) -> tuple[raw.base.MessageEntity, ...]:
    """Telegram marks links by offset and length in UTF-16 units."""
    if plan.kind not in ("link", "web_page"):
        return ()
    return tuple(
        raw.types.MessageEntityUrl(
            offset=_utf16_units(plan.text[: found.start()]), length=_utf16_units(found.group())
        )
        for found in _URL.finditer(plan.text)
    )


def _utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _positions(kinds: Sequence[str], wanted: frozenset[str]) -> list[int]:
    return [index for index, kind in enumerate(kinds, 1) if kind in wanted]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _holds_words(text: str, wanted: Sequence[str]) -> bool:
    words = _words(text)
    return all(any(word.startswith(start) for word in words) for start in wanted)
