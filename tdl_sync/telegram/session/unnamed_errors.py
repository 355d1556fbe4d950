"""Telegram's errors that the library has no name for: raised before it sees them."""

from __future__ import annotations

from typing import Any

from pyrogram import errors, raw

from tdl_sync.telegram.session.library import NAMED_ERRORS, PARAMETER, STRING_PARAMETER_PREFIXES

_CATEGORY = "_"


class Answers(dict[int, Any]):
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
