"""Messages that hold their files otherwise than as one photo or one document: several of them, for
stars, beside a poll, at any place where the schema has one.

What was seen of the real ones: paid media is one to ten photos and videos, of which those who have
not paid see `messageExtendedMediaPreview` instead, all or none
(https://core.telegram.org/api/paid-media); a live photo is a photo with a video beside it, and a
video may come with a cover of the sender's and with other qualities that Telegram has made.

As photos and videos Telegram counts, and finds, what is one by itself: no paid media, no invoice,
no poll, nothing that has expired. So do its own clients (`get_message_index_mask` of TDLib).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pyrogram import raw

from . import schema
from .plan import Contents, Envelope, FilePlan, Leaf

_t = raw.types


def paid(*files: FilePlan, locked: bool = False) -> Envelope:
    def bought(leaves: Sequence[Leaf]) -> Contents:
        shown: list[raw.base.MessageExtendedMedia] = [
            _t.MessageExtendedMedia(media=media_of(leaf)) for leaf in leaves
        ]
        return Contents(_t.MessageMediaPaidMedia(stars_amount=50, extended_media=shown))

    def preview(leaves: Sequence[Leaf]) -> Contents:
        hidden: list[raw.base.MessageExtendedMedia] = [
            _t.MessageExtendedMediaPreview(w=640, h=480) for _ in leaves
        ]
        return Contents(_t.MessageMediaPaidMedia(stars_amount=50, extended_media=hidden))

    return Envelope("paid", files, bought, preview if locked else None)


def invoice(file: FilePlan, *, locked: bool = False) -> Envelope:
    def with_media(shown: raw.base.MessageExtendedMedia) -> Contents:
        return Contents(
            _t.MessageMediaInvoice(
                title="A picture",
                description="to be paid for",
                currency="XTR",
                total_amount=5,
                start_param="x",
                extended_media=shown,
            )
        )

    def hidden(leaves: Sequence[Leaf]) -> Contents:
        return with_media(_t.MessageExtendedMediaPreview(w=640, h=480))

    return Envelope(
        "invoice",
        (file,),
        lambda leaves: with_media(_t.MessageExtendedMedia(media=media_of(leaves[0]))),
        hidden if locked else None,
    )


def live_photo(photo: FilePlan, video: FilePlan) -> Envelope:
    return Envelope(
        "live photo",
        (photo, video),
        lambda leaves: Contents(
            _t.MessageMediaPhoto(photo=leaves[0], video=leaves[1], live_photo=True)
        ),
        counted_as=frozenset({"photo"}),
    )


def with_cover(video: FilePlan, cover: FilePlan) -> Envelope:
    def contents(leaves: Sequence[Leaf]) -> Contents:
        other_quality = leaves[0]
        return Contents(
            _t.MessageMediaDocument(
                document=leaves[0],
                video_cover=leaves[1],
                alt_documents=[other_quality],
                video=True,
            )
        )

    return Envelope("video with a cover", (video, cover), contents, counted_as=frozenset({"video"}))


def poll(question: FilePlan, *answers: FilePlan, solution: FilePlan) -> Envelope:
    def contents(leaves: Sequence[Leaf]) -> Contents:
        first, *of_answers, last = leaves
        shown: list[raw.base.PollAnswer] = [
            _t.PollAnswer(
                text=_t.TextWithEntities(text=f"{number}", entities=[]),
                option=bytes([number]),
                media=media_of(leaf),
            )
            for number, leaf in enumerate(of_answers)
        ]
        return Contents(
            _t.MessageMediaPoll(
                poll=_t.Poll(
                    id=1,
                    question=_t.TextWithEntities(text="Which?", entities=[]),
                    answers=shown,
                    hash=0,
                ),
                results=_t.PollResults(solution_media=media_of(last)),
                attached_media=media_of(first),
            )
        )

    return Envelope("poll with media", (question, *answers, solution), contents)


def rich(*files: FilePlan, in_part: bool = False) -> Envelope:
    """Photos come before documents there. Of one that is ``in_part`` pages show the first file of
    each kind: that is how Telegram Desktop knows that it has to ask for the whole."""

    def contents(leaves: Sequence[Leaf], part: bool = False) -> Contents:
        photos = [leaf for leaf in leaves if isinstance(leaf, _t.Photo)]
        documents = [leaf for leaf in leaves if isinstance(leaf, _t.Document)]
        most = 1 if part else len(leaves)
        return Contents(
            rich_message=_t.RichMessage(
                blocks=[], photos=photos[:most], documents=documents[:most], part=part or None
            )
        )

    in_order = sorted(files, key=lambda file: file.kind != "photo")
    partly = partial(contents, part=True) if in_part else None
    return Envelope("rich message", tuple(in_order), contents, in_part=partly)


def at(path: schema.Path, file: FilePlan, *, is_posted: bool = False) -> Envelope:
    """Whatever the schema has a place for. The file is a photo where the path leads to one."""

    def contents(leaves: Sequence[Leaf]) -> Contents:
        message = schema.message_at(path, leaves[0])
        if isinstance(message, _t.MessageService):
            return Contents(action=message.action, reply_to=message.reply_to)
        return Contents(message.media, message.rich_message, message.reply_to)

    return Envelope(" ".join(map(str, path)), (file,), contents, is_posted=is_posted)


def unsupported() -> Envelope:
    """A kind of a later layer: Telegram says to a client no more of it than that there is one."""
    return Envelope("unsupported", (), lambda leaves: Contents(_t.MessageMediaUnsupported()))


def expired(*, is_photo: bool) -> Envelope:
    """What had a time to live that is over: it says what it was, and holds no file any more."""
    if is_photo:
        gone: raw.base.MessageMedia = _t.MessageMediaPhoto(ttl_seconds=10)
    else:
        gone = _t.MessageMediaDocument(video=True, ttl_seconds=10)
    return Envelope("expired", (), lambda leaves: Contents(gone))


def media_of(leaf: Leaf) -> raw.base.MessageMedia:
    if isinstance(leaf, _t.Photo):
        return _t.MessageMediaPhoto(photo=leaf)
    return _t.MessageMediaDocument(document=leaf)
