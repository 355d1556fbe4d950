"""Staged file -> its place and hash -> sidecar -> hand-off -> done-mark.

The twin of ``download``: what is staged goes in, what is marked comes out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tdl_sync.core.errors import FolderFull, ItemFailed, StagingFailed
from tdl_sync.core.model import (
    DoneMark,
    FormerFile,
    MediaItem,
    MessageKey,
    RemoteFile,
    StagedFile,
    path_at,
)
from tdl_sync.core.retry import with_attempts
from tdl_sync.core.steps import Steps, TriedAgain, UploadBegan, Uploaded, UploadEnded
from tdl_sync.options.name_template import RemotePlace
from tdl_sync.transfer.disk.part_journal import Attempt
from tdl_sync.transfer.job import Job, Stages
from tdl_sync.transfer.sidecar import sidecar, sidecar_name, with_copies_of

_READ_BYTES = 256 * 1024


class Uploader:
    """Turns staged files into done-marks. ``upload`` may run in many threads at once."""

    def __init__(
        self,
        job: Job,
        stages: Stages,
        path_before: Callable[[MediaItem], str | None],
        steps: Steps,
        wait_until_not_lapsed: Callable[[], None] = lambda: None,
        former: Callable[[RemoteFile], FormerFile | None] = lambda file: None,
        is_marked: Callable[[FormerFile | None], None] = lambda former: None,
    ) -> None:
        """``path_before`` says where on the remote, below the chat's folder, a file of the same
        message may be that is not right: it is overwritten, so that there are not two.
        ``former`` names what was replaced in the message and lies elsewhere, and ``is_marked`` is
        told of it once that is on record."""
        self._job = job
        self._stages = stages
        self._path_before = path_before
        self._steps = steps
        self._wait_until_not_lapsed = wait_until_not_lapsed
        self._former = former
        self._is_marked = is_marked
        self._full_places: set[tuple[MessageKey, str]] = set()

    def upload(self, staged: StagedFile) -> DoneMark:
        """Hand off one file, then mark it; blocks until the mark is durable.

        A kill between the two is mended by the next run, which looks where this one was about to
        put it. After three attempts raises what
        ``HandOff.move`` raises, or ``StagingFailed`` for a file that can't be read: it is kept.
        """
        remote_file = with_attempts(
            lambda: self._attempt(staged),
            self._stages.stop,
            lambda why, seconds: self._steps.tell(TriedAgain(staged.item, why, seconds)),
        )
        mark = DoneMark(self._job.remote, remote_file)
        former = self._former(remote_file)
        self._stages.marks.write(mark, self._job.scope, former)
        self._is_marked(former)
        return mark

    def _attempt(self, staged: StagedFile) -> RemoteFile:
        item = staged.item
        self._stages.stop.check()
        path = self._chosen_path(item)
        if path is not None:  # an earlier attempt may have left it there, or a sidecar
            staged = replace(staged, may_be_there=True)
            self._stages.stop.sleep(self._stages.hand_off.seconds_until_listed())
        # After every wait: the machine may have slept in it, and another have sent the file.
        self._wait_until_not_lapsed()
        self._stages.stop.check()
        place = self._place(item, path)
        folder = "/".join((self._job.folder, *place.folders))
        remote_path = path_at(self._job.remote, f"{folder}/{place.name}")
        self._steps.tell(UploadBegan(item, staged.path.name, remote_path))
        try:
            moved = self._move(staged, place, folder)
            self._job.room.put(place.folders, self._job.keeping.things)
            return moved
        except FolderFull as full:
            self._goes_elsewhere(item, place, folder, full)
            raise
        finally:
            self._steps.tell(UploadEnded(item))

    def _move(self, staged: StagedFile, place: RemotePlace, folder: str) -> RemoteFile:
        """The sidecar goes first: where the file is on the remote, which is what a lost machine's
        next run goes by, its sidecar is there, too."""
        item, job = staged.item, self._job

        def sent(total_bytes: int) -> None:
            self._steps.tell(Uploaded(item, total_bytes))

        sha256 = sha256_of(staged.path)
        self._begin(item, Attempt("/".join((*place.folders, place.name)), sha256))
        if job.keeping.with_sidecar:
            self._put_sidecar(item, place, folder, sha256)
        moved = self._stages.hand_off.move(staged, folder, place.name, sent)
        if job.keeping.with_sidecar:
            job.sidecar_folders[item.number] = folder
        return replace(moved, sha256=sha256)

    def _chosen_path(self, item: MediaItem) -> str | None:
        """Of an earlier attempt, in this run or another: what that has left is there."""
        attempt = self._stages.leftovers.attempt(item)
        path = (attempt and attempt.path) or self._path_before(item)
        return None if (item.key, path) in self._full_places else path

    def _goes_elsewhere(
        self, item: MediaItem, place: RemotePlace, folder: str, full: FolderFull
    ) -> None:
        """The folder takes no more, so nothing of this file is there, but for a sidecar perhaps.
        Raises what holds for every further file, where another folder would not help."""
        if not self._job.room.refused(place.folders):
            raise full.refusal from full
        self._full_places.add((item.key, "/".join((*place.folders, place.name))))
        job = self._job
        if job.keeping.with_sidecar and job.sidecar_folders.get(item.number) != folder:
            with suppress(ItemFailed):
                self._stages.hand_off.remove(folder, sidecar_name(item.number))

    def _place(self, item: MediaItem, path: str | None) -> RemotePlace:
        if path is None:
            return self._job.place(item)
        *folders, name = path.split("/")
        return RemotePlace(tuple(folders), name)

    def _begin(self, item: MediaItem, attempt: Attempt) -> None:
        try:
            self._stages.leftovers.begin_attempt(item, attempt)
        except OSError as error:
            raise StagingFailed(error.strerror or str(error)) from error

    def _put_sidecar(self, item: MediaItem, place: RemotePlace, folder: str, sha256: str) -> None:
        """It names the copies that a sidecar from before names."""
        text = sidecar(item, self._job.chat, place, sha256)
        name = sidecar_name(item.number)
        folder_before = self._job.sidecar_folders.get(item.number)
        if folder_before is not None:
            text = with_copies_of(text, self._stages.hand_off.read(folder_before, name))
        self._stages.hand_off.put(text, folder, name)


def sha256_of(path: Path) -> str:
    """The hash by which a file on the remote can be told from another of its size, in hexadecimal.

    Google Drive and others list SHA-256 at no cost, and it takes 0.8 ms of CPU for a MB, reading
    included, where the processor has instructions for it. MD5, which more remotes list, takes 1.5.
    Raises ``StagingFailed`` for a file that can't be read.
    """
    digest = hashlib.sha256()
    block = bytearray(_READ_BYTES)
    view = memoryview(block)
    try:
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(block):
                digest.update(view[:count])
    except OSError as error:
        raise StagingFailed(error.strerror or str(error)) from error
    return digest.hexdigest()
