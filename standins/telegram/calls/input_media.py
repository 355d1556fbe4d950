"""What a client uploads, and what it makes of it: the files of a message that it will post.

https://core.telegram.org/api/files#uploading-files
"""

from __future__ import annotations

import hashlib
from typing import Any

from pyrogram import raw

from ..mtproto.wire import TlObject
from ..world import envelopes, media
from ..world.content import FileRecord, derived_number
from ..world.plan import Envelope, FilePlan
from .rpc import Answer, Call, RpcError, handles

_PART_STEP_BYTES = 1024
_MOST_PART_BYTES = 512 * 1024
_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_TRUE = (0x997275B5).to_bytes(4, "little")
_LEAST_STARS, _MOST_PAID_FILES = 1, 10

_t = raw.types


@handles(raw.functions.upload.SaveFilePart, raw.functions.upload.SaveBigFilePart)
def save_file_part(call: Call, request: Any) -> Answer:
    count = len(request.bytes)
    if not count:
        raise RpcError(400, "FILE_PART_EMPTY")
    if count > _MOST_PART_BYTES:
        raise RpcError(400, "FILE_PART_TOO_BIG")
    call.service.uploaded_parts.setdefault(request.file_id, {})[request.file_part] = request.bytes
    return _TRUE


@handles(raw.functions.messages.UploadMedia)
def upload_media(call: Call, request: raw.functions.messages.UploadMedia) -> TlObject:
    """A file that can be named in what is posted after it."""
    file = posted(call, request.media)
    if not isinstance(file, FilePlan):
        raise RpcError(400, "MEDIA_INVALID")
    uploaded = call.service.uploaded_media
    file_id = derived_number("uploaded", call.world.seed, len(uploaded))
    uploaded[file_id] = file
    record = FileRecord(file_id, 1, file.dc_id, file.size_bytes, 0, file.content)
    reference = call.world.reference(file_id)
    shown: TlObject = media.message_media(file, record, reference, call.world.source.created_date)
    return shown


def posted(call: Call, wanted: raw.base.InputMedia) -> FilePlan | Envelope:
    """What a message holds that is posted with it. Raises RpcError."""
    match wanted:
        case _t.InputMediaUploadedPhoto() | _t.InputMediaPhoto():
            photo = _photo(call, wanted)
            return photo if wanted.video is None else _live(call, photo, wanted.video)
        case _t.InputMediaUploadedDocument() | _t.InputMediaDocument():
            document, cover = _document(call, wanted), wanted.video_cover
            if cover is None:
                return document
            return envelopes.with_cover(document, _uploaded(call, cover))
        case _t.InputMediaPaidMedia():
            return _paid(call, wanted)
        case _t.InputMediaPoll():
            return _poll(call, wanted)
        case _:
            raise RpcError(400, "MEDIA_INVALID")


def _paid(call: Call, wanted: raw.types.InputMediaPaidMedia) -> Envelope:
    if wanted.stars_amount < _LEAST_STARS:
        raise RpcError(400, "STARS_AMOUNT_INVALID")
    if not 1 <= len(wanted.extended_media) <= _MOST_PAID_FILES:
        raise RpcError(400, "EXTENDED_MEDIA_AMOUNT_INVALID")
    return envelopes.paid(*(_file(call, each) for each in wanted.extended_media))


def _poll(call: Call, wanted: raw.types.InputMediaPoll) -> Envelope:
    """Only one of which every part has a file: others hold none here."""
    poll: Any = wanted.poll
    parts = (wanted.attached_media, wanted.solution_media, *(each.media for each in poll.answers))
    if any(part is None for part in parts):
        raise RpcError(400, "MEDIA_INVALID")
    attached, solution, *answers = (_file(call, part) for part in parts if part is not None)
    return envelopes.poll(attached, *answers, solution=solution)


def _file(call: Call, wanted: raw.base.InputMedia) -> FilePlan:
    file = posted(call, wanted)
    if not isinstance(file, FilePlan):
        raise RpcError(400, "MEDIA_INVALID")
    return file


def _live(call: Call, photo: FilePlan, video: raw.base.InputDocument) -> Envelope:
    return envelopes.live_photo(photo, _uploaded(call, video))


def _uploaded(call: Call, named: raw.base.InputPhoto | raw.base.InputDocument) -> FilePlan:
    file = call.service.uploaded_media.get(getattr(named, "id", 0))
    if file is None:
        raise RpcError(400, "MEDIA_EMPTY")
    return file


def _content(call: Call, file: raw.base.InputFile) -> bytes:
    """Of the parts that were saved, which are forgotten. Raises RpcError for a gap among them."""
    if not isinstance(file, (_t.InputFile, _t.InputFileBig)):
        raise RpcError(400, "INPUT_FILE_INVALID")
    parts = call.service.uploaded_parts.pop(file.id, {})
    if not 1 <= file.parts <= len(parts):
        raise RpcError(400, "FILE_PARTS_INVALID")
    whole = [parts.get(number, b"") for number in range(file.parts)]
    for number, part in enumerate(whole):
        if not part:
            raise RpcError(400, f"FILE_PART_{number}_MISSING")
        if number < file.parts - 1 and len(part) % _PART_STEP_BYTES:
            raise RpcError(400, "FILE_PART_SIZE_INVALID")
    content = b"".join(whole)
    checksum = getattr(file, "md5_checksum", "")
    if checksum and hashlib.md5(content, usedforsecurity=False).hexdigest() != checksum:
        raise RpcError(400, "MD5_CHECKSUM_INVALID")
    return content


def _photo(
    call: Call, wanted: raw.types.InputMediaUploadedPhoto | raw.types.InputMediaPhoto
) -> FilePlan:
    """Telegram makes pictures of its own of what it gets: other bytes, in several sizes."""
    if isinstance(wanted, _t.InputMediaPhoto):
        return _uploaded(call, wanted.id)
    content = _content(call, wanted.file)
    if not content.startswith(_IMAGES):
        raise RpcError(400, "IMAGE_PROCESS_FAILED")
    return FilePlan("photo", len(content) * 3 // 4, None, "image/jpeg", call.world.home_dc_id)


def _document(
    call: Call, wanted: raw.types.InputMediaUploadedDocument | raw.types.InputMediaDocument
) -> FilePlan:
    if isinstance(wanted, _t.InputMediaDocument):
        return _uploaded(call, wanted.id)
    content = _content(call, wanted.file)
    names = [a.file_name for a in wanted.attributes if isinstance(a, _t.DocumentAttributeFilename)]
    return FilePlan(
        _kind(wanted.attributes),
        len(content),
        names[0] if names else None,
        wanted.mime_type,
        call.world.home_dc_id,
        content,
    )


def _kind(attributes: list[raw.base.DocumentAttribute]) -> str:
    kind = "document"
    for each in attributes:
        match each:
            case _t.DocumentAttributeSticker():
                return "sticker"
            case _t.DocumentAttributeAnimated():
                return "animation"
            case _t.DocumentAttributeVideo():
                kind = "video_note" if each.round_message else "video"
            case _t.DocumentAttributeAudio():
                kind = "voice" if each.voice else "audio"
    return kind
