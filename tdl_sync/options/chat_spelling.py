"""The ways in which a user can name a chat, parsed without asking Telegram.

https://core.telegram.org/api/links lists the links, https://core.telegram.org/api/bots/ids the
marked ids.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, urlsplit

from tdl_sync.core.errors import UsageError

SPELLINGS = (
    "@name, name, https://t.me/name, https://t.me/name/123 (from message 123 on), "
    "https://t.me/c/1234567890/123, -1001234567890, https://t.me/+invite (joined already), "
    "me; `chats` lists yours"
)


@dataclass(frozen=True)
class ByUsername:
    """A public chat. ``username`` is lower case (Telegram ignores the case), without ``@``.

    Here and below ``text`` is what the user typed, ``from_message_id`` is the first message that
    is wanted (0 for all), and ``topic_id`` the one topic or thread that a link names, 0 for none.
    """

    username: str
    from_message_id: int = 0
    text: str = field(default="", compare=False)
    topic_id: int = 0


@dataclass(frozen=True)
class ByMarkedId:
    """A chat by its marked id: ``-100…`` for channels and supergroups, from ``-200…`` on for the
    direct messages to a channel, ``-…`` for basic groups, and the bare id for people."""

    marked_id: int
    from_message_id: int = 0
    text: str = field(default="", compare=False)
    topic_id: int = 0


@dataclass(frozen=True)
class ByInviteHash:
    """A chat by an invite link that this account has used already. Nothing is joined."""

    invite_hash: str
    from_message_id: int = 0
    text: str = field(default="", compare=False)
    topic_id: int = 0


@dataclass(frozen=True)
class OwnSavedMessages:
    """The account's Saved Messages."""

    from_message_id: int = 0
    text: str = field(default="", compare=False)
    topic_id: int = 0


ChatSpelling = ByUsername | ByMarkedId | ByInviteHash | OwnSavedMessages

_USERNAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{2,31}")
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
        "addstyle",
        "addtheme",
        "auction",
        "auth",
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
        "web",
    }
)
LARGEST_MESSAGE_ID = 2**31 - 1
_CHANNEL_MARK = -1_000_000_000_000
# https://core.telegram.org/api/bots/ids; those above 10^12 are of the direct messages to channels.
_LARGEST_CHANNEL_ID = 3_000_000_000_000
_LARGEST_USER_ID = 2**40 - 1

# What https://core.telegram.org/api/links lets a link to a message have in its query, beside what
# names the chat and the message: how it is shown, and where in a video it begins.
_SHOWN_SO = frozenset({"single", "t", "embed", "mode"})
_WIDER = "leave that out for the whole chat"
# What else it may name, and what the user can do instead.
_NARROWER = {
    "comment": "to a comment on one post: name the channel alone and add --comments, for all "
    "comments on its posts",
    "story": "to a story, which is no message of the chat: stories are not moved",
    "album": "to an album of stories, which are no messages of the chat: stories are not moved",
    "direct": "to a channel's direct messages: `chats` lists them with their id, which -u takes",
    "before": f"to a part of a preview: {_WIDER}",
    "q": f"to a search: {_WIDER}",
}


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
    if re.fullmatch(r"[0-9]{1,19}", typed):
        return ByMarkedId(_user_id(int(typed)), text=typed)
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
    if first.lower() == "joinchat" or first.startswith("+"):
        invite = "/".join(rest) if first.lower() == "joinchat" else "/".join([first[1:], *rest])
        return ByInviteHash(_invite_hash(invite), text=typed)
    if first.lower() in _NO_CHAT:
        raise _NotAChat("a link to something else than a chat")
    query = _query(link.query)
    if first.lower() == "c":
        if not rest:
            raise _NotAChat("a link without a chat")
        channel_id, where = _channel(rest[0]), _where(rest[1:], query)
        return ByMarkedId(channel_id, where.message_id, typed, where.topic_id)
    username, where = _username(first), _where(rest, query)
    return ByUsername(username, where.message_id, typed, where.topic_id)


def _from_app_link(typed: str) -> ChatSpelling:
    link = urlsplit(typed)
    action = (link.netloc or link.path.strip("/")).lower()
    values = _query(link.query)
    message = [values.pop("post")] if "post" in values else []
    if action == "resolve" and "domain" in values:
        username, where = _username(values.pop("domain")), _where(message, values)
        return ByUsername(username, where.message_id, typed, where.topic_id)
    if action == "privatepost" and "channel" in values:
        channel_id, where = _channel(values.pop("channel")), _where(message, values)
        return ByMarkedId(channel_id, where.message_id, typed, where.topic_id)
    if action == "join" and "invite" in values:
        return ByInviteHash(_invite_hash(values["invite"]), text=typed)
    if action == "user" and re.fullmatch(r"[0-9]{1,19}", values.get("id", "")):
        return ByMarkedId(_user_id(int(values["id"])), text=typed)
    raise _NotAChat("a link to something else than a chat")


@dataclass(frozen=True)
class _Where:
    """What a link names of its chat: 0 for all."""

    message_id: int
    topic_id: int


def _query(text: str) -> dict[str, str]:
    return {name: texts[0] for name, texts in parse_qs(text, keep_blank_values=True).items()}


def _where(words: list[str], query: Mapping[str, str]) -> _Where:
    """Of the words after the chat: ``<message>``, or ``<topic>/<message>``. What is in the query
    and not understood may name a part of the chat, so that it is never left out."""
    if len(words) == 2 and words[0].lower() in ("s", "a"):
        raise _NotAChat(f"a link {_NARROWER['story' if words[0].lower() == 's' else 'album']}")
    for name in query:
        if name in _NARROWER:
            raise _NotAChat(f"a link {_NARROWER[name]}")
        if name not in _SHOWN_SO and name != "thread":
            raise _NotAChat(f"a link with {name!r}, which can name a part of the chat: {_WIDER}")
    ids = [_message_id(word) for word in words]
    threads = [_message_id(query["thread"])] if "thread" in query else []
    if len(ids) > 2 or (threads and ids[:-1] not in ([], threads)):
        raise _NotAChat(_NO_MESSAGE_ID)
    return _Where(ids[-1] if ids else 0, (threads or ids[:-1] or [0])[0])


def _username(word: str) -> str:
    if not _USERNAME.fullmatch(word):
        raise _NotAChat("not a user name (3 to 32 letters, digits and underscores)")
    return word.lower()


def _invite_hash(word: str) -> str:
    if not _INVITE_HASH.fullmatch(word):  # t.me/+<digits> is a phone number
        raise _NotAChat("not an invite link")
    return word


def _channel(word: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,17}", word):
        raise _NotAChat("a link without a channel's id")
    return _marked_id(_CHANNEL_MARK - int(word))


def is_username(word: str) -> bool:
    """Whether ``@`` and this is understood as a user name."""
    return _USERNAME.fullmatch(word) is not None


def _user_id(number: int) -> int:
    if not 0 < number <= _LARGEST_USER_ID:
        raise _NotAChat("a number that no person's id can be; a channel's id has -100 before it")
    return number


def _marked_id(number: int) -> int:
    """A basic group, a channel, or its direct messages. Some ids of the last might be those of
    secret chats, which no account can read on another device: the list of chats has none."""
    if not _CHANNEL_MARK - _LARGEST_CHANNEL_ID <= number < 0 or number == _CHANNEL_MARK:
        raise _NotAChat("an id that no group or channel can have")
    return number


_NO_MESSAGE_ID = "a link whose message id is not a number that a message can have"


def _message_id(word: str) -> int:
    if not _MESSAGE_ID.fullmatch(word) or int(word) > LARGEST_MESSAGE_ID:
        raise _NotAChat(_NO_MESSAGE_ID)
    return int(word)


def same_chat(one: ChatSpelling, other: ChatSpelling) -> bool:
    """Whether both name one chat (or one topic of it) in the same way, wherever they begin."""
    return replace(one, from_message_id=0) == replace(other, from_message_id=0)


def names(spelling: ChatSpelling, chat_id: int, username: str | None) -> bool:
    """Whether it is a name of the chat that has this id and this user name, as far as that can be
    told without asking."""
    if isinstance(spelling, ByUsername):
        return username is not None and spelling.username == username.lower()
    return isinstance(spelling, ByMarkedId) and spelling.marked_id == chat_id


def beginning(spelling: ChatSpelling) -> str | None:
    """What there is to say of a link to a message: a person may mean just that one. ``None`` where
    the whole chat is named."""
    if not spelling.from_message_id:
        return None
    message_id = spelling.from_message_id
    return f"{spelling.text}: from message {message_id} on (only that one: --to-id {message_id})"
