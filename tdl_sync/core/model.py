"""What flows through the program: frozen records, chained so that no stage can be skipped.

    MediaItem -> Reservation -> StagedFile -> RemoteFile -> DoneMark

A ``StagedFile`` can only be made from a ``Reservation``, and a ``DoneMark`` only from a
``RemoteFile``, which itself needs a staged file that was moved or an entry of the remote's own
listing. Nothing here does any work; every module may import it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path

from tdl_sync.core.shards import WHOLE, Shard


class LocationKind(str, Enum):
    """Which of Telegram's two file stores holds a file."""

    DOCUMENT = "document"
    PHOTO = "photo"


@dataclass(frozen=True)
class FileLocation:
    """Where Telegram keeps the bytes (https://core.telegram.org/api/files).

    ``file_reference`` ends after some hours; the message then has to be fetched again.
    ``thumb_size`` names the size of a photo that is meant, and is empty for documents.
    """

    kind: LocationKind
    dc_id: int
    file_id: int
    access_hash: int
    file_reference: bytes = field(repr=False)
    thumb_size: str = ""


@dataclass(frozen=True)
class FileIdentity:
    """Which of Telegram's files a message holds: the same when it is forwarded or sent again.

    A photo has one id in all its sizes, and a size may be declared wrongly, so that only files
    of one id and one size count as the same.
    """

    kind: LocationKind
    file_id: int
    size_bytes: int


@dataclass(frozen=True)
class TextEntity:
    """A part of a text that is marked: bold, a link, a mention …

    ``offset`` and ``length`` are in UTF-16 units (https://core.telegram.org/api/entities).
    ``target`` is what a link points to, where the text itself does not say it.
    """

    kind: str
    offset: int
    length: int
    target: str | None = None


@dataclass(frozen=True)
class MessageDetails:
    """What a message says beside its file, all of it hostile.

    ``caption`` and ``entities`` are the message's own; ``album_caption`` is the text of the other
    messages of its album, of which usually one has any. Ids of chats are marked ids.
    ``sender_name`` is what the sender is called, or signs with, and ``topic_name`` the topic's
    title; both are empty where they are not known.
    """

    caption: str = ""
    entities: tuple[TextEntity, ...] = ()
    album_id: int | None = None
    album_caption: str = ""
    sender_id: int | None = None
    reply_to_id: int | None = None
    topic_id: int | None = None
    forwarded_from_id: int | None = None
    views: int | None = None
    edited_at: datetime | None = None
    forwards: int | None = None
    sender_name: str = ""
    topic_name: str = ""


@dataclass(frozen=True)
class Shape:
    """How large a picture is and how long it, or a sound, lasts; 0 where that is not said."""

    width: int = 0
    height: int = 0
    duration_seconds: float = 0.0


@dataclass(frozen=True)
class TextMessage:
    """A message that holds a text and no file. ``details.caption`` is its text; UTC."""

    message_id: int
    date: datetime
    details: MessageDetails


class MediaType(str, Enum):
    """The kinds of file that a message can hold. The value is what a user reads and types."""

    DOCUMENT = "document"
    VIDEO = "video"
    AUDIO = "audio"
    VOICE = "voice"
    VIDEO_NOTE = "video_note"
    ANIMATION = "animation"
    PHOTO = "photo"
    STICKER = "sticker"


class ChatKind(str, Enum):
    """What sort of chat is read."""

    CHANNEL = "channel"
    SUPERGROUP = "supergroup"
    DIRECT_MESSAGES = "direct messages"
    GROUP = "group"
    USER = "user"
    SAVED_MESSAGES = "saved messages"


@dataclass(frozen=True)
class Chat:
    """A chat that was found and may be read. ``id`` is the marked id (``-100…`` for channels).

    ``topic_id`` is the one topic of a forum that is wanted, 0 for all. ``comments_on_id`` is the
    channel whose posts are discussed here, if that is why the chat is read. ``became_id`` is the
    supergroup that this group has become: nothing new comes here. ``asked_as`` is what the user
    typed, empty where it was found on the way.
    """

    id: int
    title: str
    kind: ChatKind
    username: str | None = None
    topic_id: int = 0
    comments_on_id: int | None = None
    became_id: int | None = None
    asked_as: str = field(default="", compare=False)


FIRST = 1
"""The index of a message's first file: most messages hold no other."""


@dataclass(frozen=True, order=True, slots=True)
class FileNumber:
    """Which file of a chat: of which message, and its ``index`` there, from 1 on."""

    message_id: int
    index: int = FIRST

    def __str__(self) -> str:
        """``4711``, and ``4711.2`` for a message's second file."""
        return str(self.message_id) if self.index == FIRST else f"{self.message_id}.{self.index}"


@dataclass(frozen=True, order=True)
class MessageKey:
    """Which file of which message. ``topic_id`` is 0 outside forum topics and discussions.

    The topic is part of the key because the comments of a channel's posts have ids of their own,
    which overlap the ids of the posts.
    """

    chat_id: int
    topic_id: int
    message_id: int
    index: int = FIRST

    @property
    def number(self) -> FileNumber:
        return FileNumber(self.message_id, self.index)


@dataclass(frozen=True)
class MediaItem:
    """One of the files that a message holds: downloaded and uploaded as one.

    ``file_name`` is what the sender wrote, untouched and hostile; ``None`` for nameless media.
    ``size_bytes`` is what Telegram declares; 0 is a valid empty file. ``date`` is UTC.
    """

    key: MessageKey
    media_type: MediaType
    file_name: str | None
    mime_type: str
    size_bytes: int
    date: datetime
    location: FileLocation
    details: MessageDetails = field(default_factory=MessageDetails, compare=False, repr=False)
    shape: Shape = field(default_factory=Shape, compare=False, repr=False)

    @property
    def message_id(self) -> int:
        return self.key.message_id

    @property
    def number(self) -> FileNumber:
        return self.key.number

    @property
    def identity(self) -> FileIdentity:
        return FileIdentity(self.location.kind, self.location.file_id, self.size_bytes)

    @property
    def identity_if_unedited(self) -> FileIdentity | None:
        """For what was moved or staged by an earlier run, of which only the size is known: an
        edit may have put another file into the message since."""
        return self.identity if self.details.edited_at is None else None


@dataclass(frozen=True)
class SkippedItem:
    """A file of a message that a rule leaves out, or that is gone. Never marked as done."""

    key: MessageKey
    rule: str


LOCKED = "paid media that is not bought"
UNSUPPORTED = "a kind of media that this version can't read"

IN_PART = "a long message that Telegram does not give whole"

MAY_OPEN = frozenset({LOCKED, UNSUPPORTED, IN_PART})
"""What is left out by these rules may be a file at another time: it is looked at again."""

MAY_OPEN_ANY_TIME = frozenset({LOCKED, IN_PART})
"""By these, every run looks at it again; by the other, a version that reads more."""


@dataclass(frozen=True)
class Waiting:
    """A message that was passed though it holds what may be a file at another time (``MAY_OPEN``).

    ``locked``: it may be open at any time (``MAY_OPEN_ANY_TIME``). ``seen_by`` says what has read
    it (``ChatReader.reads``): another version may read what this one could not.
    """

    message_id: int
    locked: bool
    seen_by: str

    def is_due(self, reads: str) -> bool:
        """Whether it is worth another look by a reader that ``reads`` so."""
        return self.locked or self.seen_by != reads


HistoryEntry = MediaItem | SkippedItem


@dataclass(frozen=True)
class HistoryPage:
    """One answer of Telegram's history: its files, and the id up to which all was read.

    ``messages`` counts all messages of the page, those without a file too. Pages without a
    single file still move ``read_up_to_id``. Where the newest come first, it is the lowest id of
    what was read. ``kinds`` are all messages that Telegram may count as one of these kinds, by id,
    with those whose files are left out or gone.
    """

    entries: tuple[HistoryEntry, ...]
    messages: int
    read_up_to_id: int
    kinds: tuple[tuple[int, MediaType], ...] = ()


@dataclass(frozen=True)
class Amount:
    """So many files, with so many bytes in all."""

    files: int
    bytes: int


NOTHING = Amount(0, 0)


@dataclass(frozen=True)
class ChatTotals:
    """What a chat holds by Telegram's own counters, before anything is read.

    Files are counted by Telegram (an upper bound: it also counts what rules skip); bytes are
    extrapolated from ``sampled_files`` recent ones, an estimate that is shown as one. ``before`` is
    what of it earlier runs have moved, and this one will not come to see.
    """

    files: int
    estimated_bytes: int
    sampled_files: int
    before: Amount = NOTHING


NOT_COUNTED = ChatTotals(0, 0, 0)
"""Nothing is known."""


@dataclass(frozen=True)
class Reservation:
    """Room on the staging disk for one item, taken before its first byte is asked for.

    ``reserved_bytes`` is the item's size rounded up to whole blocks of the file system, since
    that is what the file will really take.
    """

    item: MediaItem
    reserved_bytes: int


@dataclass(frozen=True)
class StagedFile:
    """A complete download, its size checked, on disk and synced.

    ``is_known``: it is certain that it is the file that its message holds now, and not one that it
    held before. ``may_be_there``: a hand-off of it has begun before, so that the remote may have it
    already.
    """

    reservation: Reservation
    path: Path
    is_known: bool = True
    may_be_there: bool = False

    @property
    def item(self) -> MediaItem:
        return self.reservation.item

    @property
    def identity(self) -> FileIdentity | None:
        """Which file these bytes are, ``None`` where that is not certain."""
        return self.item.identity if self.is_known else self.item.identity_if_unedited


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One file as the remote's own listing shows it.

    ``subfolder`` is its path below the chat's folder, empty for what lies there itself.
    ``sha256`` is ``None`` where the listing was not asked for it or has none. ``other_hash`` is one
    that it has instead, by which two files of one listing can be compared. ``remote_id`` is what
    the remote knows the file by, whatever its name; empty on remotes without.
    """

    name: str
    size_bytes: int
    subfolder: str = ""
    sha256: str | None = None
    other_hash: str | None = None
    remote_id: str = ""


@dataclass(frozen=True, slots=True)
class AdoptedFile:
    """A file that another program has moved, and that a person had taken for done (``adopt``).

    ``path`` is below ``source`` (``REMOTE:PATH``), which need not be the run's remote. ``sha256``
    is what its listing said then, ``identity`` which of Telegram's files its message held.
    """

    number: FileNumber
    source: str
    path: str
    size_bytes: int
    sha256: str | None = None
    identity: FileIdentity | None = None

    def is_of(self, item: MediaItem) -> bool:
        """Whether its message holds this file still, as far as that can be told."""
        if self.size_bytes != item.size_bytes:
            return False
        return self.identity is None or self.identity == item.identity

    @property
    def whole_path(self) -> str:
        """``REMOTE:PATH/…/name``."""
        return path_at(self.source, self.path)


_WITHOUT_PATH = re.compile(r""":?[^:/,'"]+(?:,(?:[^:'"]|'[^']*'|"[^"]*")*)?:""")
"""``REMOTE:``, or a connection string (https://rclone.org/docs/#connection-strings)."""


def path_at(source: str, path: str) -> str:
    """A path below ``REMOTE:PATH``, ``REMOTE:`` or a local directory. The name of a folder may end
    with a colon, too."""
    between = "" if source.endswith("/") or _WITHOUT_PATH.fullmatch(source) else "/"
    return f"{source}{between}{path}"


@dataclass(frozen=True)
class RemoteFile:
    """An item that is on the remote for certain. Made by ``moved``, ``listed`` or ``adopted`` only.

    ``sha256`` is the hash of what was handed off, ``None`` where nothing but its name and size
    speaks for it;
    ``identity`` says which file it is, ``None`` where that is not certain. ``adopted_from`` is the
    place below which another program has put it; then ``folder`` is no path below the chat's
    remote, but a whole one, ``REMOTE:PATH``.
    """

    item: MediaItem
    folder: str
    name: str
    sha256: str | None = None
    identity: FileIdentity | None = None
    adopted_from: str | None = None

    @classmethod
    def moved(cls, staged: StagedFile, folder: str, name: str) -> RemoteFile:
        """The proof is the transfer: rclone exited 0, having really sent or compared the file."""
        return cls(staged.item, folder, name, identity=staged.identity)

    @classmethod
    def listed(cls, item: MediaItem, folder: str, listing: ListedFile) -> RemoteFile:
        """The proof is the remote's listing, which shows this name with the item's size.

        It is no more than that where the listed hash is not the one of what was handed off; who
        knows that it is adds it.
        """
        if listing.size_bytes != item.size_bytes:
            raise ValueError(
                f"{listing.name!r} has {listing.size_bytes} bytes on the remote, "
                f"the message declares {item.size_bytes}"
            )
        return cls(
            item,
            "/".join(filter(None, (folder, listing.subfolder))),
            listing.name,
            identity=item.identity_if_unedited,
        )

    @classmethod
    def adopted(cls, item: MediaItem, file: AdoptedFile) -> RemoteFile:
        """The proof is what was looked at when it was taken for done, and the listing that shows it
        there as it was then."""
        if not file.is_of(item):
            raise ValueError(f"message {item.number} holds another file than {file.path!r}")
        folder, name = folder_and_name(file)
        return cls(item, folder, name, file.sha256, file.identity, file.source)


def folder_and_name(file: AdoptedFile) -> tuple[str, str]:
    """As a mark has them: the folder with its remote, so that no version takes it for one of the
    chat's own."""
    subfolder, _, name = file.path.rpartition("/")
    return path_at(file.source, subfolder).rstrip("/") if subfolder else file.source, name


@dataclass(frozen=True)
class DoneMark:
    """The record that one file of a message is on one remote (``REMOTE:PATH``, as configured)."""

    remote: str
    file: RemoteFile

    @property
    def key(self) -> MessageKey:
        return self.file.item.key


@dataclass(frozen=True)
class Moved:
    """How much all runs of a scope have moved."""

    files: int = 0
    size_bytes: int = 0

    def or_more(self, other: Moved) -> Moved:
        """Of two accounts of the same scope: each may lack what the other one knows of."""
        return Moved(max(self.files, other.files), max(self.size_bytes, other.size_bytes))

    def and_one_of(self, size_bytes: int) -> Moved:
        return Moved(self.files + 1, self.size_bytes + size_bytes)


@dataclass(frozen=True)
class MarkedFile:
    """What a done-mark says of its file; ``sha256`` and ``identity`` where they were known.
    ``has_copies``: other messages with this file were passed over (``--dedupe``), and have no
    other. ``adopted_from`` is as in ``RemoteFile``: it is somebody else's, and never touched."""

    folder: str
    name: str
    size_bytes: int
    sha256: str | None
    identity: FileIdentity | None = None
    has_copies: bool = False
    adopted_from: str | None = None

    @property
    def adopted_path(self) -> str | None:
        """Below ``adopted_from``; ``None`` for what we have moved."""
        if self.adopted_from is None:
            return None
        return path_at(self.folder, self.name).removeprefix(path_at(self.adopted_from, ""))

    def is_replaced_by(self, item: MediaItem) -> bool:
        """Whether the message holds another file now than the one that was moved, as far as that
        can be told: by Telegram's id of it, or, where no mark says that, by its size."""
        if self.identity is None:
            return self.size_bytes != item.size_bytes
        now = item.location
        return (self.identity.kind, self.identity.file_id) != (now.kind, now.file_id)


@dataclass(frozen=True)
class FormerFile:
    """A file on the remote that its message does not hold any more: what the message holds now is
    there, too. ``gives_way``: it is to be removed; else it stays."""

    key: MessageKey
    file: MarkedFile
    gives_way: bool


@dataclass(frozen=True)
class Scope:
    """What a run is about. Two scopes never share a watermark; done-marks they do share.

    ``lower_bound`` is the id of the first message that is asked for (0: from the beginning);
    ``filters`` is a canonical text of everything that leaves items out. Each ``shard`` of the same
    is a scope of its own.
    """

    remote: str
    chat_id: int
    topic_id: int = 0
    filters: str = ""
    lower_bound: int = 0
    shard: Shard = WHOLE

    @property
    def parts(self) -> list[str | int]:
        """For keys. What is no shard has those that it had before there were any."""
        chat: list[str | int] = [self.remote, self.chat_id]
        parts = [*chat, self.topic_id, self.filters, self.lower_bound]
        return parts if self.shard.is_whole else [*parts, str(self.shard)]


READER = 2
"""Which way histories are read by this version. What 1 has passed it may not have seen: it took a
page that was not full for the last one."""


@dataclass(frozen=True)
class Reading:
    """Up to which message a scope was read, and by which ``READER``.

    ``seen`` are the messages up to there by kind, ``None`` where that is not known.
    """

    up_to_id: int
    reader: int = 1
    seen: Mapping[MediaType, int] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all up to there was seen for certain."""
        return self.reader >= READER


def scope_key(scope: Scope) -> str:
    """A short name for a scope, the same on every machine and in every version."""
    return hashlib.sha256(json.dumps(scope.parts).encode()).hexdigest()[:16]
