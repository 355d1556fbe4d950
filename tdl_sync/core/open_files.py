"""How many files and connections this process may have open: enough of them, or one clear line.

Windows has no limit of that kind that a run could meet: there all that is asked here is answered as
where nothing is limited.
"""

from __future__ import annotations

import errno
import os

from tdl_sync.core.errors import ComeBackLater, ConfigurationError, TdlSyncError
from tdl_sync.core.operating_system import allow_open_files, most_open_files

LOOK_NEEDS = 36
"""For libraries, the session, the marks, one connection and one rclone: what a command needs that
moves nothing."""

_WANTED = 65_536
_MOST_ON_MACS = 10_240
_MEND = "raise it ('ulimit -n {needed}', LimitNOFILE= of a service, --ulimit of a container)"


class TooFewOpenFiles(ConfigurationError):
    """The limit of this process is too low. ``needed`` is ``None`` where it was met on the way."""

    def __init__(self, limit: int | None, needed: int | None) -> None:
        allowed = "no more files" if limit is None else f"only {limit} files and connections"
        wanted = "more are needed" if needed is None else f"{needed} are needed"
        mend = _MEND.format(needed=max(1024, needed or 0))
        if needed is not None and needed > LOOK_NEEDS:
            mend += ", or ask for less with --downloads, --workers and --connections"
        super().__init__(f"this process may have {allowed} open at once, and {wanted}: {mend}")


class SystemHasNoneLeft(ComeBackLater):
    """All processes together have as many files open as the system allows."""

    def __init__(self) -> None:
        super().__init__(
            "this system has as many files open as it can (file-max): end other programs, and "
            "run again"
        )


def allow_more() -> None:
    """As many as may be had without asking anybody. Nothing is said where that fails."""
    if not allow_open_files(_WANTED):
        allow_open_files(_MOST_ON_MACS)


def check(needed: int) -> None:
    """Raises ``TooFewOpenFiles``."""
    limit = most_open_files()
    if limit is not None and limit < needed:
        raise TooFewOpenFiles(limit, needed)


def needed_by_run(files_at_once: int, workers: int, connections: int) -> int:
    """The most that a run has open: for each of the ``files_at_once`` that are downloaded its part
    file and its journal, and what it takes for a moment."""
    return LOOK_NEEDS + 2 * files_at_once + 5 * workers + 2 * connections


def named(error: BaseException) -> TdlSyncError | None:
    """What an error was that came of this limit, whatever it has become on its way up."""
    cause: BaseException | None = error
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, OSError) and cause.errno == errno.EMFILE:
            return TooFewOpenFiles(most_open_files(), None)
        if isinstance(cause, OSError) and cause.errno == errno.ENFILE:
            return SystemHasNoneLeft()
        cause = cause.__cause__ or cause.__context__
    return None


def missing_now() -> TdlSyncError | None:
    """The same for who was only told that a file can't be opened, as by SQLite."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return named(error)
    return None
