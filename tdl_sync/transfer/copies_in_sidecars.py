"""The sidecar of a file that was moved names the other messages that hold it.

A copy may become known in a later run, or on another machine, so the JSON on the remote is read,
changed and written again: ``docs/sidecar.md``. Each is changed by one thread at a time, for all
copies that have come together meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial

from tdl_sync.core.errors import Stopped
from tdl_sync.core.model import FileNumber, MediaItem
from tdl_sync.core.retry import with_attempts
from tdl_sync.transfer.job import Job, Stages
from tdl_sync.transfer.sidecar import sidecar_name, with_copies


class AlsoPosted:
    """Without sidecars there is nothing to name copies in."""

    def name(self, first: FileNumber, copies: Sequence[MediaItem]) -> Future[None]:
        """Name copies of the ``first`` file, if the remote has a sidecar of it.

        The future fails as ``HandOff.put`` does, or with ``SidecarUnreadable``, after three
        attempts; nothing is lost then but the naming.
        """
        named: Future[None] = Future()
        named.set_result(None)
        return named


@dataclass(frozen=True)
class _Request:
    copies: Sequence[MediaItem]
    named: Future[None]


class InSidecars(AlsoPosted):
    """All methods may be called from any thread; none blocks."""

    def __init__(self, job: Job, stages: Stages, pool: Executor) -> None:
        self._hand_off = stages.hand_off
        self._pool = pool
        self._stop = stages.stop
        self._lock = threading.Lock()
        self._folders = job.sidecar_folders
        self._requests: dict[FileNumber, list[_Request]] = {}
        """What is to be named in a sidecar; there is no entry where no thread works on it."""

    def name(self, first: FileNumber, copies: Sequence[MediaItem]) -> Future[None]:
        with self._lock:
            if not copies or first not in self._folders:
                return super().name(first, copies)
            request = _Request(copies, Future())
            is_worked_on = first in self._requests
            self._requests.setdefault(first, []).append(request)
        if not is_worked_on:
            try:
                self._pool.submit(self._work_on, first)
            except RuntimeError:  # how an executor says that it was shut down
                self._fail_all(first, Stopped("the run is stopping"))
        return request.named

    def _work_on(self, first: FileNumber) -> None:
        while requests := self._taken(first):
            copies = [copy for request in requests for copy in request.copies]
            try:
                with_attempts(partial(self._write, first, copies), self._stop)
            except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
                for request in requests:
                    request.named.set_exception(error)
            else:
                for request in requests:
                    request.named.set_result(None)

    def _taken(self, first: FileNumber) -> list[_Request]:
        with self._lock:
            requests = self._requests.pop(first)
            if requests:
                self._requests[first] = []
            return requests

    def _fail_all(self, first: FileNumber, error: Exception) -> None:
        with self._lock:
            requests = self._requests.pop(first)
        for request in requests:
            request.named.set_exception(error)

    def _write(self, first: FileNumber, copies: Sequence[MediaItem]) -> None:
        folder, name = self._folders[first], sidecar_name(first)
        before = self._hand_off.read(folder, name)
        after = with_copies(before, copies)
        if after != before:
            self._hand_off.put(after, folder, name)
