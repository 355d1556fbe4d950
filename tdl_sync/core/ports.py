"""What the pipeline asks of the outside, as protocols.

The real parts (``telegram``, ``handoff``, ``done_marks``, ``reporter``) and the in-memory fakes
of the tests meet the same protocols, and the same contract tests run on both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tdl_sync.core.failures import Failure
from tdl_sync.core.model import (
    Chat,
    ChatTotals,
    DoneMark,
    FileIdentity,
    FileNumber,
    FormerFile,
    HistoryEntry,
    HistoryPage,
    ListedFile,
    MarkedFile,
    MediaItem,
    MediaType,
    MessageKey,
    Moved,
    Reading,
    RemoteFile,
    Scope,
    StagedFile,
    TextMessage,
    Waiting,
)
from tdl_sync.core.reports import RunReport
from tdl_sync.core.shards import WHOLE, Shard
from tdl_sync.core.steps import Step

PART_BYTES = 1024 * 1024
"""Parts are whole and aligned (https://core.telegram.org/api/files#downloading-files)."""


class ChatReader(Protocol):
    """Reads a chat. All methods block; call them from worker threads, never from the loop."""

    reads: str
    """Which kinds of messages it can read, in a word: another word, other kinds."""

    def newest_message_id(self, chat: Chat) -> int:
        """The id of the newest message, 0 for an empty chat."""

    def read_ahead(self, chat: Chat, after_id: int) -> Future[Sequence[HistoryEntry]]:
        """Begin to read the page with which ``pages`` of the whole chat will begin after this
        message, which then takes it, unless it has failed. Returns at once; the future gives what
        is in it, in no order, for who prepares for that."""

    def totals(self, chat: Chat) -> ChatTotals:
        """How many files the chat holds, and about how many bytes."""

    def counts(self, chat: Chat) -> Mapping[MediaType, int | None]:
        """Telegram's count of the chat's messages of each kind, ``None`` for one that is inexact.
        What it does not count is missing."""

    def pages(
        self, chat: Chat, after_id: int, up_to_id: int, shard: Shard = WHOLE
    ) -> Iterator[HistoryPage]:
        """All messages of the shard with ``after_id < id <= up_to_id``, oldest first, one call a
        page. The last page ends at ``up_to_id``, whoever holds that."""

    def pages_newest_first(
        self, chat: Chat, after_id: int, up_to_id: int, shard: Shard = WHOLE
    ) -> Iterator[HistoryPage]:
        """The same messages from the other end, newest first within a page, too. The last page
        ends at ``after_id + 1``."""

    def texts(
        self, chat: Chat, after_id: int, up_to_id: int, shard: Shard = WHOLE
    ) -> Iterator[list[TextMessage]]:
        """The text messages among the same, oldest first, a page at a time."""

    def last_id_before(self, chat: Chat, moment: datetime) -> int:
        """The id of the newest message sent before ``moment``, 0 if there is none; one call."""

    def fetch(
        self, chat: Chat, message_ids: Sequence[int], shard: Shard = WHOLE
    ) -> list[HistoryEntry]:
        """All files of these messages as they are now, in this order; a message that is gone comes
        as a ``SkippedItem``. Without those that the shard does not hold."""

    def holds(self, chat: Chat, shard: Shard, message_id: int) -> bool:
        """Whether the shard has this message. Comments go with their posts, and which those are is
        known of what was read and of what was fetched; all others go by their own ids. Any thread
        may ask, and nobody else is asked."""


class PartSource(Protocol):
    """Fetches the bytes of items."""

    def expect(self, items: Sequence[MediaItem]) -> None:
        """Parts of these are likely to be fetched soon: what has to be opened for that is opened
        now. Returns at once."""

    def expect_some(self) -> None:
        """There is something new, and nobody knows yet what. A first connection is opened for it
        where it is likely to be. Returns at once."""

    def fetch_part(self, item: MediaItem, offset_bytes: int, limit_bytes: int) -> Future[bytes]:
        """Ask for one part. ``offset_bytes`` is a multiple of ``PART_BYTES``.

        The future gives the bytes as Telegram sent them, possibly fewer than asked: checking is
        the caller's. It fails with ``ItemFailed``, ``MessageGone``, ``CredentialsRefused`` or
        ``Stopped``. Flood waits and expired file references are dealt with inside.
        """


class HandOff(Protocol):
    """Moves staged files to the remote."""

    def move(
        self, staged: StagedFile, folder: str, name: str, on_bytes: Callable[[int], None]
    ) -> RemoteFile:
        """Upload, verify and delete one staged file; blocks until it is on the remote.

        ``folder`` is the chat's, or a path below it, which is made if it is not there.

        One that ``may_be_there`` already is compared first, once the remote lists what has arrived
        there (``seconds_until_listed``): this waits for that.

        ``on_bytes`` is told how many bytes of the file have been sent so far. When this returns
        the staged file is gone and the remote has it. Raises ``HandOffFailed`` (the file is kept),
        ``CredentialsRefused``, ``ComeBackLater`` or ``Stopped``.
        """

    def seconds_until_listed(self) -> float:
        """What earlier runs have sent is listed then, as far as that can be told."""

    def keep_date(self, file: RemoteFile) -> None:
        """See to it that a file which an earlier run has sent bears its message's date, where that
        takes no other upload. An rclone that was killed may have come to its last byte and not to
        its date. Never raises."""

    def expect_more(self) -> None:
        """An earlier run of this chat may not have ended by itself: what it has sent, whatever our
        own records say, may not be listed yet. To be called before ``prepare_folder``; nothing is
        sent then before it is listed."""

    def nobody_else_makes(self, folder: str) -> None:
        """No other run makes this folder, the chat's, nor has made it just now, as far as anybody
        can tell: where it is not there it is made without waiting for what others make. To be
        called before ``prepare_folder``."""

    def shows(self, file: MarkedFile) -> bool:
        """Whether the remote has this file, by its name and size, in a chat's folder of which it
        has one. Much less is asked than by ``prepare_folder``, and nothing is made or waited for.
        ``False``, too, where that can't be told so."""

    def held_back_while(self, is_so: Callable[[], bool]) -> AbstractContextManager[None]:
        """In this block nothing is sent while ``is_so``: it is asked after every wait, for the
        remote's pace or the day's limit, right before something is sent."""

    def cut(self) -> None:
        """End what is being sent, at once: it may not be ours to send any more. It fails, and may
        be tried again."""

    def look(self, folder: str, name: str) -> ListedFile | None:
        """What the remote has by this name, with its SHA-256 where it can tell one; ``None`` for
        nothing. Waits until it lists what earlier runs have sent. Raises as ``move``."""

    def put(self, content: bytes, folder: str, name: str) -> None:
        """Write a small text of our own, instead of one that is there. Raises as ``move``."""

    def read(self, folder: str, name: str) -> bytes:
        """The content of a text that was ``put``. Raises as ``move``."""

    def remove(self, folder: str, name: str) -> None:
        """Remove a file that was moved, and whose message holds another one by now. Raises as
        ``move``; that it is gone already is no error."""

    def prepare_folder(self, folder: str) -> list[ListedFile]:
        """Make the chat's folder, once, and list what is in it and below, with hashes where the
        remote lists them. Before ``move``."""

    def renew_folder(self, folder: str) -> None:
        """Make the chat's folder, which was prepared long ago, again if somebody has removed it."""

    def elsewhere(self, source: str) -> list[ListedFile]:
        """See ``RemoteFiles``; it waits and fails as ``move``."""

    def find_folder(self, chat_id: int) -> str | None:
        """The folder that an earlier run made for this chat (``… [<chat id>]``), if any."""

    def terminate(self, grace_seconds: float) -> None:
        """Give running moves this long to finish, then end them. Their files are kept."""


class RemoteFiles(Protocol):
    """What lies on the remote, for who only looks. Raises ``TdlSyncError`` classes."""

    def find_folder(self, chat_id: int) -> str | None:
        """As ``HandOff.find_folder``."""

    def files(self, folder: str, *, with_hashes: bool = False) -> list[ListedFile]:
        """What is in the chat's folder and below; empty if there is no such folder. With hashes
        where they are asked for and the remote has them."""

    def read(self, folder: str, name: str) -> bytes | None:
        """The content of a text of ours, ``None`` if it is not there."""

    def elsewhere(self, source: str) -> list[ListedFile]:
        """What lies in any place that rclone knows (``REMOTE:PATH``) and below, with hashes where
        it lists them; empty if there is no such folder."""


class MarkReader(Protocol):
    """What the durable records say; all threads may ask, and nothing is written."""

    def is_done(self, remote: str, key: MessageKey) -> bool: ...

    def marked(self, remote: str, key: MessageKey) -> MarkedFile | None:
        """What the mark of this file says, ``None`` if there is none."""

    def all_done(self, remote: str, chat_id: int, topic_id: int) -> Iterator[FileNumber]:
        """All marked files, in no order but the same each time; lazily, so that the first few cost
        no more where there are many."""

    def file_with(
        self, remote: str, chat_id: int, topic_id: int, file: FileIdentity
    ) -> FileNumber | None:
        """One that is done and whose mark says that it is this file, ``None`` for none."""

    def watermark(self, scope: Scope) -> int:
        """The last saved watermark of the scope, 0 if there is none."""

    def reading(self, scope: Scope) -> Reading:
        """The same, with who has read up to there and what was seen."""

    def failures(self, remote: str, chat_id: int, topic_id: int) -> list[Failure]: ...

    def waiting(self, remote: str, chat_id: int, topic_id: int) -> list[Waiting]:
        """By message id."""

    def former_files(self, remote: str, chat_id: int, topic_id: int) -> list[FormerFile]:
        """What was replaced in its message, and is on the remote all the same."""


class Marks(MarkReader, Protocol):
    """The durable records. What a method wrote is on disk when it returns; all threads may call."""

    def write(
        self, mark: DoneMark, moved_in: Scope | None = None, former: FormerFile | None = None
    ) -> None:
        """Record a file as done, and which file it is, forget its failure, and count it as moved
        in the scope whose run has moved it: all or nothing. ``None``: it was there already.
        ``former`` is the file of before, which is elsewhere; what lies where the new one lies is
        none any more."""

    def forget_former(self, remote: str, former: FormerFile) -> None:
        """It is not on the remote any more, or not what it was."""

    def note_copies(self, remote: str, key: MessageKey) -> None:
        """Other messages rely on this one's file; durable on return."""

    def moved(self, scope: Scope) -> Moved:
        """By all runs of the scope that are known of here."""

    def learn_moved(self, scope: Scope, moved: Moved) -> None:
        """What is known elsewhere of the same; durable on return."""

    def ids_of_unknown_files(self, remote: str, chat_id: int, topic_id: int) -> list[int]:
        """The messages of which a mark does not say which file it is of.

        Slow, and empty once ``files_are_known`` was called.
        """

    def learn_file(self, remote: str, item: MediaItem) -> None:
        """Add to the message's mark which file it is, if that can be told from the message now."""

    def files_are_known(self, remote: str, chat_id: int, topic_id: int) -> None:
        """What could be learnt of the marks that did not say their file was learnt."""

    def save_watermark(
        self, scope: Scope, message_id: int, seen: Mapping[MediaType, int] | None = None
    ) -> None:
        """``seen`` are the messages up to there by kind, ``None`` where that is not known."""

    def record_failure(self, remote: str, failure: Failure) -> Failure:
        """Remember it, adding its attempts to those recorded; returns the sum."""

    def record_failures(self, remote: str, failures: Iterable[Failure]) -> list[Failure]:
        """The same for many at once: all are durable together, or none."""

    def replace_mark(self, remote: str, failure: Failure) -> None:
        """Remove the mark of a message and record why: both are durable, or neither."""

    def wait_for(
        self, remote: str, chat_id: int, topic_id: int, messages: Iterable[Waiting]
    ) -> None:
        """Remember these, instead of what was remembered of the same messages."""

    def stop_waiting(
        self, remote: str, chat_id: int, topic_id: int, message_ids: Iterable[int]
    ) -> None: ...

    def forget_failure(self, remote: str, key: MessageKey) -> None: ...

    def forget_failures(self, remote: str, keys: Iterable[MessageKey]) -> None: ...


@dataclass(frozen=True)
class SavedText:
    """One own text message in Saved Messages. ``text`` is a plain ``str``."""

    message_id: int
    text: str
    edited_at: datetime
    pinned: bool


class SavedMessagesReader(Protocol):
    """What is in Saved Messages. Calls block; they raise ``TdlSyncError`` classes only."""

    def find(self, header: str) -> list[SavedText]:
        """All own messages (no forwards) that begin with ``header``, pinned or not."""

    def read(self, message_id: int) -> SavedText | None:
        """One message as it is now, ``None`` if it is gone."""


class SavedMessages(SavedMessagesReader, Protocol):
    """The state messages' home, to be written, too."""

    def send(self, text: str) -> SavedText:
        """Send as plain text, silently. From then on every ``find`` sees it."""

    def send_pinned(self, text: str) -> SavedText:
        """Send as plain text, silently, and pin without a notice: soon, or never where Telegram
        does not take that."""

    def edit(self, message_id: int, text: str) -> bool:
        """Edit in place; the same text again is no error. False if the message is gone."""

    def delete(self, message_ids: Iterable[int]) -> None: ...


class Notices(Protocol):
    """Is told what a person should know, from any thread; must return quickly and never raises."""

    def waiting(self, what: str, why: str, until: datetime | None) -> None:
        """Something waits (a flood wait, a rate limit, a dead network); one clear line."""

    def message(self, line: str) -> None:
        """A line for the log: a start, a deletion from the staging disk, or a warning, which
        begins with ``warning: ``."""


class ProgressListener(Notices, Protocol):
    """Shows one chat after the other, and what happens to its files meanwhile."""

    def started(
        self, chat: Chat, totals: ChatTotals, budget_bytes: int, account: Callable[[], RunReport]
    ) -> None:
        """Files of this chat are moved from here on; ``account`` says at any time what has become
        of them."""

    def counted(self, chat: Chat, totals: ChatTotals) -> None:
        """Telegram's count of a chat that was ``started`` without it, whenever it comes."""

    def told(self, step: Step) -> None:
        """Of a file of the chat that was ``started``."""

    def held(self, chat: Chat, *, is_ours: bool) -> None:
        """Whether the chat is certain to be this run's, among all machines."""

    def idle(self, why: str) -> None:
        """Nothing is moved until ``started`` is called again, for this reason."""

    def finished(self, chat: Chat, report: RunReport) -> None:
        """The run over this chat has ended: bars are gone, the summary is printed."""


class OnNews(Protocol):
    """Is told by Telegram itself, on the loop."""

    def __call__(self, chat_id: int | None, edited_id: int | None = None, /) -> None:
        """Told the id of a chat that has something new; ``None``: any chat may. With ``edited_id``
        that message is what is new of it."""
