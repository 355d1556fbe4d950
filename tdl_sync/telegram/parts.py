"""Fetches parts of files over a few long-lived media connections, shared by all files.

The library's own download asks for one part after another, and opens a connection for each file;
so parts are asked for here, many at once (https://core.telegram.org/api/files#downloading-files).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from pyrogram import raw
from pyrogram.errors import (
    AuthKeyDuplicated,
    FileMigrate,
    FileReferenceEmpty,
    FileReferenceExpired,
    FileReferenceInvalid,
    RPCError,
    Unauthorized,
)
from pyrogram.session import Session

from tdl_sync.errors import DownloadFailed, MessageGone, RefusedByTelegram
from tdl_sync.model import FileLocation, LocationKind, MediaItem, MessageKey, SkippedItem
from tdl_sync.telegram.answers import error_name, flood_wait_seconds, translated
from tdl_sync.telegram.client import TelegramClient
from tdl_sync.telegram.history import TelegramChatReader

REQUESTS_PER_CONNECTION = 2
"""One on the wire while the answer to the other is decrypted."""

PART_SECONDS = 60.0
"""Longer than the library's 15 s: on a slow link all requests would time out and be sent again."""

TRIES = 5
FIRST_PAUSE_SECONDS = 0.5
REMEMBERED_LOCATIONS = 1000

_EXPIRED = (FileReferenceEmpty, FileReferenceExpired, FileReferenceInvalid)


class DataCentre:
    """The media connections to one data centre, opened as they are needed. Lives on the loop."""

    def __init__(self, telegram: TelegramClient, dc_id: int, connections: int) -> None:
        self._telegram = telegram
        self._dc_id = dc_id
        self._connections = connections
        self._slots = asyncio.Semaphore(connections * REQUESTS_PER_CONNECTION)
        self._opening = asyncio.Lock()
        self._in_flight: dict[Session, int] = {}
        self._paused_until = 0.0

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """The least busy connection, for one request; first come first served."""
        async with self._slots:
            session = await self._least_busy()
            self._in_flight[session] += 1
            try:
                yield session
            finally:
                self._in_flight[session] -= 1

    async def _least_busy(self) -> Session:
        if self._needs_another():
            async with self._opening:
                if self._needs_another():
                    self._in_flight[await self._opened()] = 0
        return min(self._in_flight, key=self._in_flight.__getitem__)

    def _needs_another(self) -> bool:
        return len(self._in_flight) < self._connections and all(
            busy >= REQUESTS_PER_CONNECTION for busy in self._in_flight.values()
        )

    async def _opened(self) -> Session:
        try:
            return await self._open()
        except (RPCError, OSError):
            raise
        except Exception as error:
            raise DownloadFailed(f"no connection to data centre {self._dc_id}: {error}") from error

    async def _open(self) -> Session:
        client = self._telegram.client
        if not self._in_flight:
            # The first one makes the key and moves the authorization to a foreign data centre;
            # the library keeps both, so the others only have to connect.
            await client.get_session(self._dc_id)
            first: Session = await client.get_session(
                self._dc_id, is_media=True, temporary=True, export_authorization=False
            )
            self._telegram.sessions.add(first)
            return first
        sibling = next(iter(self._in_flight))
        session: Session = await client.get_session(
            self._dc_id,
            is_media=True,
            temporary=True,
            export_authorization=False,
            server_address=sibling.server_address,
            port=sibling.port,
        )
        self._telegram.sessions.add(session)
        return session

    async def pause(self, seconds: int) -> None:
        """Wait as long as Telegram asked; one line for the user however many requests wait."""
        until = time.monotonic() + seconds
        if until > self._paused_until + 1:
            self._paused_until = until
            await self._telegram.wait_as_told("downloads", seconds)
        else:
            await asyncio.sleep(seconds)


class TelegramPartSource:
    """``ports.PartSource`` over the real Telegram."""

    def __init__(
        self, telegram: TelegramClient, reader: TelegramChatReader, connections: int
    ) -> None:
        self._telegram = telegram
        self._reader = reader
        self._connections = connections
        self._data_centres: dict[int, DataCentre] = {}
        self._renewed: OrderedDict[MessageKey, FileLocation] = OrderedDict()
        self._renewing: defaultdict[MessageKey, asyncio.Lock] = defaultdict(asyncio.Lock)

    def fetch_part(self, item: MediaItem, offset_bytes: int, limit_bytes: int) -> Future[bytes]:
        return self._telegram.loop.submit(self._fetch, item, offset_bytes, limit_bytes)

    async def _fetch(self, item: MediaItem, offset_bytes: int, limit_bytes: int) -> bytes:
        failures = 0
        while True:
            location = self._renewed.get(item.key, item.location)
            try:
                return await self._ask(location, offset_bytes, limit_bytes)
            except (RPCError, OSError) as error:
                seconds = flood_wait_seconds(error)
                if seconds is not None:
                    await self._data_centre(location.dc_id).pause(seconds)
                    continue
                failures += 1
                await self._mend(item, location, error, failures)

    async def _mend(
        self, item: MediaItem, location: FileLocation, error: RPCError | OSError, failures: int
    ) -> None:
        """Do what makes another try worth while, or raise what the error means for the item."""
        if isinstance(error, (AuthKeyDuplicated, Unauthorized)):
            raise translated(error, "downloading") from error
        if isinstance(error, RPCError) and not isinstance(error, (*_EXPIRED, FileMigrate)):
            raise RefusedByTelegram(error_name(error)) from error
        if failures >= TRIES:
            why = error_name(error) if isinstance(error, RPCError) else "no answer in time"
            raise DownloadFailed(f"{failures} tries for one part, at last: {why}") from error
        if isinstance(error, FileMigrate):
            self._remember(item.key, replace(location, dc_id=int(str(error.value))))
        elif isinstance(error, _EXPIRED):
            await self._renew(item, location)
        else:
            await asyncio.sleep(FIRST_PAUSE_SECONDS * 2 ** (failures - 1))

    async def _ask(self, location: FileLocation, offset_bytes: int, limit_bytes: int) -> bytes:
        query = raw.functions.upload.GetFile(
            location=_input_location(location), offset=offset_bytes, limit=limit_bytes
        )
        async with self._data_centre(location.dc_id).session() as session:
            answer: Any = await session.invoke(
                query, retries=1, retry_delay=0, timeout=PART_SECONDS, sleep_threshold=0
            )
        if not isinstance(answer, raw.types.upload.File):
            # Redirects to a CDN are only for clients that say they can follow them.
            raise DownloadFailed(f"Telegram answered with {type(answer).__name__}")
        return bytes(answer.bytes)

    def _data_centre(self, dc_id: int) -> DataCentre:
        if dc_id not in self._data_centres:
            self._data_centres[dc_id] = DataCentre(self._telegram, dc_id, self._connections)
        return self._data_centres[dc_id]

    async def _renew(self, item: MediaItem, expired: FileLocation) -> None:
        """Fetch the message again for a fresh file reference, once for all parts that need it
        (https://core.telegram.org/api/file-references)."""
        async with self._renewing[item.key]:
            if self._renewed.get(item.key, item.location) is not expired:
                return
            # The reader blocks its thread while it calls the loop, so not on the loop.
            entry = await asyncio.to_thread(self._reader.fetch_by_key, item.key)
        if isinstance(entry, SkippedItem):
            raise MessageGone(entry.rule)
        if entry.size_bytes != item.size_bytes:
            raise DownloadFailed("the message holds another file now")
        self._remember(item.key, entry.location)

    def _remember(self, key: MessageKey, location: FileLocation) -> None:
        self._renewed[key] = location
        while len(self._renewed) > REMEMBERED_LOCATIONS:
            forgotten, _ = self._renewed.popitem(last=False)
            self._renewing.pop(forgotten, None)


def _input_location(location: FileLocation) -> raw.base.InputFileLocation:
    if location.kind is LocationKind.PHOTO:
        return raw.types.InputPhotoFileLocation(
            id=location.file_id,
            access_hash=location.access_hash,
            file_reference=location.file_reference,
            thumb_size=location.thumb_size,
        )
    return raw.types.InputDocumentFileLocation(
        id=location.file_id,
        access_hash=location.access_hash,
        file_reference=location.file_reference,
        thumb_size=location.thumb_size,
    )
