"""Fetches parts of files over a few long-lived media connections, shared by all files.

The library's own download asks for one part after another, and opens a connection for each file;
so parts are asked for here, many at once (https://core.telegram.org/api/files#downloading-files).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace

from pyrogram import raw
from pyrogram.errors import (
    FileMigrate,
    Flood,
    RPCError,
    TakeoutInvalid,
)

from tdl_sync.core.errors import DownloadFailed, FileReplaced, MessageGone, RefusedByTelegram
from tdl_sync.core.model import FileLocation, LocationKind, MediaItem, MessageKey, SkippedItem
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.options.bandwidth import UNLIMITED, Bandwidth
from tdl_sync.telegram.files.addresses import DataCentreAddresses
from tdl_sync.telegram.files.download_limit import DownloadLimit
from tdl_sync.telegram.files.media_connections import MediaConnections
from tdl_sync.telegram.messages.history import TelegramChatReader
from tdl_sync.telegram.messages.takeout import Takeout
from tdl_sync.telegram.session.answers import (
    SESSION_ENDED,
    error_name,
    flood_wait_seconds,
    translated,
)
from tdl_sync.telegram.session.client import TelegramClient
from tdl_sync.telegram.session.refusals import Concern, concern_of
from tdl_sync.telegram.session.tries import Tries, passes

REMEMBERED_LOCATIONS = 1000

_OF_THE_REFERENCE = ("FILE_REFERENCE_", "FILEREF_")
"""So begin the names of what says that a file is to be asked for by a new reference: in any code,
and with the number of the file where a call names several."""


class TelegramPartSource:
    """``ports.PartSource`` over the real Telegram."""

    def __init__(
        self,
        telegram: TelegramClient,
        reader: TelegramChatReader,
        connections: int,
        takeout: Takeout | None = None,
        bandwidth: Bandwidth = UNLIMITED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Files are read within ``takeout`` as long as that is open."""
        self._clock = clock
        self._limit = DownloadLimit(bandwidth, clock)
        self._takeout = takeout or Takeout()
        self._telegram = telegram
        self._reader = reader
        self._connections = connections
        self._addresses = DataCentreAddresses(telegram)
        self._data_centres: dict[int, MediaConnections] = {}
        self._renewed: OrderedDict[MessageKey, FileLocation] = OrderedDict()
        self._renewing: defaultdict[MessageKey, asyncio.Lock] = defaultdict(asyncio.Lock)
        telegram.loop.submit(self._addresses.learn)

    def expect(self, items: Sequence[MediaItem]) -> None:
        parts: Counter[int] = Counter()
        for item in items:
            parts[self._location_of(item).dc_id] += item.size_bytes // PART_BYTES + 1
        for dc_id, count in parts.items():
            self._telegram.loop.submit(self._expect, dc_id, count)

    def expect_some(self) -> None:
        """It is likely to be at the account's home."""
        self._telegram.loop.submit(self._expect_some)

    async def _expect_some(self) -> None:
        dc_id = self._telegram.keys.home_dc_id
        if dc_id is not None:
            self._data_centre(dc_id).expect(1)

    async def _expect(self, dc_id: int, requests: int) -> None:
        self._data_centre(dc_id).expect(requests)

    def fetch_part(self, item: MediaItem, offset_bytes: int, limit_bytes: int) -> Future[bytes]:
        return self._telegram.loop.submit(self._fetch, item, offset_bytes, limit_bytes)

    async def _fetch(self, item: MediaItem, offset_bytes: int, limit_bytes: int) -> bytes:
        tries = Tries(self._telegram.network)
        while True:
            location = self._location_of(item)
            try:
                return await self._ask(item, location, offset_bytes, limit_bytes)
            except (RPCError, OSError) as error:
                await self._mend(item, location, error, tries)

    async def _mend(
        self, item: MediaItem, location: FileLocation, error: RPCError | OSError, tries: Tries
    ) -> None:
        """Do what makes another try worth while, or raise what the error means for the item."""
        if flood_wait_seconds(error) is not None:
            return  # the next turn comes when the pause is over
        ended = isinstance(error, SESSION_ENDED)
        if ended and self._telegram.keys.is_home(location.dc_id):
            raise translated(error, "downloading") from error
        expired = _is_expired(error)
        if ended or expired or isinstance(error, (FileMigrate, Flood)) or passes(error):
            try:
                await tries.another(error)
            except (RPCError, OSError) as last:
                why = error_name(last) if isinstance(last, RPCError) else "no answer in time"
                raise DownloadFailed(f"{tries.failed} tries for one part, at last: {why}") from last
        elif isinstance(error, RPCError):
            if concern_of(error) is Concern.CHAT:
                # Where it is the whole chat that is closed this says so.
                await asyncio.to_thread(self._reader.fetch_by_key, item.key)
            raise RefusedByTelegram(error_name(error)) from error
        if isinstance(error, FileMigrate):
            self._remember(item.key, replace(location, dc_id=int(str(error.value))))
        elif expired:
            await self._renew(item, location)

    async def _ask(
        self, item: MediaItem, location: FileLocation, offset_bytes: int, limit_bytes: int
    ) -> bytes:
        query = self._takeout.wrapped(
            raw.functions.upload.GetFile(
                location=_input_location(location), offset=offset_bytes, limit=limit_bytes
            )
        )
        # Not while the network is gone: a turn that waits for it would be nobody's.
        await self._telegram.network.wait()
        answer_bytes = min(limit_bytes, item.size_bytes - offset_bytes)
        connections = self._data_centre(location.dc_id)
        try:
            answer = await connections.ask(item.key, query, answer_bytes)
        except TakeoutInvalid as error:
            self._takeout.is_over()
            raise ConnectionError("the takeout session is over") from error
        if not isinstance(answer, raw.types.upload.File):
            # Redirects to a CDN are only for clients that say they can follow them.
            raise DownloadFailed(f"Telegram answered with {type(answer).__name__}")
        return bytes(answer.bytes)

    def _data_centre(self, dc_id: int) -> MediaConnections:
        if dc_id not in self._data_centres:
            self._data_centres[dc_id] = MediaConnections(
                self._telegram, self._addresses, dc_id, self._connections, self._limit, self._clock
            )
        return self._data_centres[dc_id]

    async def _renew(self, item: MediaItem, expired: FileLocation) -> None:
        """Fetch the message again for a fresh file reference, once for all parts that need it
        (https://core.telegram.org/api/file-references)."""
        async with self._renewing[item.key]:
            if self._location_of(item) is not expired:
                return
            # The reader blocks its thread while it calls the loop, so not on the loop.
            entry = await asyncio.to_thread(self._reader.fetch_by_key, item.key)
        if isinstance(entry, SkippedItem):
            raise MessageGone(entry.rule)
        if _file(entry) != _file(item):
            raise FileReplaced
        self._remember(item.key, entry.location)

    def _location_of(self, item: MediaItem) -> FileLocation:
        """As it was renewed, but not that of the file that the message had before an edit."""
        renewed = self._renewed.get(item.key)
        if renewed is None or _file_at(renewed) != _file_at(item.location):
            return item.location
        return renewed

    def _remember(self, key: MessageKey, location: FileLocation) -> None:
        self._renewed[key] = location
        while len(self._renewed) > REMEMBERED_LOCATIONS:
            forgotten, _ = self._renewed.popitem(last=False)
            self._renewing.pop(forgotten, None)


def _is_expired(error: BaseException) -> bool:
    return isinstance(error, RPCError) and error_name(error).startswith(_OF_THE_REFERENCE)


def _file(item: MediaItem) -> tuple[LocationKind, int, str, int]:
    """What stays the same of a file when its reference is renewed."""
    return *_file_at(item.location), item.size_bytes


def _file_at(location: FileLocation) -> tuple[LocationKind, int, str]:
    return location.kind, location.file_id, location.thumb_size


def _input_location(location: FileLocation) -> raw.base.InputFileLocation:
    is_photo = location.kind is LocationKind.PHOTO
    kind = raw.types.InputPhotoFileLocation if is_photo else raw.types.InputDocumentFileLocation
    return kind(
        id=location.file_id,
        access_hash=location.access_hash,
        file_reference=location.file_reference,
        thumb_size=location.thumb_size,
    )
