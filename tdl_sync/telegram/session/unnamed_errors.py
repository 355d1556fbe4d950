"""Telegram's errors that the library has no name for.

The library writes each of them into a file in the working directory, which is not ours to write
to, and fails where it may not. So they are raised before it sees them, on every session that it
opens, whoever asks: a run, a command, or the library itself while it signs in.
"""

from __future__ import annotations

from typing import Any

from pyrogram import errors, raw

from tdl_sync.telegram.session.library import (
    NAMED_ERRORS,
    PARAMETER,
    STRING_PARAMETER_PREFIXES,
    Client,
    Session,
    keep_answers_in,
    on_connection,
)

_CATEGORY = "_"


def keep_unnamed_errors(client: Client) -> None:
    """Let requests of this client that end so raise an error of the library's class for the code.

    It begins with the first connection of a session, right after the call that opens that.
    """
    on_connection(client, _on_connect)


async def _on_connect(client: Client, session: Session) -> None:
    keep_answers_in(session, _Answers)


class _Answers(dict[int, Any]):
    """A session's answers by message id, from which it takes each with ``pop``."""

    def pop(self, msg_id: int, *default: Any) -> Any:
        answer = super().pop(msg_id, *default)
        error = getattr(answer, "value", None)
        if isinstance(error, raw.types.RpcError) and not _has_name(error):
            raise unnamed(abs(error.error_code), str(error.error_message))
        return answer


def unnamed(code: int, text: str) -> errors.RPCError:
    """Of the library's class for this code, if it has one, so that it is dealt with alike."""
    category: type[errors.RPCError] = errors.RPCError
    if code in NAMED_ERRORS:
        category = getattr(errors, NAMED_ERRORS[code][_CATEGORY])
    fields = {"ID": text, "CODE": code, "MESSAGE": "an error without a name"}
    unnamed: errors.RPCError = type("Unnamed", (category,), fields)()
    return unnamed


def _has_name(error: raw.types.RpcError) -> bool:
    text = str(error.error_message)
    if text.startswith(tuple(STRING_PARAMETER_PREFIXES)):
        return True
    return PARAMETER.sub("_X", text) in NAMED_ERRORS.get(abs(error.error_code), {})
