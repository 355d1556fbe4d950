"""Raw media objects as Telegram sends them, made from a file's plan and record."""

from __future__ import annotations

from pyrogram import raw

from .content import FileRecord, derived_number
from .plan import FilePlan

_STRIPPED_BYTES = b"\x01\x28\x28" + bytes(range(64))
_LARGEST_SIDE = 1280

DOCUMENT_THUMB_TYPE = "m"
LARGEST_PHOTO_TYPE = "y"
_SMALLER_PHOTO_SIZES = (("s", 90, 50), ("m", 320, 10), ("x", 800, 3))


def thumb_record(full: FileRecord, thumb_size: str) -> FileRecord | None:
    """The record behind a smaller size or thumbnail, with other bytes than the file's own.

    `thumb_size` is the letter of the size (https://core.telegram.org/api/files#image-thumbnail-types).
    None for a size that the file has not: the smaller ones of a tiny photo, too.
    """
    divisors = {letter: divisor for letter, _, divisor in _SMALLER_PHOTO_SIZES}
    if thumb_size not in divisors or not _smaller_bytes(full.size_bytes, divisors[thumb_size]):
        return None
    return FileRecord(
        file_id=full.file_id,
        access_hash=full.access_hash,
        dc_id=full.dc_id,
        size_bytes=_smaller_bytes(full.size_bytes, divisors[thumb_size]),
        seed=derived_number("thumb", full.seed, thumb_size),
    )


def _smaller_bytes(full_bytes: int, divisor: int) -> int:
    return min(full_bytes // divisor, 200_000)


def photo(record: FileRecord, reference: bytes, date: int) -> raw.types.Photo:
    """A photo in several sizes; the record's bytes are those of the largest.

    Telegram promises no order of sizes, so each photo has its own.
    """
    sizes: list[raw.base.PhotoSize] = [
        raw.types.PhotoStrippedSize(type="i", bytes=_STRIPPED_BYTES),
        raw.types.PhotoSizeProgressive(
            type=LARGEST_PHOTO_TYPE,
            w=_LARGEST_SIDE,
            h=_LARGEST_SIDE * 3 // 4,
            sizes=[record.size_bytes * part // 5 for part in range(1, 6)],
        ),
    ]
    for letter, side, divisor in _SMALLER_PHOTO_SIZES:
        size = _smaller_bytes(record.size_bytes, divisor)
        if size:
            sizes.append(raw.types.PhotoSize(type=letter, w=side, h=side * 3 // 4, size=size))
    turn = derived_number("size order", record.seed) % len(sizes)
    return raw.types.Photo(
        id=record.file_id,
        access_hash=record.access_hash,
        file_reference=reference,
        date=date,
        sizes=sizes[turn:] + sizes[:turn],
        dc_id=record.dc_id,
        has_stickers=None,
    )


def document(plan: FilePlan, record: FileRecord, reference: bytes, date: int) -> raw.types.Document:
    thumbs: list[raw.base.PhotoSize] | None = None
    thumb = thumb_record(record, DOCUMENT_THUMB_TYPE)
    if plan.kind in ("video", "animation", "sticker") and thumb is not None:
        thumbs = [
            raw.types.PhotoStrippedSize(type="i", bytes=_STRIPPED_BYTES),
            raw.types.PhotoSize(type=DOCUMENT_THUMB_TYPE, w=320, h=180, size=thumb.size_bytes),
        ]
    return raw.types.Document(
        id=record.file_id,
        access_hash=record.access_hash,
        file_reference=reference,
        date=date,
        mime_type=plan.mime_type,
        size=record.size_bytes,
        dc_id=record.dc_id,
        attributes=_attributes(plan),
        thumbs=thumbs,
    )


def message_media(
    plan: FilePlan, record: FileRecord, reference: bytes, date: int
) -> raw.base.MessageMedia:
    if plan.kind == "photo":
        return raw.types.MessageMediaPhoto(photo=photo(record, reference, date))
    return raw.types.MessageMediaDocument(
        document=document(plan, record, reference, date),
        video=plan.kind in ("video", "video_note") or None,
        round=plan.kind == "video_note" or None,
        voice=plan.kind == "voice" or None,
    )


def _attributes(plan: FilePlan) -> list[raw.base.DocumentAttribute]:
    attributes = _kind_attributes(plan.kind)
    if plan.name is not None:
        attributes.append(raw.types.DocumentAttributeFilename(file_name=plan.name))
    return attributes


def _kind_attributes(kind: str) -> list[raw.base.DocumentAttribute]:
    t = raw.types
    match kind:
        case "video":
            return [t.DocumentAttributeVideo(duration=61.5, w=1280, h=720, supports_streaming=True)]
        case "video_note":
            return [t.DocumentAttributeVideo(duration=7.0, w=384, h=384, round_message=True)]
        case "animation":
            video = t.DocumentAttributeVideo(duration=2.0, w=480, h=270, nosound=True)
            return [video, t.DocumentAttributeAnimated()]
        case "audio":
            return [t.DocumentAttributeAudio(duration=181, title="A song", performer="Somebody")]
        case "voice":
            return [t.DocumentAttributeAudio(duration=5, voice=True, waveform=bytes(63))]
        case "sticker":
            sticker = t.DocumentAttributeSticker(
                alt="\U0001f44d", stickerset=t.InputStickerSetEmpty()
            )
            return [t.DocumentAttributeImageSize(w=512, h=512), sticker]
        case _:
            return []


def web_page(message_id: int, picture: raw.types.Photo) -> raw.types.MessageMediaWebPage:
    return raw.types.MessageMediaWebPage(
        webpage=raw.types.WebPage(
            id=message_id,
            url=f"https://example.org/{message_id}",
            display_url=f"example.org/{message_id}",
            hash=0,
            type="article",
            title="An article",
            photo=picture,
        )
    )


def fileless_media(kind: str, message_id: int) -> raw.base.MessageMedia | None:
    """What a message without a file holds: None for plain text and links."""
    t = raw.types
    match kind:
        case "poll":
            answers: list[raw.base.PollAnswer] = [
                t.PollAnswer(text=t.TextWithEntities(text=word, entities=[]), option=word.encode())
                for word in ("yes", "no")
            ]
            question = t.TextWithEntities(text="Shall we?", entities=[])
            poll = t.Poll(id=message_id, question=question, answers=answers, hash=0)
            return t.MessageMediaPoll(poll=poll, results=t.PollResults(total_voters=3))
        case "geo":
            point = t.GeoPoint(long=13.4, lat=52.5, access_hash=message_id)
            return t.MessageMediaGeo(geo=point)
        case "contact":
            return t.MessageMediaContact(
                phone_number="+15550100", first_name="Ann", last_name="", vcard="", user_id=0
            )
        case _:
            return None
