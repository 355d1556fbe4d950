"""Telegram's errors that the library has no name for.

The library writes each of them into a file in the working directory, which is not ours to write
to, and fails where it may not. So they are taken out of a session's answers before it sees them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyrogram import errors, raw
from pyrogram.errors.exceptions.all import exceptions
from pyrogram.errors.rpc_error import PARAMETER, STRING_PARAMETER_PREFIXES
from pyrogram.session import Session

_CATEGORY = "_"


@dataclass(frozen=True)
class UnnamedError:
    """What a session gives as the answer to a request instead of raising it."""

    code: int
    text: str

    def exception(self) -> errors.RPCError:
        """Of the library's class for this code, if it has one, so that it is dealt with alike."""
        category: type[errors.RPCError] = errors.RPCError
        if self.code in exceptions:
            category = getattr(errors, exceptions[self.code][_CATEGORY])
        fields = {"ID": self.text, "CODE": self.code, "MESSAGE": "an error without a name"}
        unnamed: errors.RPCError = type("Unnamed", (category,), fields)()
        return unnamed


def keep_unnamed_errors(session: Session) -> None:
    """Let requests of this session be answered with an ``UnnamedError`` where it is one."""
    session.results = _Answers(session.results)


class _Answers(dict[int, Any]):
    """A session's answers by message id, from which it takes each with ``pop``."""

    def pop(self, msg_id: int, *default: Any) -> Any:
        answer = super().pop(msg_id, *default)
        error = getattr(answer, "value", None)
        if isinstance(error, raw.types.RpcError) and not _has_name(error):
            answer.value = UnnamedError(abs(error.error_code), str(error.error_message))
        return answer


def _has_name(error: raw.types.RpcError) -> bool:
    text = str(error.error_message)
    for prefix in STRING_PARAMETER_PREFIXES:
        if text.startswith(prefix):
            return True
    return PARAMETER.sub("_X", text) in exceptions.get(abs(error.error_code), {})
