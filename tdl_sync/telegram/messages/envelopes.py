"""In which of its parts a message holds files, decided for every path that the schema has.

Telegram's schema lets a document or a photo hang at many places of a message, and most of them are
no file that somebody posted: the picture of a linked page, a game's, a gift's. ``TABLE`` says of
each field that leads to one what it is, and ``media`` follows it. docs/media.md is the same for
people. A test goes through the whole installed layer of the schema, and fails for a field that
leads to a document or photo and that nobody has decided about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyrogram import raw


@dataclass(frozen=True)
class Posted:
    """What hangs here is a file that somebody posted, or leads to one."""


@dataclass(frozen=True)
class LeftOut:
    """What hangs here is left out by this rule, and counted."""

    rule: str


@dataclass(frozen=True)
class NoFile:
    """What hangs here is no file of the message."""

    why: str


Decision = Posted | LeftOut | NoFile

STORY = "story"
CHAT_PICTURE = "picture of the chat"
PROFILE_PICTURE = "suggested profile picture"
WALLPAPER = "wallpaper of the chat"

READS = f"{raw.all.layer}.2"
"""The layer of the schema, and how often what is read of it has grown."""

_POSTED = Posted()
_QUOTED = NoFile("an answer quotes it from the message that it answers")
_GIFT = NoFile("a gift's picture, the same for all who have it")
_SETTINGS = NoFile("how a theme looks")

_t = raw.types

TABLE: Mapping[type, Mapping[str, Decision]] = {
    _t.Message: {"media": _POSTED, "rich_message": _POSTED, "reply_to": _QUOTED},
    _t.MessageMediaPhoto: {"photo": _POSTED, "video": _POSTED},
    _t.MessageMediaDocument: {
        "document": _POSTED,
        "video_cover": _POSTED,
        "alt_documents": NoFile("the same video in other qualities, made by Telegram"),
    },
    _t.MessageMediaPaidMedia: {"extended_media": _POSTED},
    _t.MessageMediaInvoice: {"extended_media": _POSTED},
    _t.MessageExtendedMedia: {"media": _POSTED},
    _t.MessageMediaPoll: {"attached_media": _POSTED, "poll": _POSTED, "results": _POSTED},
    _t.Poll: {"answers": _POSTED},
    _t.PollAnswer: {"media": _POSTED},
    _t.PollResults: {"solution_media": _POSTED},
    _t.RichMessage: {"photos": _POSTED, "documents": _POSTED},
    _t.MessageMediaStory: {"story": LeftOut(STORY)},
    _t.MessageMediaWebPage: {"webpage": NoFile("the preview of a link")},
    _t.MessageMediaGame: {"game": NoFile("the game's own picture")},
    _t.MessageService: {"action": _POSTED, "reply_to": _QUOTED},
    _t.MessageActionChatEditPhoto: {"photo": LeftOut(CHAT_PICTURE)},
    _t.MessageActionSuggestProfilePhoto: {"photo": LeftOut(PROFILE_PICTURE)},
    _t.MessageActionSetChatWallPaper: {"wallpaper": LeftOut(WALLPAPER)},
    _t.MessageActionSetChatTheme: {"theme": _SETTINGS},
    _t.MessageActionBotAllowed: {"app": NoFile("the picture of a bot's app")},
    _t.MessageActionRequestedPeerSentMe: {"peers": NoFile("somebody's profile picture")},
    _t.MessageActionPollAppendAnswer: {"answer": NoFile("it is among the poll's answers")},
    _t.MessageActionPollDeleteAnswer: {"answer": NoFile("it was taken out of the poll")},
    _t.MessageActionStarGift: {"gift": _GIFT},
    _t.MessageActionStarGiftUnique: {"gift": _GIFT},
    _t.MessageActionStarGiftPurchaseOffer: {"gift": _GIFT},
    _t.MessageActionStarGiftPurchaseOfferDeclined: {"gift": _GIFT},
}
"""Which fields lead to a document or a photo, by what they are fields of. The order is the one in
which a message's files are counted."""

WITHOUT_FILES = frozenset(
    {
        _t.MessageMediaContact,
        _t.MessageMediaDice,
        _t.MessageMediaEmpty,
        _t.MessageMediaGeo,
        _t.MessageMediaGeoLive,
        _t.MessageMediaGiveaway,
        _t.MessageMediaGiveawayResults,
        _t.MessageMediaToDo,
        _t.MessageMediaVenue,
        _t.MessageMediaVideoStream,
    }
)
"""The kinds of media that no path leads on from. A kind that is in neither list is one of a later
layer: it is counted as unsupported."""
