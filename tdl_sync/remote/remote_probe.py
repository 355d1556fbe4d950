"""A tiny file, written to the remote and deleted again: the one proof that it takes files."""

from __future__ import annotations

import hashlib
import socket
import time

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.remote.drive_folder import LISTING_LAG_SECONDS
from tdl_sync.remote.rclone import Rclone, RcloneAnswer
from tdl_sync.remote.rclone_errors import classified, is_missing_file

_PREFIX = ".tdl-sync-write-test-"
_LOOK_AGAIN_SECONDS = 1.0


def probe_name() -> str:
    """A name of the machine's own: another machine's probe must not delete ours, and what a kill
    leaves behind is overwritten and deleted by the next run here."""
    return _PREFIX + hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def write_probe(rclone: Rclone, remote: str, path: str) -> None:
    """Raises ``TdlSyncError`` classes, each one line with the mend, that name ``remote``."""
    # --drive-upload-cutoff: a request of an upload session can be sent again without doubling.
    must_work(rclone.ask(["rcat", "--drive-upload-cutoff=0"], path, stdin=b"probe\n"), remote)


def remove_probe(rclone: Rclone, path: str) -> tuple[str, ...]:
    """Returns warnings for the user. Raises ``NetworkUnreachable`` and ``Stopped``."""
    deadline = time.monotonic() + LISTING_LAG_SECONDS
    while True:
        deleted = rclone.ask(["deletefile"], path)
        if deleted.exit_status == 0:
            return ()
        if not is_missing_file(deleted.failure(path)) or time.monotonic() > deadline:
            # Who may add files to a shared drive may not always delete them: no reason not to run.
            return (f"the probe file {path!r} can't be deleted: {deleted.last_error}",)
        time.sleep(_LOOK_AGAIN_SECONDS)


def must_work(answer: RcloneAnswer, remote: str) -> None:
    """Raise what a call that writes to ``remote`` has failed of."""
    if answer.exit_status != 0:
        failure = answer.failure(remote)
        raise classified(failure) or ConfigurationError(
            f"rclone can't write to {remote!r}: {failure.last_error}; "
            "give it the right to write there or name another with --remote"
        )
