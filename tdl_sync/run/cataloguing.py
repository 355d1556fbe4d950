"""Keeps a chat's catalogue (``--catalogue``): rows as files are moved, and a copy on the remote.

A row is written when its file is marked. What was moved without one, by an earlier run or on
another machine, is read from Telegram once more, beside the transfers; the catalogue knows up to
which message it is whole, so that is done once. Nothing that goes wrong with it is a reason for the
run to end: it is a warning, and the next run goes on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

from tdl_sync.core.errors import Stopped, TdlSyncError
from tdl_sync.core.futures import in_thread
from tdl_sync.core.model import (
    Chat,
    DoneMark,
    ListedFile,
    MediaItem,
    Scope,
    folder_and_name,
    path_at,
    scope_key,
)
from tdl_sync.core.operating_system import remove_file
from tdl_sync.core.text import utc_text
from tdl_sync.state.catalogue import (
    FILE_NAME,
    Catalogue,
    CatalogueRow,
    CatalogueUnreadable,
    begin_with,
)
from tdl_sync.transfer.job import Job, Stages

PUT_SECONDS = 3600.0
"""The copy on the remote is written no more often, but at the end of a run."""


class Cataloguing(Protocol):
    """What a chat's run tells its catalogue."""

    def begin(self, job: Job) -> None:
        """Read what the catalogue lacks, up to the point from which the run goes on."""

    def moved(self, mark: DoneMark) -> None:
        """Returns at once; never raises."""

    def there(self, item: MediaItem) -> None:
        """A file was found to be on the remote already. The same."""

    def round_ended(self, watermark: int) -> None:
        """Bring the remote's copy up to date. Raises ``Stopped``."""


class NoCatalogue:
    """``Cataloguing`` of a run without."""

    def begin(self, job: Job) -> None: ...
    def moved(self, mark: DoneMark) -> None: ...
    def there(self, item: MediaItem) -> None: ...
    def round_ended(self, watermark: int) -> None: ...


class _RemoteCopy:
    """The copy on the remote, and when it is due. All threads may call."""

    def __init__(
        self,
        stages: Stages,
        folder: str,
        name: str,
        listing: Sequence[ListedFile],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``listing`` is what is in ``folder``."""
        self.is_there = any(each.name == name and not each.subfolder for each in listing)
        self._hand_off = stages.hand_off
        self._folder = folder
        self._name = name
        self._clock = clock
        self._put_at = clock()
        self._putting = threading.Lock()

    @property
    def is_due(self) -> bool:
        return self._clock() >= self._put_at + PUT_SECONDS

    def read(self) -> bytes:
        return self._hand_off.read(self._folder, self._name)

    def put(self, catalogue: Catalogue) -> None:
        """Unless it is there as it is."""
        with self._putting:
            self._put_at = self._clock()
            changes = catalogue.changes
            if changes or not self.is_there:
                self._hand_off.put(catalogue.content(), self._folder, self._name)
                self.is_there = True
                catalogue.sent(changes)

    def put_meanwhile(self, put: Callable[[], None]) -> None:
        """In a thread of its own, unless one is at it."""
        if not self._putting.locked():
            self._put_at = self._clock()
            in_thread(put, "catalogue")


class ChatCatalogue:
    """``Cataloguing`` of one chat. All threads may call."""

    def __init__(
        self,
        chat: Chat,
        remote: str,
        folder: str,
        directory: Path,
        stages: Stages,
        listing: Sequence[ListedFile],
        *,
        is_whole: bool,
    ) -> None:
        """``folder`` is the chat's on the remote, ``listing`` what is in it, ``directory`` that of
        the local copies. ``is_whole``: no file of the chat is left out by this run."""
        self._chat = chat
        self._remote = remote
        self._stages = stages
        topic = f"-topic-{chat.topic_id}" if chat.topic_id else ""
        name = FILE_NAME.replace(".", f"{topic}.")
        self._path = directory / f"{scope_key(Scope(remote, chat.id, chat.topic_id))}.sqlite"
        self._is_whole = is_whole
        self._copy = _RemoteCopy(stages, folder, name, listing)
        self._catalogue: Catalogue | None = None
        self._filling: Future[None] | None = None
        self._is_first_round = True
        self._has_failed = False

    def begin(self, job: Job) -> None:
        self._guarded(self._open)
        if self._catalogue is not None:
            self._filling = in_thread(partial(self._guarded, partial(self._fill, job)), "catalogue")

    def moved(self, mark: DoneMark) -> None:
        file, item = mark.file, mark.file.item
        self._guarded(partial(self._add, item, file.folder, file.name, file.sha256))
        if self._catalogue is not None and self._copy.is_due:
            self._copy.put_meanwhile(partial(self._guarded, partial(self._put, 0)))

    def there(self, item: MediaItem) -> None:
        def add() -> None:
            known = self._stages.marks.marked(self._remote, item.key)
            if known is not None:
                self._add(item, known.folder, known.name, known.sha256)

        self._guarded(add)

    def round_ended(self, watermark: int) -> None:
        filling = self._filling
        if filling is None or not (self._is_first_round or self._copy.is_due):
            return
        self._is_first_round = False
        self._stages.stop.wait_beside(filling)
        self._stages.stop.check()
        self._guarded(partial(self._put, watermark))

    # --- inside --------------------------------------------------------------------------------

    def _guarded(self, work: Callable[[], None]) -> None:
        """After the first failure nothing more is done in this run."""
        if self._has_failed:
            return
        try:
            work()
        except Stopped:
            self._has_failed = True
        except (CatalogueUnreadable, TdlSyncError) as error:
            self._has_failed = True
            self._stages.progress.message(
                f"warning: the catalogue of {self._chat.title!r} can't be kept: {error}; files are "
                "moved all the same, and the next run goes on with it"
            )

    def _open(self) -> None:
        if not self._path.exists() and self._copy.is_there:
            self._begin_with_the_remotes()
        try:
            catalogue = Catalogue(self._path)
        except CatalogueUnreadable:  # a damaged one is made anew
            with suppress(OSError):
                remove_file(self._path)
            catalogue = Catalogue(self._path)
        catalogue.describe(
            chat_id=str(self._chat.id),
            title=self._chat.title.encode("utf-8", "replace").decode(),
            username=self._chat.username or "",
            remote=self._remote,
        )
        self._catalogue = catalogue

    def _begin_with_the_remotes(self) -> None:
        try:
            begin_with(self._path, self._copy.read())
        except CatalogueUnreadable as error:
            self._stages.progress.message(
                f"warning: {FILE_NAME} on the remote can't be read ({error}) and is made anew"
            )

    def _fill(self, job: Job) -> None:
        """What is on the remote of the messages that this run does not come to. What the run of
        another shard is still to move is looked for again by the next run."""
        catalogue, stages = self._catalogue, self._stages
        assert catalogue is not None
        shard, rule_against = job.choice.shard, job.choice.filters.rule_against
        after_id = catalogue.read_up_to_id
        up_to_id = job.after_id if shard.is_whole else job.up_to_id
        if after_id >= up_to_id:
            return
        is_whole = True

        def is_passed(message_id: int) -> bool:
            """Of comments it is not known whose they are before this run has read them."""
            is_own = job.chat.comments_on_id is None and shard.holds(message_id)
            return message_id <= job.after_id and (shard.is_whole or is_own)

        stages.progress.message(
            f"the catalogue of {self._chat.title!r} is completed from message {after_id + 1} on"
        )
        for page in stages.reader.pages(job.chat, after_id, up_to_id):
            stages.stop.check()
            rows = []
            for item in (each for each in page.entries if isinstance(each, MediaItem)):
                row = self._row_of(item, job)
                if row is not None:
                    rows.append(row)
                elif rule_against(item) is None:
                    is_whole = is_whole and is_passed(item.message_id)
            catalogue.put(rows, page.read_up_to_id if is_whole else None)

    def _row_of(self, item: MediaItem, job: Job) -> CatalogueRow | None:
        known = self._stages.marks.marked(self._remote, item.key)
        if known is not None:
            return _row(item, known.folder, known.name, known.sha256)
        adopted = job.adopted.get(item.number)
        if adopted is not None and adopted.is_of(item):
            return _row(item, *folder_and_name(adopted), adopted.sha256)
        for listed in job.on_remote.get(item.number, ()):
            if listed.size_bytes == item.size_bytes:
                folder = "/".join(filter(None, (job.folder, listed.subfolder)))
                return _row(item, folder, listed.name, listed.sha256)
        return None

    def _add(self, item: MediaItem, folder: str, name: str, sha256: str | None) -> None:
        if self._catalogue is not None:
            self._catalogue.put([_row(item, folder, name, sha256)])

    def _put(self, watermark: int) -> None:
        catalogue = self._catalogue
        assert catalogue is not None
        if self._is_whole and watermark > catalogue.read_up_to_id:
            catalogue.put((), watermark)
        self._copy.put(catalogue)


def _row(item: MediaItem, folder: str, name: str, sha256: str | None) -> CatalogueRow:
    details = item.details
    return CatalogueRow(
        message_id=item.message_id,
        file_index=item.key.index,
        date=utc_text(item.date),
        kind=item.media_type.value,
        sender_id=details.sender_id,
        caption=details.caption or details.album_caption or None,
        original_name=item.file_name,
        path=path_at(folder, name),
        size_bytes=item.size_bytes,
        sha256=sha256,
    )
