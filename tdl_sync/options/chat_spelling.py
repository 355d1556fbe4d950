"""The ways in which a user can name a chat, parsed without asking Telegram.

https://core.telegram.org/api/links lists the links, https://core.telegram.org/api/bots/ids the
marked ids.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tdl_sync.core.errors import UsageError

SPELLINGS = (
    "@name, name, https://t.me/name, https://t.me/name/123 (from message 123 on), "
    "https://t.me/c/1234567890/123, -1001234567890, https://t.me/+invite (joined already), me"
)


@dataclass(frozen=True)
class ByUsername:
    """A public chat. ``username`` is lower case (Telegram ignores the case), without ``@``.

    Here and below ``text`` is what the user typed, and ``from_message_id`` is the first message
    that is wanted: 0 for all.
    """

    username: str
    from_message_id: int = 0
    text: str = field(default="", compare=False)


@dataclass(frozen=True)
class ByMarkedId:
    """A chat by its marked id: ``-100…`` for channels and supergroups, ``-…`` for basic groups."""

    marked_id: int
    from_message_id: int = 0
    text: str = field(default="", compare=False)


@dataclass(frozen=True)
class ByInviteHash:
    """A chat by an invite link that this account has used already. Nothing is joined."""

    invite_hash: str
    from_message_id: int = 0
    text: str = field(default="", compare=False)


@dataclass(frozen=True)
class OwnSavedMessages:
    """The account's Saved Messages."""

    from_message_id: int = 0
    text: str = field(default="", compare=False)


ChatSpelling = ByUsername | ByMarkedId | ByInviteHash | OwnSavedMessages

_USERNAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{3,31}")
_INVITE_HASH = re.compile(r"(?=.*[A-Za-z_-])[A-Za-z0-9_-]{6,64}")
_MESSAGE_ID = re.compile(r"[1-9][0-9]{0,9}")
_LINK_HOSTS = frozenset({"t.me", "telegram.me", "telegram.dog"})
_LINK = re.compile(r"(?:https?://)?(?:[A-Za-z0-9_]+\.)?(?:t\.me|telegram\.me|telegram\.dog)(?:/|$)")
# First path words of t.me links that lead to something else than a chat.
_NO_CHAT = frozenset(
    {
        "addemoji",
        "addlist",
        "addstickers",
        "addtheme",
        "bg",
        "boost",
        "call",
        "confirmphone",
        "contact",
        "giftcode",
        "invoice",
        "iv",
        "login",
        "msg",
        "nft",
        "proxy",
        "setlanguage",
        "share",
        "socks",
    }
)
LARGEST_MESSAGE_ID = 2**31 - 1
_CHANNEL_MARK = -1_000_000_000_000
_LARGEST_CHANNEL_ID = 997_852_516_352


def parse_chat(text: str, origin: str) -> ChatSpelling:
    """What ``text`` names. ``origin`` (an option or a variable) is named in the error.

    Raises ``UsageError`` with the list of spellings for anything else.
    """
    typed = text.strip()
    try:
        return _parse(typed)
    except _NotAChat as error:
        shown = typed if len(typed) <= 100 else typed[:100] + "…"
        raise UsageError(f"{origin}: {shown!r} is {error}. A chat is one of: {SPELLINGS}") from None


class _NotAChat(ValueError):
    """Its text ends the sentence "… is"."""


def _parse(typed: str) -> ChatSpelling:
    if typed.lower() == "me":
        return OwnSavedMessages(text=typed)
    if re.fullmatch(r"-[0-9]{1,19}", typed):
        return ByMarkedId(_marked_id(int(typed)), text=typed)
    if re.fullmatch(r"[0-9]+", typed):
        raise _NotAChat("a bare number: write a channel's id with -100 before it")
    if typed.lower().startswith("tg:"):
        return _from_app_link(typed)
    if _LINK.match(typed.lower()):
        return _from_web_link(typed)
    return ByUsername(_username(typed.removeprefix("@")), text=typed)


def _from_web_link(typed: str) -> ChatSpelling:
    link = urlsplit(typed if "://" in typed else f"https://{typed}")
    host = (link.hostname or "").removeprefix("www.")
    words = [word for word in link.path.split("/") if word]
    if host not in _LINK_HOSTS:  # https://name.t.me/123
        words.insert(0, host.partition(".")[0])
    elif words[:1] == ["s"]:  # https://t.me/s/name: the preview in a browser
        words.pop(0)
    if not words:
        raise _NotAChat("a link without a chat")
    first, rest = words[0], words[1:]
    if first.lower() == "c":
        if not rest:
            raise _NotAChat("a link without a chat")
        return ByMarkedId(_channel(rest[0]), _message_id(rest[1:]), text=typed)
    if first.lower() == "joinchat":
        return ByInviteHash(_invite_hash("".join(rest)), text=typed)
    if first.startswith("+"):
        return ByInviteHash(_invite_hash("/".join([first[1:], *rest])), text=typed)
    if first.lower() in _NO_CHAT:
        raise _NotAChat("a link to something else than a chat")
    return ByUsername(_username(first), _message_id(rest), text=typed)


def _from_app_link(typed: str) -> ChatSpelling:
    link = urlsplit(typed)
    action = (link.netloc or link.path.strip("/")).lower()
    values = {name: texts[0] for name, texts in parse_qs(link.query).items()}
    message = [values["post"]] if "post" in values else []
    if action == "resolve" and "domain" in values:
        return ByUsername(_username(values["domain"]), _message_id(message), text=typed)
    if action == "privatepost" and "channel" in values:
        return ByMarkedId(_channel(values["channel"]), _message_id(message), text=typed)
    if action == "join" and "invite" in values:
        return ByInviteHash(_invite_hash(values["invite"]), text=typed)
    raise _NotAChat("a link to something else than a chat")


def _username(word: str) -> str:
    if not _USERNAME.fullmatch(word):
        raise _NotAChat("not a user name (4 to 32 letters, digits and underscores)")
    return word.lower()


def _invite_hash(word: str) -> str:
    if not _INVITE_HASH.fullmatch(word):  # t.me/+<digits> is a phone number
        raise _NotAChat("not an invite link")
    return word


def _channel(word: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,17}", word):
        raise _NotAChat("a link without a channel's id")
    return _marked_id(_CHANNEL_MARK - int(word))


def _marked_id(number: int) -> int:
    """A basic group or a channel; ids of users and of secret chats are no chats to be read."""
    if not _CHANNEL_MARK - _LARGEST_CHANNEL_ID <= number < 0 or number == _CHANNEL_MARK:
        raise _NotAChat("an id that no group or channel can have")
    return number


def _message_id(words: list[str]) -> int:
    """The last number of a link: ``/<message>``, or ``/<topic>/<message>`` in a forum."""
    if not words:
        return 0
    good = len(words) <= 2 and all(_MESSAGE_ID.fullmatch(word) for word in words)
    if not good or int(words[-1]) > LARGEST_MESSAGE_ID:
        raise _NotAChat("a link whose message id is not a number that a message can have")
    return int(words[-1])
