"""A chat as Telegram shows it: identity, pages of messages, and what changes it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Protocol

from pyrogram import raw

from . import media
from .content import FilePlace, FileRecord, derived_number
from .history import FILTER_KINDS, Appended, Edit, History
from .id_sequence import SortedIds, page_ids
from .plan import Contents, Envelope, FilePlan, Leaf, MessagePlan, Recipe

Message = raw.types.Message | raw.types.MessageService
Shown = Message | raw.types.MessageEmpty

CHANNEL_ID_SHIFT = 1_000_000_000_000
"""A channel's marked id is -(this + its own id), as in the bot API."""


@dataclass(frozen=True, order=True)
class ItemKey:
    """Which file: of which chat's message, and which of its files there."""

    chat_id: int
    message_id: int
    index: int = 1

    @property
    def number(self) -> str:
        """What the name of the file begins with, on the remote and where it is staged."""
        return f"{self.message_id}" if self.index == 1 else f"{self.message_id}.{self.index}"

    @classmethod
    def of(cls, chat_id: int, number: str) -> ItemKey:
        """ValueError for what is no such number."""
        message_id, _, index = number.partition(".")
        return cls(chat_id, int(message_id), int(index or 1))

    def __str__(self) -> str:
        return f"message {self.number} of chat {self.chat_id}"


@dataclass(frozen=True)
class WorldItem:
    """A file of a message, as tests compare it with what arrived."""

    chat_id: int
    message_id: int
    kind: str
    file_name: str | None
    mime_type: str
    date: datetime
    file: FileRecord
    index: int = 1

    @property
    def key(self) -> ItemKey:
        return ItemKey(self.chat_id, self.message_id, self.index)


class Surroundings(Protocol):
    """What a chat asks of the world that it is in."""

    seed: int
    home_dc_id: int
    other_user_id: int
    append_lock: threading.RLock
    on_append: list[Callable[[Channel, int, object], None]]
    on_edit: list[Callable[[Channel, int, object], None]]

    @property
    def own_user_id(self) -> int: ...

    def next_message_id(self, channel: Channel) -> int: ...

    def record(self, place: FilePlace, file: FilePlan) -> FileRecord: ...

    def reference(self, file_id: int) -> bytes: ...


class Channel:
    """Any chat: kind "channel", "supergroup", "monoforum", "group", "user" or "saved".

    A "monoforum" holds the direct messages to a channel (https://core.telegram.org/api/monoforum).

    `private`, `joined`, `protected`, `title`, `username`, `bought_usernames`, `archived`,
    `banned`, `migrated_to`, `is_bot`, `is_deleted`, `withheld`, `withheld_as_empty`,
    `inexact_counters`, `uncounted`, `views`, `forwards`, `signatures` and `topics` may be changed
    while the stand-in runs.
    """

    def __init__(
        self,
        world: Surroundings,
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
        self.owned = False
        """Whether the account has made it, and may write there."""
        self.archived = False
        self.banned = False
        """The account was removed: what is left is the dialog, which names a forbidden chat."""
        self.migrated_to: Channel | None = None
        """The supergroup that this group has become. The account knows of both, and an account that
        joined later (``joined`` is false) may not read the group."""
        self.withheld: frozenset[int] = frozenset()
        """Messages that are there and not shown to this account, as those that may not be shown in
        its country: they take their places in pages, from which they are left out then, and are
        counted. A page of 100 comes with 99, or empty."""
        self.withheld_as_empty = False
        """Whether a `messageEmpty` stands where a withheld message is left out of a page."""
        self.inexact_counters: frozenset[type] = frozenset()
        """The filters whose counts are marked as inexact."""
        self.uncounted: frozenset[type] = frozenset()
        """The filters of which messages.getSearchCounters says nothing."""
        self.views: dict[int, int] = {}
        self.forwards: dict[int, int] = {}
        self.signatures: dict[int, str] = {}
        """What a channel's posts say beside their text, where it is not as ever."""
        self.topics: dict[int, str | None] = {}
        """The titles of a forum's topics by their first message; ``None`` for one that is gone. It
        is a forum as soon as there is one."""
        self.discussion: Channel | None = None
        """The group in which the posts of this channel are discussed."""
        self.bought_usernames: tuple[str, ...] = ()
        """Further ones, as from https://core.telegram.org/api/fragment."""
        self.is_bot = False
        self.is_deleted = False
        """A person whose account is no more: nothing but the id is left of it."""
        self.access_hash = derived_number("chat", world.seed, chat_id)
        self.created_date = int(datetime(2021, 3, 4, tzinfo=timezone.utc).timestamp())
        self._lock = threading.RLock()
        self._history = History(recipe)

    @property
    def is_channel(self) -> bool:
        """Whether it counts its own message ids; all other chats of an account share theirs."""
        return self.kind in ("channel", "supergroup", "monoforum")

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
            return self._history.newest_id()

    def message(self, message_id: int) -> Message | None:
        """None for a message that never was or is deleted."""
        with self._lock:
            shown = message_id in self._history.ids and message_id not in self.withheld
            return self._message(message_id) if shown else None

    def whole_message(self, message_id: int) -> Message | None:
        """The same, with all of a rich message that pages show in part."""
        with self._lock:
            shown = message_id in self._history.ids and message_id not in self.withheld
            return self._message(message_id, whole=True) if shown else None

    def top(self) -> tuple[int, int]:
        """Id and date of the newest message, shown or not; zeros when there is none."""
        with self._lock:
            return self._history.newest_id(), self._newest_date()

    def page(
        self,
        offset_id: int,
        offset_date: int,
        add_offset: int,
        limit: int,
        max_id: int,
        min_id: int,
    ) -> tuple[list[Shown], int]:
        """A page of messages.getHistory, newest first, and the count of all messages.

        `offset_date` counts only without `offset_id`: the page starts before that date.
        """
        with self._lock:
            if offset_date > 0 and offset_id <= 0:
                offset_id = self._history.first_id_from(offset_date)
            ids = page_ids(
                self._history.ids,
                offset_id=offset_id,
                add_offset=add_offset,
                limit=limit,
                max_id=max_id,
                min_id=min_id,
            )
            return self._shown(ids), len(self._history.ids)

    def replies(
        self,
        topic_id: int,
        offset_id: int,
        offset_date: int,
        add_offset: int,
        limit: int,
        max_id: int,
        min_id: int,
    ) -> tuple[list[Shown], int]:
        """A page of messages.getReplies, like `page`, of one topic of a forum."""
        with self._lock:
            if offset_date > 0 and offset_id <= 0:
                offset_id = self._history.first_id_from(offset_date)
            found = self._in_topic(topic_id, self._history.ids)
            ids = page_ids(
                SortedIds(found),
                offset_id=offset_id,
                add_offset=add_offset,
                limit=limit,
                max_id=max_id,
                min_id=min_id,
            )
            return self._shown(ids), len(found)

    def search(
        self,
        filter_type: type,
        offset_id: int,
        add_offset: int,
        limit: int,
        max_id: int,
        min_id: int,
        query: str = "",
        topic_id: int | None = None,
    ) -> tuple[list[Shown], int]:
        """A page of messages.search, newest first, and the count of all that match.

        KeyError for a filter that the stand-in does not know.
        """
        with self._lock:
            found = self._in_topic(topic_id, self._history.matching(filter_type, query))
            ids = page_ids(
                SortedIds(found),
                offset_id=offset_id,
                add_offset=add_offset,
                limit=limit,
                max_id=max_id,
                min_id=min_id,
            )
            return self._shown(ids), len(found)

    def counters(self, topic_id: int | None = None) -> dict[type, int]:
        """How many messages each filter finds, for messages.getSearchCounters."""
        with self._lock:
            counts = {known: len(self.ids_of(known, topic_id)) for known in FILTER_KINDS}
            counts[raw.types.InputMessagesFilterPinned] = len(self._history.pinned)
            return counts

    def ids_of(self, filter_type: type, topic_id: int | None = None) -> list[int]:
        """The messages that a filter finds, shown or not, oldest first."""
        with self._lock:
            return self._in_topic(topic_id, self._history.matching(filter_type, ""))

    def items(self) -> Iterator[WorldItem]:
        """Every message that holds a file and is shown, oldest first; stickers, too."""
        with self._lock:
            ids = [i for i in self._history.ids if i not in self.withheld]
        for message_id in ids:
            yield from self.items_of(message_id)

    def item(self, message_id: int) -> WorldItem | None:
        """The first file of a message."""
        return next(iter(self.items_of(message_id)), None)

    def items_of(self, message_id: int) -> list[WorldItem]:
        """What the account can have of it: no paid media before it is bought."""
        with self._lock:
            if message_id not in self._history.ids:
                return []
            plan = self._history.plan(message_id)
            envelope = plan.envelope
            if envelope is not None and not (
                envelope.is_posted and self._is_open(message_id, envelope)
            ):
                return []
        return [
            WorldItem(
                chat_id=self.chat_id,
                message_id=message_id,
                kind=file.kind,
                file_name=file.name,
                mime_type=file.mime_type,
                date=datetime.fromtimestamp(plan.date, timezone.utc),
                file=self._record(message_id, file, index=index),
                index=index,
            )
            for index, file in enumerate(plan.files, start=1)
        ]

    def pinned_ids(self) -> list[int]:
        """Newest first."""
        with self._lock:
            return sorted(self._history.pinned, reverse=True)

    def record_at(self, place: FilePlace) -> FileRecord | None:
        """The file at a place, whether its message is deleted or not; None if none was there."""
        with self._lock:
            try:
                first = self._history.first_plan(place.message_id)
            except KeyError:
                return None
            later = self._history.replaced.get(place.message_id, ())
        editions = [first.files, *((file,) for file in later)]
        files = editions[place.edition] if place.edition < len(editions) else ()
        file = files[place.index - 1] if place.index <= len(files) else None
        if place.is_preview:
            file = _preview_plan(first, self.world.home_dc_id)
        if file is None or (file.kind == "photo") != place.is_photo:
            return None
        return self.world.record(place, file)

    def file_and_place(self, message_id: int) -> tuple[FilePlan | None, FilePlace | None]:
        """The file of a message, and where Telegram keeps it; KeyError for no such message."""
        with self._lock:
            file = self._history.plan(message_id).file
            if file is None:
                return None, None
            return file, FilePlace.of(self._record(message_id, file).file_id)

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
        envelope: Envelope | None = None,
        forward: raw.types.MessageFwdHeader | None = None,
        topic_id: int | None = None,
        sender: raw.base.Peer | None = None,
        file_of: tuple[Channel, int] | None = None,
        answers: int | None = None,
        by: object = None,
    ) -> int:
        """Adds a message and returns its id.

        `date` is now unless given, and never earlier than that of the message before.
        `kind` is the file's kind, or "text"; another of `plan.OTHER_KINDS` may be given.
        `file_of` is a chat and a message there whose file is sent again or forwarded: Telegram
        keeps it once, with the id that it has. `envelope` says how the message holds its files, if
        it is not one `file`. `answers` is the message that it answers. `by` is the session that
        sends it, which needs no telling.
        """
        place = None
        if file_of is not None:
            origin, origin_id = file_of
            file, place = origin.file_and_place(origin_id)
        with self.world.append_lock, self._lock:
            message_id = self.world.next_message_id(self)
            plan = MessagePlan(
                kind=kind or (file.kind if file else envelope.name if envelope else "text"),
                date=max(int(time.time()) if date is None else date, self._newest_date()),
                text=text,
                file=file,
                grouped_id=grouped_id,
                envelope=envelope,
            )
            appended = Appended(plan, tuple(entities), forward, topic_id, sender, place, answers)
            self._history.append(message_id, appended)
        for tell in list(self.world.on_append):
            tell(self, message_id, by)
        return message_id

    def delete(self, message_ids: Iterable[int]) -> list[int]:
        """Returns those that were there."""
        with self._lock:
            deleted = [i for i in dict.fromkeys(message_ids) if i in self._history.ids]
            for message_id in deleted:
                self._history.delete(message_id)
            return deleted

    def edit(
        self, message_id: int, text: str, entities: Sequence[raw.base.MessageEntity] = ()
    ) -> bool:
        """False, and no change, when text and entities are what they were.

        KeyError when there is no such message.
        """
        with self._lock:
            if message_id not in self._history.ids:
                raise KeyError(message_id)
            if self._history.text(message_id) == (text, tuple(entities)):
                return False
            self._history.edits[message_id] = Edit(text, tuple(entities), int(time.time()))
            return True

    def replace_file(self, message_id: int, file: FilePlan) -> None:
        """Edit a message to hold another file. KeyError when there is no such message."""
        with self._lock:
            if message_id not in self._history.ids:
                raise KeyError(message_id)
            self._history.replace_file(message_id, file)
            self._history.edits[message_id] = Edit(
                *self._history.text(message_id), int(time.time())
            )
        for tell in list(self.world.on_edit):
            tell(self, message_id, None)

    def buy(self, message_id: int) -> None:
        """The account pays for the message's media."""
        with self._lock:
            self._history.bought.add(message_id)
        for tell in list(self.world.on_edit):
            tell(self, message_id, None)

    def pin(self, message_id: int, on: bool) -> None:
        """KeyError when there is no such message."""
        with self._lock:
            if message_id not in self._history.ids:
                raise KeyError(message_id)
            if on:
                self._history.pinned.add(message_id)
            else:
                self._history.pinned.discard(message_id)

    def highest_id_ever(self) -> int:
        """The greatest id that was ever given out here, deleted or not."""
        return self._history.ids.newest

    # Parts of the above; the caller holds the lock

    def _shown(self, ids: Iterable[int]) -> list[Shown]:
        """What a page of these ids has in it."""
        page: list[Shown] = []
        for message_id in ids:
            if message_id not in self.withheld:
                page.append(self._message(message_id))
            elif self.withheld_as_empty:
                page.append(raw.types.MessageEmpty(id=message_id, peer_id=self.peer))
        return page

    def _in_topic(self, topic_id: int | None, ids: Iterable[int]) -> list[int]:
        """Those of the ids that are in this topic, all for None."""
        if topic_id is None:
            return list(ids)
        appended = self._history.appended
        return [i for i in ids if i in appended and appended[i].topic_id == topic_id]

    def _newest_date(self) -> int:
        newest_id = self._history.newest_id()
        return self._history.date(newest_id) if newest_id else 0

    def _record(
        self, message_id: int, file: FilePlan, is_preview: bool = False, index: int = 1
    ) -> FileRecord:
        place = self._history.other_place(message_id)
        if place is None or is_preview:
            edition = 0 if is_preview else self._history.edition(message_id)
            is_photo = file.kind == "photo"
            place = FilePlace(self.number, message_id, is_photo, is_preview, index, edition)
        return self.world.record(place, file)

    def _is_open(self, message_id: int, envelope: Envelope) -> bool:
        return envelope.closed is None or message_id in self._history.bought

    def _contents(self, message_id: int, plan: MessagePlan, *, whole: bool) -> Contents:
        if plan.envelope is None:
            return Contents(self._media(message_id, plan))
        leaves: list[Leaf] = []
        for index, file in enumerate(plan.files, start=1):
            record = self._record(message_id, file, index=index)
            reference = self.world.reference(record.file_id)
            if file.kind == "photo":
                leaves.append(media.photo(record, reference, plan.date))
            else:
                leaves.append(media.document(file, record, reference, plan.date))
        envelope = plan.envelope
        if envelope.closed is not None and not self._is_open(message_id, envelope):
            return envelope.closed(leaves)
        if envelope.in_part is not None and not whole:
            return envelope.in_part(leaves)
        return envelope.open(leaves)

    def _message(self, message_id: int, *, whole: bool = False) -> Message:
        plan = self._history.plan(message_id)
        contents = self._contents(message_id, plan, whole=whole)
        if plan.kind == "service" or contents.action is not None:
            return raw.types.MessageService(
                id=message_id,
                peer_id=self.peer,
                date=plan.date,
                action=contents.action or self._action(message_id, plan),
                reply_to=contents.reply_to,
                post=self.kind == "channel" or None,
                from_id=self._sender(message_id),
                saved_peer_id=self.peer if self.kind == "saved" else None,
            )
        text, entities = self._history.text(message_id)
        edit = self._history.edits.get(message_id)
        appended = self._history.appended.get(message_id)
        return raw.types.Message(
            id=message_id,
            peer_id=self.peer,
            date=plan.date,
            message=text,
            entities=list(entities) or None,
            media=contents.media,
            rich_message=contents.rich_message,
            post=self.kind == "channel" or None,
            views=self.views.get(message_id, message_id % 977) if self.kind == "channel" else None,
            forwards=self.forwards.get(message_id, 0) if self.kind == "channel" else None,
            post_author=self.signatures.get(message_id),
            from_id=self._sender(message_id),
            saved_peer_id=self.peer if self.kind == "saved" else None,
            fwd_from=appended.forward if appended else None,
            out=True if appended and self.kind not in ("channel", "saved") else None,
            pinned=message_id in self._history.pinned or None,
            noforwards=self.protected or None,
            edit_date=edit.date if edit else None,
            grouped_id=plan.grouped_id,
            reply_to=contents.reply_to or self._reply_header(appended),
        )

    def _reply_header(self, appended: Appended | None) -> raw.types.MessageReplyHeader | None:
        """What answers an answer names what began the thread beside it
        (https://core.telegram.org/api/threads)."""
        if appended is None:
            return None
        if appended.answers is None:
            return _topic_header(appended.topic_id)
        began_id = self._history.thread(appended.answers)
        return raw.types.MessageReplyHeader(
            reply_to_msg_id=appended.answers,
            reply_to_top_id=None if began_id == appended.answers else began_id,
        )

    def _sender(self, message_id: int) -> raw.base.Peer | None:
        appended = self._history.appended.get(message_id)
        if appended is not None and appended.sender is not None:
            return appended.sender
        if self.kind == "channel":
            return None
        if self.kind == "saved" or message_id in self._history.appended:
            return raw.types.PeerUser(user_id=self.world.own_user_id)
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
        preview = _preview_plan(plan, self.world.home_dc_id)
        if preview is None:
            return media.fileless_media(plan.kind, message_id)
        record = self._record(message_id, preview, is_preview=True)
        picture = media.photo(record, self.world.reference(record.file_id), plan.date)
        return media.web_page(message_id, picture)


def _topic_header(topic_id: int | None) -> raw.types.MessageReplyHeader | None:
    """How a message says which topic it is in (https://core.telegram.org/api/forum)."""
    if topic_id is None:
        return None
    return raw.types.MessageReplyHeader(forum_topic=True, reply_to_msg_id=topic_id)


def _preview_plan(plan: MessagePlan, dc_id: int) -> FilePlan | None:
    """The photo in a web page's preview: Telegram serves it, but it is no file of the message."""
    if plan.kind != "web_page":
        return None
    return FilePlan("photo", 30_000, None, "image/jpeg", dc_id)
