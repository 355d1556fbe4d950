"""upload.getFile with its limits (https://core.telegram.org/api/files#downloading-files)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pyrogram import raw
from pyrogram.raw.core import Bytes

from ..mtproto.wire import UPLOAD_FILE, TlObject
from ..world.content import FileRecord
from ..world.world import World
from .rpc import Answer, Call, RpcError, handles

_BLOCK_BYTES = 1024 * 1024
_STEP_BYTES = 4096
_PRECISE_STEP_BYTES = 1024
_STORAGE_FILE_UNKNOWN = 0xAA963B05
_HEADER = struct.pack("<III", UPLOAD_FILE, _STORAGE_FILE_UNKNOWN, 0)
_REFERENCE_BYTES = 21


@dataclass(frozen=True)
class FilePart:
    """A part that is ready to be read: calling it gives the serialised `upload.file`."""

    record: FileRecord
    offset: int
    limit: int

    def __call__(self) -> bytes:
        return _HEADER + Bytes(self.record.read(self.offset, self.limit))

    def count_bytes(self) -> int:
        """How many bytes of the file it holds."""
        return max(0, min(self.limit, self.record.size_bytes - self.offset))

    def shortened(self, keep_bytes: int) -> FilePart:
        return FilePart(self.record, self.offset, min(self.limit, keep_bytes))


@handles(raw.functions.upload.GetFile)
def get_file(call: Call, request: raw.functions.upload.GetFile) -> Answer:
    _check_range(request.offset, request.limit, precise=bool(request.precise))
    record = _record(call, request.location)
    return FilePart(record, request.offset, request.limit)


def file_id_of(request: TlObject) -> int | None:
    """The file that an upload.getFile is about."""
    location = request.location if isinstance(request, raw.functions.upload.GetFile) else None
    return getattr(location, "id", None)


def _check_range(offset: int, limit: int, *, precise: bool) -> None:
    step = _PRECISE_STEP_BYTES if precise else _STEP_BYTES
    if offset < 0 or offset % step:
        raise RpcError(400, "OFFSET_INVALID")
    if not 0 < limit <= _BLOCK_BYTES or limit % step:
        raise RpcError(400, "LIMIT_INVALID")
    if not precise and _BLOCK_BYTES % limit:
        raise RpcError(400, "LIMIT_INVALID")
    if offset // _BLOCK_BYTES != (offset + limit - 1) // _BLOCK_BYTES:
        raise RpcError(400, "LIMIT_INVALID")


def _record(call: Call, location: raw.base.InputFileLocation) -> FileRecord:
    match location:
        case raw.types.InputDocumentFileLocation():
            kind = "document"
        case raw.types.InputPhotoFileLocation():
            kind = "photo"
        case _:
            raise RpcError(400, "LOCATION_INVALID")
    whole = call.world.file(kind, location.id)
    if whole is None:
        raise RpcError(400, "FILE_ID_INVALID")
    if whole.access_hash != location.access_hash:
        raise RpcError(400, "LOCATION_INVALID")
    if whole.dc_id != call.dc_id:
        raise RpcError(303, f"FILE_MIGRATE_{whole.dc_id}")
    _check_reference(call.world, location.id, location.file_reference)
    record = call.world.file(kind, location.id, location.thumb_size)
    if record is None:
        raise RpcError(400, "LOCATION_INVALID")
    return record


def _check_reference(world: World, file_id: int, reference: bytes) -> None:
    """https://core.telegram.org/api/file_reference"""
    if not reference:
        raise RpcError(400, "FILE_REFERENCE_EMPTY")
    current = world.reference(file_id)
    if reference == current:
        return
    epoch_bytes = slice(0, 5)
    if len(reference) == _REFERENCE_BYTES and reference[epoch_bytes] < current[epoch_bytes]:
        raise RpcError(400, "FILE_REFERENCE_EXPIRED")
    raise RpcError(400, "FILE_REFERENCE_INVALID")
