"""Hands staged files to ``rclone moveto``, which uploads, verifies and deletes them."""

from __future__ import annotations

from collections.abc import Callable

from tdl_sync.errors import ConfigurationError, HandOffFailed, StagingFailed, Stopped, TdlSyncError
from tdl_sync.model import ListedFile, RemoteFile, StagedFile
from tdl_sync.rclone import Rclone, RcloneAnswer, RcloneLog
from tdl_sync.rclone_errors import RcloneFailure, classified, is_missing_directory
from tdl_sync.remote_check import CheckedRemote

_LISTING_SECONDS = 3600.0
"""A folder of 100,000 files is a hundred pages on Drive, each of some seconds on a bad day."""

_TRANSFER_FLAGS = (
    # One attempt of rclone's: the attempts are ours, with a pause between and the reason known.
    "--retries=1",
    # Its own default, said aloud since it is what keeps a lost answer from failing gigabytes:
    # one request of a resumable upload is sent again, not the file.
    "--low-level-retries=10",
    # Else rclone retries in silence for most of an hour once the day's 750 GB are used up.
    "--drive-stop-on-upload-limit",
)


class RcloneHandOff:
    """``ports.HandOff`` over rclone. All methods may be called from any thread.

    Staged files have absolute paths. One destination name must be handed off once at a time:
    two moves to one name make two files on Drive.
    """

    def __init__(self, rclone: Rclone, remote: CheckedRemote) -> None:
        self._rclone = rclone
        self._remote = remote
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
        rclone found on the remote already.
        """
        size_bytes = staged.item.size_bytes
        target = self._remote.path(folder, name)
        if not staged.path.is_file():
            # rclone would take it for a folder and say something strange.
            raise StagingFailed(f"{staged.path.name} is not in the staging directory any more")
        command = ["moveto", *_TRANSFER_FLAGS, self._comparison]
        log = RcloneLog()
        with self._rclone.transfer(command, str(staged.path), target) as process:
            assert process.stderr is not None
            for line in process.stderr:
                sent_bytes = log.read(line)
                if sent_bytes is not None:
                    on_bytes(min(sent_bytes, size_bytes))
            exit_status = process.wait()
        if exit_status == 0 and not staged.path.exists():
            return RemoteFile.moved(staged, folder, name)
        if exit_status != 0 and self._rclone.children.stopping:
            raise Stopped("the hand-off was ended; the file is kept")
        raise self._move_error(exit_status, log.last_error)

    def prepare_folder(self, folder: str) -> list[ListedFile]:
        """Make the folder and list its files. Call it once, before the first ``move``.

        Parallel moves into a folder that is not there yet would make several of one name.
        Raises ``ConfigurationError``, ``CredentialsRefused``, ``ComeBackLater`` or ``Stopped``.
        """
        path = self._remote.path(folder)
        made = self._rclone.ask(["mkdir"], path)
        if made.exit_status != 0:
            raise self._folder_error(f"make the folder {folder!r}", made)
        listed = self._rclone.ask(
            ["lsjson", "--files-only", "--no-modtime", "--no-mimetype"],
            path,
            timeout_seconds=_LISTING_SECONDS,
        )
        if listed.exit_status != 0:
            raise self._folder_error(f"list the folder {folder!r}", listed)
        return [ListedFile(entry["Name"], entry["Size"]) for entry in listed.json()]

    def find_folder(self, chat_id: int) -> str | None:
        """See ``ports.HandOff.find_folder``. Of several the first in alphabetical order counts.

        That is arbitrary, but the same for every run and machine; modification times of folders
        are not kept by many remotes.
        """
        listed = self._rclone.ask(
            ["lsjson", "--dirs-only", "--no-modtime"],
            self._remote.remote,
            timeout_seconds=_LISTING_SECONDS,
        )
        if listed.exit_status != 0:
            if is_missing_directory(listed.failure(self._remote.remote)):
                return None
            raise self._folder_error("list the folders", listed)
        names = [str(entry["Name"]) for entry in listed.json()]
        return min((name for name in names if name.endswith(f"[{chat_id}]")), default=None)

    def terminate(self, grace_seconds: float) -> None:
        """Start nothing more; give running moves this long, then end them. Blocks until then.

        Moves that were ended raise ``Stopped``. A second call, from another thread and with a
        shorter grace, cuts the first one short.
        """
        self._rclone.children.terminate(grace_seconds)

    def _move_error(self, exit_status: int, last_error: str) -> TdlSyncError:
        if exit_status == 0:
            last_error = "it says that the file was moved, but the source is still there"
        elif exit_status < 0:
            last_error = f"it was killed by signal {-exit_status}"
        failure = RcloneFailure(self._remote.remote, exit_status, last_error)
        return classified(failure) or HandOffFailed(exit_status, last_error or "without a reason")

    def _folder_error(self, what: str, answer: RcloneAnswer) -> TdlSyncError:
        failure = answer.failure(self._remote.remote)
        return classified(failure) or ConfigurationError(
            f"rclone can't {what} on {self._remote.remote!r}: {answer.last_error}; "
            "mend that or name another place with --remote"
        )
