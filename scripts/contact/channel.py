"""A private channel of the account's own, filled with every kind of post that an account can make.

The requests are those of Telegram's documentation (https://core.telegram.org/methods), sent by the
program's client; nothing of what the program makes of their answers is used here.
"""

from __future__ import annotations

import hashlib
import random
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pyrogram import raw
from pyrogram.errors import RPCError

from tdl_sync.telegram.session.client import TelegramClient

ABOUT = "Made by the acceptance test of tdl_sync, which deletes it at its end."
PART_BYTES = 512 * 1024
_FETCH_BYTES = 1024 * 1024
_SMALL_BYTES = 10 * 1024 * 1024
"""Above that Telegram wants another request for the parts, without a checksum."""

_t, _f = raw.types, raw.functions

Media = Any
"""A ``raw.base.InputMedia``: the library has no common class of them."""


@dataclass(frozen=True)
class Piece:
    """A file to be posted. Telegram keeps documents byte by byte, and makes its own of photos."""

    kind: str
    content: bytes

    @property
    def is_photo(self) -> bool:
        return self.kind == "photo"


@dataclass(frozen=True)
class Posted:
    """A message of ours, and its files' hashes (SHA-256)."""

    what: str
    message_id: int
    hashes: tuple[str, ...]


class NotTaken(Exception):
    """Telegram does not let this account post that; the text is the name of the error alone."""


class TestChannel:
    """Of this account. ``delete`` deletes this one and no other."""

    __test__ = False

    def __init__(self, client: TelegramClient, channel_id: int, access_hash: int) -> None:
        self._client = client
        self.channel_id = channel_id
        self.access_hash = access_hash

    @classmethod
    def made(cls, client: TelegramClient, title: str) -> TestChannel:
        answer = _asked(client, _f.channels.CreateChannel(title=title, about=ABOUT, broadcast=True))
        (chat,) = answer.chats
        return cls(client, chat.id, chat.access_hash)

    @classmethod
    def found(cls, client: TelegramClient, title: str) -> TestChannel | None:
        """The one of that title that this account has made lately."""
        request = _f.messages.GetDialogs(
            offset_date=0, offset_id=0, offset_peer=_t.InputPeerEmpty(), limit=20, hash=0
        )
        for chat in _asked(client, request).chats:
            if isinstance(chat, _t.Channel) and chat.creator and chat.title == title:
                return cls(client, chat.id, chat.access_hash or 0)
        return None

    @property
    def spelling(self) -> str:
        """As ``-u`` takes it."""
        return f"-100{self.channel_id}"

    @property
    def _peer(self) -> Any:
        return _t.InputPeerChannel(channel_id=self.channel_id, access_hash=self.access_hash)

    @property
    def _channel(self) -> Any:
        return _t.InputChannel(channel_id=self.channel_id, access_hash=self.access_hash)

    def delete(self) -> None:
        _asked(self._client, _f.channels.DeleteChannel(channel=self._channel))

    def rename(self, title: str) -> None:
        """Which posts a service message."""
        _asked(self._client, _f.channels.EditTitle(channel=self._channel, title=title))

    def say(self, text: str) -> int:
        request = _f.messages.SendMessage(peer=self._peer, message=text, random_id=_random_id())
        return self._posted_ids(request)[0]

    def post(self, what: str, *pieces: Piece, text: str = "") -> Posted:
        """One message with all of them. Raises ``NotTaken``."""
        request = _f.messages.SendMedia(
            peer=self._peer,
            media=self._media_of(what, pieces),
            message=text,
            random_id=_random_id(),
        )
        (message_id,) = self._posted_ids(request)
        return self._with_hashes(what, message_id, pieces)

    def post_album(self, *pieces: Piece) -> list[Posted]:
        """Each in a message of its own."""
        singles = [
            _t.InputSingleMedia(media=self._uploaded(each), random_id=_random_id(), message="")
            for each in pieces
        ]
        request = _f.messages.SendMultiMedia(peer=self._peer, multi_media=singles)
        ids = self._posted_ids(request)
        posted = zip(ids, pieces, strict=True)
        return [self._with_hashes("album", message_id, [each]) for message_id, each in posted]

    def edit_text(self, message_id: int, text: str) -> None:
        _asked(self._client, _f.messages.EditMessage(peer=self._peer, id=message_id, message=text))

    def edit_file(self, message_id: int, piece: Piece) -> Posted:
        request = _f.messages.EditMessage(
            peer=self._peer, id=message_id, media=self._sent(piece), message=""
        )
        _asked(self._client, request)
        return self._with_hashes("replaced", message_id, [piece])

    def delete_messages(self, *message_ids: int) -> None:
        _asked(
            self._client,
            _f.channels.DeleteMessages(channel=self._channel, id=list(message_ids)),
        )

    # --- inside --------------------------------------------------------------------------------

    def _posted_ids(self, request: Any) -> list[int]:
        answer = _asked(self._client, request)
        return [each.id for each in answer.updates if isinstance(each, _t.UpdateMessageID)]

    def _media_of(self, what: str, pieces: Sequence[Piece]) -> Media:
        first, *others = pieces
        if what == "video with a cover":
            media = self._sent(first)
            media.video_cover = self._uploaded(others[0]).id
            return media
        if what == "live photo":
            media = self._sent(first)
            media.live_photo, media.video = True, self._uploaded(others[0]).id
            return media
        if what == "paid media":
            shown = [self._uploaded(each) for each in pieces]
            return _t.InputMediaPaidMedia(stars_amount=1, extended_media=shown)
        if what == "poll with media":
            return self._poll([self._uploaded(each) for each in pieces])
        return self._sent(first)

    def _poll(self, media: Sequence[Media]) -> Media:
        attached, *of_answers, solution = media
        answers: list[Any] = [
            _t.InputPollAnswer(text=_words(f"answer {number}"), media=each)
            for number, each in enumerate(of_answers)
        ]
        poll = _t.Poll(id=0, question=_words("Which one?"), answers=answers, hash=0, quiz=True)
        return _t.InputMediaPoll(
            poll=poll,
            correct_answers=[0],
            attached_media=attached,
            solution="That one.",
            # Without one the library writes none, and yet says that there are some.
            solution_entities=[_t.MessageEntityBold(offset=0, length=4)],
            solution_media=solution,
        )

    def _uploaded(self, piece: Piece) -> Media:
        """On Telegram's servers, to be named in what is posted."""
        request = _f.messages.UploadMedia(peer=self._peer, media=self._sent(piece))
        media = _asked(self._client, request)
        if piece.is_photo:
            photo = media.photo
            return _t.InputMediaPhoto(
                id=_t.InputPhoto(
                    id=photo.id,
                    access_hash=photo.access_hash,
                    file_reference=photo.file_reference,
                )
            )
        document = media.document
        return _t.InputMediaDocument(
            id=_t.InputDocument(
                id=document.id,
                access_hash=document.access_hash,
                file_reference=document.file_reference,
            )
        )

    def _sent(self, piece: Piece) -> Media:
        file = self._parts_of(piece)
        if piece.is_photo:
            return _t.InputMediaUploadedPhoto(file=file)
        mime_type, attributes = _DOCUMENTS[piece.kind]
        named = [_t.DocumentAttributeFilename(file_name=_name(piece))]
        return _t.InputMediaUploadedDocument(
            file=file,
            mime_type=mime_type,
            attributes=[*attributes(), *named],
            force_file=piece.kind == "document" or None,
        )

    def _parts_of(self, piece: Piece) -> Any:
        content, file_id = piece.content, _random_id()
        count = -(-len(content) // PART_BYTES)
        is_big = len(content) > _SMALL_BYTES
        for number in range(count):
            part = content[number * PART_BYTES : (number + 1) * PART_BYTES]
            request: Any = _f.upload.SaveFilePart(file_id=file_id, file_part=number, bytes=part)
            if is_big:
                request = _f.upload.SaveBigFilePart(
                    file_id=file_id, file_part=number, file_total_parts=count, bytes=part
                )
            _asked(self._client, request)
        if is_big:
            return _t.InputFileBig(id=file_id, parts=count, name=_name(piece))
        checksum = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return _t.InputFile(id=file_id, parts=count, name=_name(piece), md5_checksum=checksum)

    def _with_hashes(self, what: str, message_id: int, pieces: Sequence[Piece]) -> Posted:
        hashes = [sha256(each.content) for each in pieces if not each.is_photo]
        if any(each.is_photo for each in pieces):
            hashes += [sha256(self._fetched(photo)) for photo in self._photos_of(message_id)]
        return Posted(what, message_id, tuple(sorted(hashes)))

    def _photos_of(self, message_id: int) -> Iterator[Any]:
        wanted: Any = [_t.InputMessageID(id=message_id)]
        request = _f.channels.GetMessages(channel=self._channel, id=wanted)
        (message,) = _asked(self._client, request).messages
        return _photos_below(message.media)

    def _fetched(self, photo: Any) -> bytes:
        size = max(
            (each for each in photo.sizes if _bytes_of(each)),
            key=lambda each: (each.w * each.h, _bytes_of(each)),
        )
        location = _t.InputPhotoFileLocation(
            id=photo.id,
            access_hash=photo.access_hash,
            file_reference=photo.file_reference,
            thumb_size=size.type,
        )
        content = b""
        while len(content) < _bytes_of(size):
            request = _f.upload.GetFile(location=location, offset=len(content), limit=_FETCH_BYTES)
            part = _asked(self._client, request).bytes
            if not part:
                break
            content += part
        return content


def _photos_below(media: Any) -> Iterator[Any]:
    """What was posted: not what Telegram has made beside it."""
    if isinstance(media, _t.Photo):
        yield media
    elif isinstance(media, list):
        for each in media:
            yield from _photos_below(each)
    elif hasattr(media, "QUALNAME"):
        for name in media.__slots__:
            if name not in ("webpage", "alt_documents", "thumbs", "sizes"):
                yield from _photos_below(getattr(media, name, None))


def _bytes_of(size: Any) -> int:
    if isinstance(size, _t.PhotoSizeProgressive):
        return max(size.sizes)
    return size.size if isinstance(size, _t.PhotoSize) else 0


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _asked(client: TelegramClient, request: Any) -> Any:
    try:
        return client.call(request, "making the test channel")
    except RPCError as error:
        raise NotTaken(type(error).__name__) from None


def _random_id() -> int:
    return random.getrandbits(62)


def _words(text: str) -> Any:
    return _t.TextWithEntities(text=text, entities=[])


def _name(piece: Piece) -> str:
    return f"{piece.kind}{_ENDINGS.get(piece.kind, '.bin')}"


_ENDINGS = {
    "photo": ".png",
    "video": ".mp4",
    "video_note": ".mp4",
    "animation": ".mp4",
    "audio": ".mp3",
    "voice": ".ogg",
    "sticker": ".webp",
}

_DOCUMENTS: dict[str, tuple[str, Callable[[], list[Any]]]] = {
    "document": ("application/octet-stream", list),
    "video": (
        "video/mp4",
        lambda: [_t.DocumentAttributeVideo(duration=2.0, w=320, h=240, supports_streaming=True)],
    ),
    "video_note": (
        "video/mp4",
        lambda: [_t.DocumentAttributeVideo(duration=2.0, w=240, h=240, round_message=True)],
    ),
    "animation": (
        "video/mp4",
        lambda: [
            _t.DocumentAttributeVideo(duration=2.0, w=320, h=240, nosound=True),
            _t.DocumentAttributeAnimated(),
        ],
    ),
    "audio": ("audio/mpeg", lambda: [_t.DocumentAttributeAudio(duration=3, title="A test")]),
    "voice": ("audio/ogg", lambda: [_t.DocumentAttributeAudio(duration=3, voice=True)]),
    "sticker": (
        "image/webp",
        lambda: [
            _t.DocumentAttributeImageSize(w=512, h=512),
            _t.DocumentAttributeSticker(
                alt="\N{THUMBS UP SIGN}", stickerset=_t.InputStickerSetEmpty()
            ),
        ],
    ),
}

KINDS = tuple(_DOCUMENTS)


def piece(kind: str, seed: int, size_bytes: int) -> Piece:
    """Other bytes for each seed; a picture that any program can open where it is a photo."""
    dice = random.Random(f"{kind} {seed}")
    return Piece(kind, _picture(dice) if kind == "photo" else dice.randbytes(size_bytes))


def _picture(dice: random.Random, side: int = 96) -> bytes:
    """A PNG (https://www.w3.org/TR/png-3/) of noise."""
    rows = b"".join(b"\0" + dice.randbytes(3 * side) for _ in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
