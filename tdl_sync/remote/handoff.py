"""Hands staged files to rclone's ``moveto``, which uploads, verifies and deletes them.

Over the remote control that is ``operations/movefile``, the same code.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tdl_sync.core.errors import (
    FolderFull,
    HandOffFailed,
    RcloneEnded,
    StagingFailed,
    StorageFull,
    TdlSyncError,
)
from tdl_sync.core.model import ListedFile, MarkedFile, RemoteFile, StagedFile
from tdl_sync.options.config import OnQuota
from tdl_sync.remote.call_options import Comparison
from tdl_sync.remote.check import CheckedRemote, free_bytes
from tdl_sync.remote.drive_folder import LISTING_LAG_SECONDS, seconds_until_listed
from tdl_sync.remote.folders import LOOK_AGAIN_SECONDS, ChatFolders, Target
from tdl_sync.remote.folders_by_id import FoldersById
from tdl_sync.remote.folders_by_path import FoldersByPath
from tdl_sync.remote.listing import listed_elsewhere
from tdl_sync.remote.listing_lag import ListingLag
from tdl_sync.remote.pace import Pace
from tdl_sync.remote.power_cut import PowerCut
from tdl_sync.remote.rclone import CallFailed, OutcomeUnknown
from tdl_sync.remote.rclone_errors import RcloneFailure, is_rate_limit, transfer_error
from tdl_sync.remote.rclone_log import CallTriedAgain, SentSoFar
from tdl_sync.remote.refusals import Refusals
from tdl_sync.remote.remnant_removal import RemnantRemoval
from tdl_sync.remote.remote_control import Folder, RemoteControl
from tdl_sync.remote.token_renewal import TokenRenewal
from tdl_sync.remote.turns import Turns

_LOOK_AGAIN_SECONDS = 0.5


@dataclass(frozen=True)
class _Sending:
    """A move that is under way."""

    size_bytes: int
    on_bytes: Callable[[int], None]


class RcloneHandOff:
    """``ports.HandOff`` over rclone. All methods may be called from any thread.

    Staged files have absolute paths and lie in one directory. One destination name must be handed
    off once at a time: two moves to one name make two files on Drive.
    """

    def __init__(
        self,
        control: RemoteControl,
        remote: CheckedRemote,
        pace: Pace,
        on_line: Callable[[str], None],
        on_quota: OnQuota = OnQuota.EXIT,
        folders: list[Folder] | None = None,
        began_at: float | None = None,
        *,
        others_at_work: bool = False,
        before_making: Callable[[], None] = lambda: None,
    ) -> None:
        """``folders`` are those on the remote, if they were listed a moment ago. ``began_at``, by
        the monotonic clock: since then no rclone of an earlier run lives here; ``None``: now.
        ``others_at_work``: other machines move the same chats at the same time. ``before_making``
        is called before a chat's folder is made that may not be there: it may wait, and raise."""
        self._control = control
        self._remote = remote
        self._before_making = before_making
        self._folders: ChatFolders = (
            FoldersById(control, remote, on_line, folders, others_at_work=others_at_work)
            if remote.takes_folder_ids
            else FoldersByPath(control, remote, on_line, folders)
        )
        self._turns = Turns(pace, TokenRenewal(control, remote.remote), on_quota)
        self._remnants = RemnantRemoval(control, remote.base, on_line)
        self._refusals = Refusals()
        self._power_cut = PowerCut(control, remote.remote)
        self._sending: dict[str, _Sending] = {}
        self._lag = ListingLag(self._turns, self._folders, began_at, lags=remote.on_drive)
        # What rclone takes for the same file it does not send, but deletes at the source. Where
        # there is no common hash that would be decided by the size alone.
        self._compare = Comparison.BY_HASH if remote.shares_hash else Comparison.ALWAYS_SEND
        control.rclone.on_told(self._told)

    def move(
        self, staged: StagedFile, folder: str, name: str, on_bytes: Callable[[int], None]
    ) -> RemoteFile:
        """See ``ports.HandOff.move``. A stalled transfer is ended by rclone's own time-outs.

        Only rclone's answer is believed, and that the source is gone; or, where rclone died before
        it answered and the source is gone, what the remote shows. ``on_bytes`` is called about
        twice a second, never with more than the file's size; not at all for a file that rclone
        found on the remote already. While the remote limits the rate or can't be reached, this
        waits for as long as that takes, and so it does for the daily quota if asked to.
        """
        _check_names(*folder.split("/"), name)
        self._look_again(folder.partition("/")[0], LOOK_AGAIN_SECONDS)
        self._before_sending(folder)
        if staged.may_be_there:
            self._lag.wait()
            self._folders.may_hold(folder, name)
        self._turns.run(lambda: self._move_once(staged, folder, name, on_bytes))
        self._power_cut.outlived_by(f"{folder}/{name}")
        self._remnants.remove_of(folder, name)
        return RemoteFile.moved(staged, folder, name)

    def seconds_until_listed(self) -> float:
        """See ``ports.HandOff.seconds_until_listed``."""
        return self._lag.seconds_left

    def look(self, folder: str, name: str) -> ListedFile | None:
        """See ``ports.HandOff.look``. It waits and fails as ``move`` does."""
        _check_names(*folder.split("/"), name)
        self._lag.wait()
        self._until_ready(folder)
        return self._turns.run(lambda: self._look_once(folder, name))

    def keep_date(self, file: RemoteFile) -> None:
        """See ``ports.HandOff.keep_date``: on a disk of this machine."""
        self._power_cut.keep_date(f"{file.folder}/{file.name}", file.item.date.timestamp())

    def expect_more(self) -> None:
        """See ``ports.HandOff.expect_more``."""
        self._lag.expect_more()

    def nobody_else_makes(self, folder: str) -> None:
        """See ``ports.HandOff.nobody_else_makes``."""
        self._folders.nobody_else_makes(folder)

    def shows(self, file: MarkedFile) -> bool:
        """See ``ports.HandOff.shows``."""
        place = self._folders.seen_place(file.folder, file.name)
        if place is None:
            return False
        try:
            found = self._control.file(*place, hash_kinds=())
        except (CallFailed, OutcomeUnknown):
            return False  # whoever lists the folder then is told why
        return found is not None and found.size_bytes == file.size_bytes

    def _look_once(self, folder: str, name: str) -> ListedFile | None:
        target = self._folders.target(1, folder, name)
        try:
            return self._control.file(target.remote, target.path)
        except CallFailed as failed:
            raise transfer_error(
                failed.failure(self._remote.remote, name, *folder.split("/"))
            ) from failed

    def put(self, content: bytes, folder: str, name: str) -> None:
        """See ``ports.HandOff.put``. It waits and fails as ``move`` does."""
        _check_names(*folder.split("/"), name)
        self._before_sending(folder)
        self._turns.run(lambda: self._put_once(content, folder, name))
        self._power_cut.outlived_by(f"{folder}/{name}")

    def read(self, folder: str, name: str) -> bytes:
        """See ``ports.HandOff.read``. It waits and fails as ``move`` does."""
        self._until_ready(folder)
        return self._turns.run(lambda: self._read_once(folder, name))

    def remove(self, folder: str, name: str) -> None:
        """See ``ports.HandOff.remove``. It waits and fails as ``move`` does."""
        _check_names(*folder.split("/"), name)
        self._before_sending(folder)
        self._turns.run(lambda: self._remove_once(folder, name))

    def prepare_folder(self, folder: str) -> list[ListedFile]:
        """Make the folder and list its files. Call it once, before the first ``move``.

        Raises ``ConfigurationError``, ``CredentialsRefused``, ``ComeBackLater`` or ``Stopped``.
        """
        _check_names(folder)
        self._turns.token.in_time()
        if not (self._remote.takes_folder_ids and self._folders.is_seen(folder)):
            self._before_making()
        self._lag.before_listing(folder)
        listing = self._folders.prepare(folder)
        if listing:
            self._power_cut.outlived_by_all()  # what it shows will be marked as done
        # On Drive rclone renames nothing, and what looks like a remnant is a file.
        return (
            listing if self._remote.takes_folder_ids else self._remnants.taken_out(folder, listing)
        )

    def renew_folder(self, folder: str) -> None:
        """See ``ports.HandOff.renew_folder``. It waits as ``move`` does and raises as
        ``prepare_folder``."""
        self._look_again(folder, 0.0)

    def elsewhere(self, source: str) -> list[ListedFile]:
        """See ``ports.HandOff.elsewhere``."""
        return self._turns.run(lambda: listed_elsewhere(self._control, source))

    def find_folder(self, chat_id: int) -> str | None:
        """See ``ports.HandOff.find_folder`` and ``listing.find_chat_folder``."""
        return self._folders.find(chat_id)

    def terminate(self, grace_seconds: float) -> None:
        """Start nothing more; give running moves this long, then end them. Blocks until then.

        Moves that were ended raise ``Stopped``. A second call, from another thread and with a
        shorter grace, cuts the first one short.
        """
        self._control.rclone.terminate(grace_seconds)

    def held_back_while(self, is_so: Callable[[], bool]) -> AbstractContextManager[None]:
        """See ``ports.HandOff.held_back_while``."""
        return self._turns.held_back_while(is_so)

    def cut(self) -> None:
        """See ``ports.HandOff.cut``."""
        self._control.rclone.cut()

    def _before_sending(self, folder: str) -> None:
        self._lag.before_sending(folder.partition("/")[0])
        self._until_ready(folder)

    def _until_ready(self, folder: str) -> None:
        if self._folders.is_ready(folder):
            return
        while seconds := self._turns.run(lambda: self._folders.seconds_until_ready(folder)):
            self._turns.sleep(seconds)

    def _look_again(self, chat_folder: str, after_seconds: float) -> None:
        if self._folders.is_due(chat_folder, after_seconds):
            self._turns.run(lambda: self._folders.look_again(chat_folder, after_seconds))

    def _move_once(
        self,
        staged: StagedFile,
        folder: str,
        name: str,
        on_bytes: Callable[[int], None],
    ) -> None:
        if not staged.path.is_file():
            raise StagingFailed(f"{staged.path.name} is not in the staging directory any more")
        size_bytes = staged.item.size_bytes
        target = self._folders.target(size_bytes, folder, name)
        self._sending[staged.path.name] = _Sending(size_bytes, on_bytes)
        try:
            self._control.move(
                staged.path,
                target.remote,
                target.path,
                self._compare,
                look_first=target.look_first,
            )
        except CallFailed as failed:
            failure = failed.failure(self._remote.remote, name, *folder.split("/"))
            raise self._move_error(staged, name, failure) from failed
        except OutcomeUnknown as unknown:
            if not staged.path.exists() and self._shows(target, size_bytes):
                return
            raise self._after_the_lag(RcloneEnded(str(unknown))) from unknown
        finally:
            del self._sending[staged.path.name]
        if staged.path.exists():
            why = "it says that the file was moved, but the source is still there"
            raise self._after_the_lag(HandOffFailed(why))
        self._refusals.took_one()

    def _remove_once(self, folder: str, name: str) -> None:
        target = self._folders.target(1, folder, name)
        try:
            self._control.delete_file(target.remote, target.path)
        except CallFailed as failed:
            if not failed.is_missing:
                failure = failed.failure(self._remote.remote, name, *folder.split("/"))
                raise self._transfer_error(name, failure) from failed

    def _shows(self, target: Target, size_bytes: int) -> bool:
        """rclone deletes the source last, when the file is there and verified. Listings may lag."""
        deadline = time.monotonic() + LISTING_LAG_SECONDS
        while True:
            try:
                file = self._control.file(target.remote, target.path, hash_kinds=())
            except CallFailed:
                return False
            if file is not None and file.size_bytes == size_bytes:
                return True
            if not self._remote.on_drive or time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_AGAIN_SECONDS)

    def _put_once(self, content: bytes, folder: str, name: str) -> None:
        target = self._folders.target(len(content), folder, name)
        folder_of_target = target.path.rpartition("/")[0]
        try:
            self._control.put(content, target.remote, folder_of_target, name)
        except CallFailed as failed:
            failure = failed.failure(self._remote.remote, name, *folder.split("/"))
            raise self._transfer_error(name, failure) from failed
        except OutcomeUnknown as unknown:
            raise self._after_the_lag(RcloneEnded(str(unknown))) from unknown

    def _read_once(self, folder: str, name: str) -> bytes:
        target = self._folders.target(1, folder, name)
        try:
            return self._control.read(target.remote, target.path)
        except CallFailed as failed:
            error = transfer_error(failed.failure(self._remote.remote, name, *folder.split("/")))
            # What was put just now may not be listed yet.
            raise self._after_the_lag(error) from failed

    def _transfer_error(self, name: str, failure: RcloneFailure) -> TdlSyncError:
        error = transfer_error(failure)
        of_all = self._refusals.of_all(name, failure) if type(error) is HandOffFailed else None
        return of_all or error

    def _move_error(self, staged: StagedFile, name: str, failure: RcloneFailure) -> TdlSyncError:
        error = self._transfer_error(name, failure)
        if isinstance(error, FolderFull):
            return error  # nothing has arrived
        if isinstance(error, StorageFull):
            free = free_bytes(self._control, self._remote.base)
            return StorageFull(failure.remote, failure.last_error, staged.item.size_bytes, free)
        return self._after_the_lag(error)

    def _after_the_lag(self, error: TdlSyncError) -> TdlSyncError:
        """What an attempt may have left is seen by the next one, which then makes no double."""
        if isinstance(error, HandOffFailed) and self._remote.on_drive:
            lag_seconds = seconds_until_listed(str(error))
            error.retry_after_seconds = max(error.retry_after_seconds, lag_seconds)
        return error

    def _told(self, told: SentSoFar | CallTriedAgain) -> None:
        if isinstance(told, SentSoFar):
            for name, sent_bytes in told.by_name.items():
                if (sending := self._sending.get(name)) is not None:
                    sending.on_bytes(min(sent_bytes, sending.size_bytes))
            # An upload may last longer than a token, and no call begins meanwhile.
            with contextlib.suppress(TdlSyncError, CallFailed):
                self._turns.token.in_time()
        elif is_rate_limit(told.reason):
            self._turns.limited(told.reason)


def _check_names(*names: str) -> None:
    """Refuse what is not the name of one file or folder."""
    for name in names:
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise ValueError(f"{name!r} is not the name of one file or folder")
