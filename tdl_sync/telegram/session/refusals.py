"""Whose affair a refusal of Telegram's is: the session's, one chat's, or that of the one call.

By the code of an error and by its name (https://core.telegram.org/api/errors), never by its class:
the library has one for each pair of both, and exports one of two that share a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pyrogram.errors import AuthKeyDuplicated, RPCError, Unauthorized

from tdl_sync.core.errors import (
    ChatUnreadable,
    ChatUnreadableNow,
    ConfigurationError,
    CredentialsRefused,
    NetworkUnreachable,
    TdlSyncError,
)
from tdl_sync.telegram.session.answers import (
    LOG_IN_AGAIN,
    error_name,
    flood_wait_seconds,
    translated,
)
from tdl_sync.telegram.session.tries import passes


class Concern(Enum):
    """What a refusal speaks of."""

    SESSION = "the whole session, so that nothing else will be answered either"
    WAIT = "the rate of calls: the same call is taken later"
    PASSING = "Telegram itself, for the moment"
    CHAT = "the chat that the call names, whatever the call asks for"
    CALL = "what was asked for, of which only the caller knows what it is about"


@dataclass(frozen=True)
class Refusal:
    """Why a chat is not to be read, and what its user can do."""

    why: str
    next_step: str


_SHUT_OUT = Refusal(
    "Telegram no longer shows it to this account",
    "Join it again, then run again: what is done stays done.",
)
_NOT_FOR_THIS_KIND = Refusal(
    "Telegram does not show a chat of this kind to a program",
    "Leave it out, and save what it holds with a Telegram app.",
)
_NO_SUCH_PERSON = Refusal(
    "this person has no account any more, or does not talk with this one",
    "Leave it out.",
)
_NO_SUCH_TOPIC = Refusal(
    "it has no such topic (any more)",
    "A topic's id is the number in its link, after that of the chat.",
)
_FROZEN = Refusal(
    "Telegram has frozen this account, which may not read it",
    "Telegram's own app says why; what is done stays done.",
)

CHAT_REFUSALS = {
    **dict.fromkeys(
        (
            "ACCESS_DENIED",
            "CHANNEL_BANNED",
            "CHANNEL_ID_INVALID",
            "CHANNEL_INVALID",
            "CHANNEL_PARICIPANT_MISSING",
            "CHANNEL_PRIVATE",
            "CHANNEL_PUBLIC_GROUP_NA",
            "CHAT_ADMIN_REQUIRED",
            "CHAT_FORBIDDEN",
            "CHAT_GUEST_SEND_FORBIDDEN",
            "CHAT_ID_EMPTY",
            "CHAT_ID_INVALID",
            "CHAT_INVALID",
            "CHAT_RESTRICTED",
            "CHAT_WRITE_FORBIDDEN",
            "NOT_JOINED",
            "PARTICIPANT_JOIN_MISSING",
            "PEER_ID_INVALID",
            "USER_BANNED_IN_CHANNEL",
            "USER_KICKED",
            "USER_NOT_PARTICIPANT",
            "USER_RESTRICTED",
        ),
        _SHUT_OUT,
    ),
    **dict.fromkeys(
        (
            "BROADCAST_FORBIDDEN",
            "CHANNEL_MONOFORUM_UNSUPPORTED",
            "CHANNEL_TOO_BIG",
            "CHANNEL_TOO_LARGE",
            "CHAT_FORWARDS_RESTRICTED",
            "CHAT_TOO_BIG",
            "CHAT_TYPE_INVALID",
            "MEGAGROUP_ID_INVALID",
            "MEGAGROUP_PREHISTORY_HIDDEN",
            "MEGAGROUP_REQUIRED",
            "PEER_ID_NOT_SUPPORTED",
        ),
        _NOT_FOR_THIS_KIND,
    ),
    **dict.fromkeys(
        (
            "INPUT_USER_DEACTIVATED",
            "PEER_HISTORY_EMPTY",
            "USER_BLOCKED",
            "USER_DELETED",
            "USER_ID_INVALID",
            "USER_INVALID",
            "USER_IS_BLOCKED",
            "USER_PRIVACY_RESTRICTED",
            "YOU_BLOCKED_USER",
        ),
        _NO_SUCH_PERSON,
    ),
    **dict.fromkeys(
        ("CHANNEL_FORUM_MISSING", "TOPIC_DELETED", "TOPIC_ID_INVALID"),
        _NO_SUCH_TOPIC,
    ),
    "FROZEN_PARTICIPANT_MISSING": _FROZEN,
}
"""By name, in whatever code it comes: Telegram has most of them in more than one."""


def concern_of(error: RPCError) -> Concern:
    """What is in no list concerns the call: what is refused to one may be granted to the next."""
    if isinstance(error, (AuthKeyDuplicated, Unauthorized)):
        return Concern.SESSION
    if flood_wait_seconds(error) is not None:
        return Concern.WAIT
    if passes(error):
        return Concern.PASSING
    return Concern.CHAT if error_name(error) in CHAT_REFUSALS else Concern.CALL


def of_chat(named: str, title: str, error: RPCError, doing: str) -> TdlSyncError:
    """What a refusal means that answers a call about one chat: the end of that chat and of no
    other, unless the whole session has ended.

    ``named`` is what the user calls it, ``title`` what it is called, empty where that is unknown.
    """
    concern, name = concern_of(error), error_name(error)
    if concern is Concern.SESSION:
        return translated(error, doing)
    if concern in (Concern.WAIT, Concern.PASSING):
        return unreadable_now(named, title, f"Telegram fails for the moment ({name})")
    refusal = CHAT_REFUSALS.get(name)
    if refusal is None:
        why = f"Telegram refuses to answer ({name}, {doing})"
        return ChatUnreadable(named, why, "What is done stays done.", title)
    return ChatUnreadable(named, f"{refusal.why} ({name})", refusal.next_step, title)


def unreadable_now(named: str, title: str, why: str) -> ChatUnreadableNow:
    return ChatUnreadableNow(named, why, "Run again later: what is done stays done.", title)


def connection_refused(error: RPCError) -> TdlSyncError:
    """What it means that Telegram does not even take the connection."""
    name, seconds = error_name(error), flood_wait_seconds(error)
    if seconds is not None:
        return NetworkUnreachable(
            f"Telegram asks for a pause of {seconds} s before it takes a connection ({name}); run "
            "again after that"
        )
    if "API_ID" in name:
        return CredentialsRefused(
            "Telegram",
            f"it does not accept the api id ({name})",
            "Copy TDL_SYNC_API_ID and TDL_SYNC_API_HASH from https://my.telegram.org/apps, and "
            f"{LOG_IN_AGAIN}",
        )
    return ConfigurationError(
        f"Telegram does not take the connection of this program ({name}): upgrade it, or its "
        "library: python3 -m pip install --upgrade kurigram"
    )
