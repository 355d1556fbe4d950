"""What Telegram and the remote have answered, kept as one line a call: kinds, sizes, errors, times.

Nothing of an answer is copied. What is written is a number that was counted here, or one of the
words that are known beforehand: a method or type of Telegram's schema, an error of the library's
list, a call of rclone's remote control, a reason of Google's list. So no name, id, token, hash or
file reference can get in, whatever is in the answers.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from pyrogram.errors import RPCError

from tdl_sync.remote.rclone import CallFailed, Rclone
from tdl_sync.telegram.session import library

TELEGRAM, REMOTE = "telegram.jsonl", "remote.jsonl"

CALLS = frozenset(
    """
    config/dump config/listremotes config/providers config/update core/bwlimit core/version
    debug/set-gc-percent debug/set-soft-memory-limit fscache/clear operations/about
    operations/copyfile operations/deletefile operations/fsinfo operations/list
    operations/mkdir operations/movefile operations/stat operations/uploadfile options/info
    options/local
    """.split()
)
_GOOGLE = re.compile(r"googleapi: Error (\d{3}):.*, (\w+)\Z", re.DOTALL)
REASONS = frozenset(
    """
    accessNotConfigured accountDisabled activeItemCreationLimitExceeded appNotAuthorizedToFile
    authError backendError badRequest cannotAddParent dailyLimitExceeded domainPolicy
    fileNotFound forbidden insufficientFilePermissions insufficientParentPermissions
    insufficientPermissions internalError invalid invalidParameter invalidSharingRequest
    myDriveHierarchyDepthLimitExceeded notFound numChildrenInNonRootLimitExceeded
    parentNotAFolder quotaExceeded rateLimitExceeded required sharingRateLimitExceeded
    storageQuotaExceeded teamDriveFileLimitExceeded teamDriveHierarchyTooDeep
    teamDriveMembershipRequired transientError uploadTooLarge userRateLimitExceeded
    """.split()
)
OTHER = "other"


class Record:
    """Two files in a directory. Calls may come from any thread."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._lock = threading.Lock()
        self._began_at = time.monotonic()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """To all that this process asks meanwhile."""
        send, post = library.send, Rclone.post

        async def heard_send(session: Any, query: Any, seconds: float) -> Any:
            began_at = time.monotonic()
            try:
                answer = await send(session, query, seconds)
            except (RPCError, OSError) as error:
                self._keep(TELEGRAM, began_at, telegram_reply(query, error))
                raise
            self._keep(TELEGRAM, began_at, telegram_reply(query, answer))
            return answer

        def heard_post(rclone: Rclone, command: str, *others: Any, **named: Any) -> Any:
            began_at = time.monotonic()
            try:
                answer = post(rclone, command, *others, **named)
            except Exception as error:
                self._keep(REMOTE, began_at, remote_reply(command, error))
                raise
            self._keep(REMOTE, began_at, remote_reply(command, answer))
            return answer

        with (
            mock.patch.object(library, "send", heard_send),
            mock.patch.object(Rclone, "post", heard_post),
        ):
            yield

    def _keep(self, name: str, began_at: float, reply: Mapping[str, object]) -> None:
        now = time.monotonic()
        times = {"at": round(began_at - self._began_at, 3), "took": round(now - began_at, 3)}
        with self._lock, (self._directory / name).open("a", encoding="ascii") as file:
            file.write(json.dumps({**reply, **times}) + "\n")


def telegram_reply(query: Any, answer: Any) -> dict[str, object]:
    """``answer`` is what was answered, or the error."""
    while (inner := getattr(query, "query", None)) is not None:
        query = inner
    reply: dict[str, object] = {"call": _of_schema(query, "functions.")}
    limit = getattr(query, "limit", None)
    if isinstance(limit, int) and 0 <= limit <= 1 << 20:
        reply["asked"] = limit
    if isinstance(answer, RPCError):
        # Of the class, not of the object: what the library does not know it takes from the answer.
        reply["error"] = _constant(type(answer).ID)
        reply["code"] = _constant(type(answer).CODE)
        if reply["code"] == 420 and isinstance(answer.value, int):
            reply["seconds"] = min(max(answer.value, 0), 10_000_000)
    elif isinstance(answer, OSError):
        reply["error"] = "no answer"
    elif isinstance(answer, list):
        reply["answer"], reply["entries"] = "list", len(answer)
    else:
        reply["answer"] = _of_schema(answer, "types.")
        messages, content = getattr(answer, "messages", None), getattr(answer, "bytes", None)
        total = getattr(answer, "count", None)
        if isinstance(messages, list):
            reply["entries"] = len(messages)
            reply["total"] = total if isinstance(total, int) else len(messages)
        if isinstance(content, bytes):
            reply["bytes"] = len(content)
    return reply


def remote_reply(command: str, answer: Any) -> dict[str, object]:
    """The same of a call of rclone's remote control."""
    name = command.partition("?")[0]
    reply: dict[str, object] = {"call": name if name in CALLS else OTHER}
    if isinstance(answer, CallFailed):
        reply["status"] = answer.status if answer.status in range(100, 600) else 0
        said = _GOOGLE.search(answer.reason)
        reply["error"] = said[2] if said is not None and said[2] in REASONS else OTHER
        if said is not None:
            reply["code"] = int(said[1])
    elif isinstance(answer, Exception):
        reply["error"] = "no answer"
    else:
        reply["entries"] = max((len(e) for e in answer.values() if isinstance(e, list)), default=0)
    return reply


def _of_schema(thing: Any, prefix: str) -> str:
    """Its type's name, where that is one of Telegram's."""
    if isinstance(thing, bool):
        return "Bool"
    name = getattr(type(thing), "QUALNAME", "")
    return name.removeprefix(prefix) if re.fullmatch(r"[A-Za-z0-9_.]{3,80}", name) else OTHER


def _constant(value: Any) -> object:
    return value if isinstance(value, (str, int)) else OTHER
