"""Hands staged files to ``rclone moveto``, which uploads, verifies and deletes them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from tdl_sync.core.errors import (
    AccessTokenRefused,
    HandOffFailed,
    NetworkUnreachable,
    QuotaExceeded,
    RateLimited,
    RemoteUnreachable,
    StagingFailed,
    Stopped,
    StorageFull,
    TdlSyncError,
)
from tdl_sync.core.model import ListedFile, RemoteFile, StagedFile
from tdl_sync.core.text import printable
from tdl_sync.options.config import OnQuota
from tdl_sync.remote.check import CheckedRemote, free_bytes
from tdl_sync.remote.drive_folder import (
    LISTING_LAG_SECONDS,
    LISTING_SECONDS,
    folder_error,
    gone_from,
    make_drive_folder,
)
from tdl_sync.remote.listing import chat_folder_among, find_chat_folder, listed_files
from tdl_sync.remote.pace import Pace, Turn
from tdl_sync.remote.rclone import CallTriedAgain, Rclone, RcloneLog, Sent
from tdl_sync.remote.rclone_errors import (
    RcloneFailure,
    is_missing_file,
    is_rate_limit,
    transfer_error,
    without_names,
)
from tdl_sync.remote.remnants import Remnants
from tdl_sync.remote.token_renewal import TokenRenewal

_TRANSFER_FLAGS = (
    # One attempt of rclone's: the attempts are ours, with a pause between and the reason known.
    "--retries=1",
    # Its own default, said aloud since it is what keeps a lost answer from failing gigabytes:
    # one request of a resumable upload is sent again, not the file.
    "--low-level-retries=10",
    # Else rclone retries in silence for most of an hour once the day's 750 GB are used up.
    "--drive-stop-on-upload-limit",
)

# An upload session even for small files. Without one, a request whose answer was lost is sent
# again by rclone and the file is there twice, when the listing lags. One more call for a file.
_UPLOAD_SESSION = "--drive-upload-cutoff=0"
# rclone makes no session for a file without content; so nothing is sent again, but by us, later.
_SEND_ONCE = "--low-level-retries=1"


_PUT_SECONDS = 90.0
_SLOWEST_BYTES_PER_SECOND = 50_000

LOOK_AGAIN_SECONDS = 3600.0
"""After this time a chat's folders are looked for again. Drive takes a file for a folder in the bin
by its id without a word."""

Result = TypeVar("Result")


@dataclass
class _Folder:
    """``drive_id`` where files go by the folder's id. ``names`` may be in it already."""

    drive_id: str | None
    names: set[str] = field(default_factory=set)
    seen_at: float = field(default_factory=time.monotonic)


class RcloneHandOff:
    """``ports.HandOff`` over rclone. All methods may be called from any thread.

    Staged files have absolute paths. One destination name must be handed off once at a time:
    two moves to one name make two files on Drive.
    """

    def __init__(
        self,
        rclone: Rclone,
        remote: CheckedRemote,
        pace: Pace,
        on_line: Callable[[str], None],
        on_quota: OnQuota = OnQuota.EXIT,
        folders: list[tuple[str, str]] | None = None,
    ) -> None:
        """``folders`` are those on the remote, if they were listed a moment ago: with them the
        first chat's folder is found, and that is looked for, without another listing."""
        self._seen_folders = folders
        self._rclone = rclone
        self._remote = remote
        self._pace = pace
        self._on_line = on_line
        self._on_quota = on_quota
        self._folders: dict[str, _Folder] = {}
        self._making_folders = threading.RLock()
        self._token = TokenRenewal(rclone)
        self._remnants = Remnants()
        # What rclone takes for the same file it does not send, but deletes at the source. By
        # default that is same size and time. Where there is no common hash, --checksum compares
        # the size alone, so there everything is sent.
        self._comparison = "--checksum" if remote.shares_hash else "--ignore-times"

    def move(
        self, staged: StagedFile, folder: str, name: str, on_bytes: Callable[[int], None]
    ) -> RemoteFile:
        """See ``ports.HandOff.move``. A stalled transfer is ended by rclone's own time-outs.

        Only the exit status is believed, and that the source is gone. ``on_bytes`` is called
        about once a second, never with more than the file's size; not at all for a file that
        rclone found on the remote already. While the remote limits the rate or can't be reached,
        this waits for as long as that takes, and so it does for the daily quota if asked to.
        """
        self._remote.path(*folder.split("/"), name)  # refuses what is not a name
        self._look_again(folder.partition("/")[0], LOOK_AGAIN_SECONDS)
        self._in_turn(lambda turn: self._move_once(turn, staged, folder, name, on_bytes))
        for remnant in self._remnants.of(folder, name):
            self._remove_remnant(folder, remnant)
        return RemoteFile.moved(staged, folder, name)

    def put(self, content: bytes, folder: str, name: str) -> None:
        """See ``ports.HandOff.put``. It waits and fails as ``move`` does."""
        self._in_turn(lambda turn: self._put_once(content, folder, name))

    def read(self, folder: str, name: str) -> bytes:
        """See ``ports.HandOff.read``. It waits and fails as ``move`` does."""
        return self._in_turn(lambda turn: self._read_once(folder, name))

    def prepare_folder(self, folder: str) -> list[ListedFile]:
        """Make the folder and list its files. Call it once, before the first ``move``.

        Parallel moves into a folder that is not there yet would make several of one name.
        Raises ``ConfigurationError``, ``CredentialsRefused``, ``ComeBackLater`` or ``Stopped``.
        """
        path = self._remote.path(folder)
        if not self._remote.takes_folder_ids:
            made = self._rclone.ask(["mkdir"], path)
            if made.exit_status != 0:
                failure = made.failure(self._remote.remote, folder)
                raise folder_error(f"make the folder {folder!r}", failure)
            self._folders[folder] = _Folder(drive_id=None)
            return self._without_remnants(folder, self._listed(path))
        seen, self._seen_folders = self._seen_folders, None
        on_drive = make_drive_folder(self._rclone, self._remote.remote, path, folder, seen)
        if on_drive.duplicates:
            self._on_line(
                f"warning: Drive has {len(on_drive.ids)} folders {path!r}; files go into the one "
                f"with the id {on_drive.ids[0]}, those in the others count as moved. "
                f"`rclone dedupe` makes one folder of them"
            )
        listing = [
            file
            for folder_id in on_drive.ids
            for file in self._listed(self._remote.inside(folder_id))
        ]
        self._folders[folder] = _Folder(on_drive.ids[0], {file.name for file in listing})
        return listing

    def renew_folder(self, folder: str) -> None:
        """See ``ports.HandOff.renew_folder``. It waits as ``move`` does, raises as
        ``prepare_folder``, and asks nothing where folders are not addressed by id."""
        self._look_again(folder, 0.0)

    def find_folder(self, chat_id: int) -> str | None:
        """See ``ports.HandOff.find_folder`` and ``find_chat_folder``."""
        if self._seen_folders is not None:
            return chat_folder_among(self._seen_folders, chat_id)
        return find_chat_folder(self._rclone, self._remote.remote, chat_id)

    def terminate(self, grace_seconds: float) -> None:
        """Start nothing more; give running moves this long, then end them. Blocks until then.

        Moves that were ended raise ``Stopped``. A second call, from another thread and with a
        shorter grace, cuts the first one short.
        """
        self._rclone.children.terminate(grace_seconds)

    def _in_turn(self, send: Callable[[Turn], Result]) -> Result:
        """Let ``send`` run when the remote's pace allows, again and again while it must wait."""
        while True:
            turn = self._pace.take_turn()
            try:
                result = send(turn)
            except RateLimited as limit:
                why = f"the remote limits the rate ({limit.why})"
                self._pace.slow_down(turn, why, limit.retry_after_seconds)
            except RemoteUnreachable as error:
                self._pace.slow_down(turn, f"the remote can't be reached ({error.why})")
            except QuotaExceeded as quota:
                if self._on_quota is OnQuota.EXIT:
                    raise
                self._pace.rest(turn, quota)
            except AccessTokenRefused as refused:
                self._token.renew(refused, turn.began_at)
            else:
                self._pace.went_well(turn)
                self._token.worked(turn.began_at)
                return result

    def _move_once(
        self,
        turn: Turn,
        staged: StagedFile,
        folder: str,
        name: str,
        on_bytes: Callable[[int], None],
    ) -> None:
        if not staged.path.is_file():
            # rclone would take it for a folder and say something strange.
            raise StagingFailed(f"{staged.path.name} is not in the staging directory any more")
        target, flags = self._target(staged.item.size_bytes, folder, name)
        size_bytes = staged.item.size_bytes
        log = RcloneLog()
        command = ["moveto", *_TRANSFER_FLAGS, self._comparison, *flags]
        with self._rclone.transfer(command, str(staged.path), target) as process:
            assert process.stderr is not None
            for line in process.stderr:
                told = log.read(line)
                if isinstance(told, Sent):
                    on_bytes(min(told.total_bytes, size_bytes))
                elif isinstance(told, CallTriedAgain) and is_rate_limit(told.reason):
                    self._pace.slow_down(turn, f"the remote limits the rate ({told.reason})")
            exit_status = process.wait()
        if exit_status == 0 and not staged.path.exists():
            return
        if exit_status != 0 and self._rclone.children.stopping:
            raise Stopped("the hand-off was ended; the file is kept")
        last_error = without_names(log.last_error, name, *folder.split("/"))
        raise self._move_error(staged, exit_status, last_error)

    def _put_once(self, content: bytes, folder: str, name: str) -> None:
        target, flags = self._target(len(content), folder, name)
        # It reads from a pipe, and looks itself whether the name is there already.
        flags = [flag for flag in flags if flag != "--no-check-dest"]
        answer = self._rclone.ask(
            ["rcat", "--retries=1", "--drive-stop-on-upload-limit", *flags],
            target,
            timeout_seconds=_PUT_SECONDS + len(content) / _SLOWEST_BYTES_PER_SECOND,
            stdin=content,
        )
        if answer.exit_status != 0:
            if self._rclone.children.stopping:
                raise Stopped("the upload was ended")
            failure = answer.failure(self._remote.remote, name, *folder.split("/"))
            raise transfer_error(failure)

    def _read_once(self, folder: str, name: str) -> bytes:
        target, _ = self._target(0, folder, name)
        answer = self._rclone.ask(["cat"], target, timeout_seconds=LISTING_SECONDS)
        if answer.exit_status != 0:
            if self._rclone.children.stopping:
                raise Stopped("the reading was ended")
            failure = answer.failure(self._remote.remote, name, *folder.split("/"))
            error = transfer_error(failure)
            if isinstance(error, HandOffFailed) and self._remote.takes_folder_ids:
                # What was put just now may not be listed yet.
                error.retry_after_seconds = max(error.retry_after_seconds, LISTING_LAG_SECONDS)
            raise error
        return answer.stdout

    def _folder(self, folder: str) -> _Folder | None:
        """What is known of a folder. One below the chat's folder is made when it is first needed:
        once, since several that make it at a time would make several of one name."""
        known = self._folders.get(folder)
        if known is None and "/" in folder:
            with self._making_folders:
                known = self._folders.get(folder)
                if known is None:
                    known = self._folders[folder] = self._made_below(folder)
        return known

    def _look_again(self, chat_folder: str, after_seconds: float) -> None:
        """Make the chat's folder again if it is gone, unless it was seen a shorter time ago."""

        def is_due() -> bool:
            known = self._folders.get(chat_folder)
            if known is None or known.drive_id is None:
                return False
            return time.monotonic() >= known.seen_at + after_seconds

        def look(turn: Turn) -> None:
            with self._making_folders:
                if is_due():
                    self._forget_what_is_gone(chat_folder)

        if is_due():
            self._in_turn(look)

    def _forget_what_is_gone(self, chat_folder: str) -> None:
        """And make the chat's folder; those below it are made when they are needed."""
        known = self._folders[chat_folder]
        ids_in: dict[str, dict[str, str]] = {}
        for folder in sorted(self._folders):  # parents come first
            if folder.startswith(f"{chat_folder}/"):
                ids = ids_in.setdefault(folder.rpartition("/")[0], {})
                ids[self._folders[folder].drive_id or ""] = folder
        if gone_from(self._rclone, self._remote.remote, [known.drive_id or ""]):
            self._on_line(
                f"warning: the folder {chat_folder!r} is not in {self._remote.remote!r} any more, "
                "so it is made again; what was in it counts as moved"
            )
            self.prepare_folder(chat_folder)
            for folder in (each for ids in ids_in.values() for each in ids.values()):
                del self._folders[folder]
            return
        for parent_folder, ids in ids_in.items():
            parent, gone = self._folders.get(parent_folder), set(ids)
            if parent is not None:
                inside = self._remote.inside(parent.drive_id or "")
                gone = gone_from(self._rclone, inside, ids)
            for folder_id in gone:
                del self._folders[ids[folder_id]]
        known.seen_at = time.monotonic()

    def _made_below(self, folder: str) -> _Folder:
        parent_folder, _, name = folder.rpartition("/")
        parent = self._folder(parent_folder)
        if parent is None or parent.drive_id is None:
            made = self._rclone.ask(["mkdir"], self._remote.path(*folder.split("/")))
            if made.exit_status != 0:
                failure = made.failure(self._remote.remote, *folder.split("/"))
                raise folder_error("make a folder", failure)
            return _Folder(drive_id=None)
        inside = self._remote.inside(parent.drive_id)
        path = self._remote.inside(parent.drive_id, name)
        drive_id = make_drive_folder(self._rclone, inside, path, name).ids[0]
        listing = self._listed(self._remote.inside(drive_id))
        return _Folder(drive_id, {file.name for file in listing})

    def _target(self, size_bytes: int, folder: str, name: str) -> tuple[str, list[str]]:
        """Where the file goes, and the flags that this takes. By the folder's id if there is one.

        There Drive is asked three times for a file that is new: is the name free (rclone looks
        before each upload), begin a session, send. ``--no-check-dest`` leaves out looking twice.
        """
        known = self._folder(folder)
        if known is None or known.drive_id is None:
            return self._remote.path(*folder.split("/"), name), []
        flags = [_UPLOAD_SESSION if size_bytes else _SEND_ONCE]
        if name not in known.names:
            flags.append("--no-check-dest")
            known.names.add(name)
        return self._remote.inside(known.drive_id, name), flags

    def _listed(self, path: str) -> list[ListedFile]:
        return listed_files(self._rclone, self._remote.remote, path)

    def _without_remnants(self, folder: str, listing: list[ListedFile]) -> list[ListedFile]:
        """Not for Drive: there rclone renames nothing, and what looks like a remnant is a file."""
        files = self._remnants.sort_out(folder, listing)
        for path, remnant in self._remnants.needless(folder, files):
            self._remove_remnant(path, remnant)
        return files

    def _remove_remnant(self, folder: str, name: str) -> None:
        """Whatever becomes of it, the file that it was to be is on the remote."""
        try:
            path = self._remote.path(*folder.split("/"), name)
            answer = self._rclone.ask(["deletefile"], path)
        except (NetworkUnreachable, Stopped):
            return  # the next run meets it again
        if answer.exit_status == 0:
            line = f"removed {printable(name)}, which an upload that was killed left on the remote"
        elif is_missing_file(answer.failure(self._remote.remote)):
            return
        else:
            line = (
                f"warning: {printable(name)}, which an upload that was killed left on the remote, "
                f"cannot be removed: {answer.last_error}"
            )
        self._on_line(line)

    def _move_error(self, staged: StagedFile, exit_status: int, last_error: str) -> TdlSyncError:
        if exit_status == 0:
            last_error = "it says that the file was moved, but the source is still there"
        elif exit_status < 0:
            last_error = f"it was killed by signal {-exit_status}"
        remote = self._remote.remote
        failure = RcloneFailure(remote, exit_status, last_error, self._rclone.config_file)
        error = transfer_error(failure)
        if isinstance(error, StorageFull):
            free = free_bytes(self._rclone, remote)
            return StorageFull(remote, last_error, staged.item.size_bytes, free)
        if isinstance(error, HandOffFailed) and self._remote.takes_folder_ids:
            # What this attempt may have left is seen by the next one, which then makes no double.
            error.retry_after_seconds = max(error.retry_after_seconds, LISTING_LAG_SECONDS)
        return error
