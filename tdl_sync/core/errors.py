"""Everything that can go wrong, by class.

A class prints what was expected *and* what was found and the user's next step, keeps what
somebody asks it for, and declares what it means: the exit status of the program, and for items
whether another attempt can help (``tried_again``) and whether later runs should bother
(``for_good``).
``cli.main`` is the only place that turns an error into text and an exit status.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from tdl_sync.core.text import human_bytes

EXIT_COMPLETE = 0
EXIT_BUG = 1
EXIT_USAGE = 2
EXIT_SOME_FAILED = 3
EXIT_CREDENTIALS = 4
EXIT_HELD = 5
EXIT_COME_BACK_LATER = 75


class TdlSyncError(Exception):
    """Base of all errors that a user can meet. ``str()`` of it is one line for that user."""

    exit_status: ClassVar[int] = EXIT_BUG
    of_remote: ClassVar[bool] = False
    """Whether it is the affair of one remote, so that what goes to another can go on."""


class UsageError(TdlSyncError):
    """The command line or an environment variable is wrong. Never prints a secret's value."""

    exit_status = EXIT_USAGE


class ChatError(TdlSyncError):
    """What ends one chat of several; the others go on."""


class ConfigurationError(ChatError):
    """Something that a run needs is missing or unfit; nothing was downloaded."""

    exit_status = EXIT_USAGE


class ChatUnreadable(ConfigurationError):
    """The chat that was asked for can't be found or may not be read."""

    def __init__(self, spelling: str, why: str, next_step: str, title: str = "") -> None:
        """``title`` is what it is called, where it was found."""
        named = f"{spelling!r} ({title!r})" if title else repr(spelling)
        super().__init__(f"cannot read the chat {named}: {why}. {next_step}")


class ChatUnreadableNow(ChatUnreadable):
    """The same for a reason that passes by itself."""

    exit_status = EXIT_COME_BACK_LATER


class ChatFoundLater(ChatUnreadableNow):
    """Telegram asks for a pause before it says which chat is meant, or what more is in it; others
    can be read now."""

    def __init__(self, spelling: str, seconds: int, title: str = "") -> None:
        self.spelling = spelling
        self.seconds = seconds
        super().__init__(
            spelling, f"Telegram asks for a pause of {seconds} s", "Run again after that.", title
        )


class RemoteUnfit(ConfigurationError):
    """The remote can't be used as it is."""

    of_remote = True


class RemoteRefuses(RemoteUnfit):
    """The remote refuses a file for a reason that holds for every further one, and that does not
    pass by itself. ``mend`` is what the user can do."""

    def __init__(self, remote: str, what: str, why: str, mend: str) -> None:
        super().__init__(f"the remote {remote!r} {what} ({why}); {mend}")


class CredentialsRefused(TdlSyncError):
    """Telegram or the remote refuses who we are; going on is useless until the user acts."""

    exit_status = EXIT_CREDENTIALS

    def __init__(self, who: str, why: str, next_step: str) -> None:
        self.who = who
        self.why = why
        super().__init__(f"{who}: {why}. {next_step}")


class RemoteAccountRefused(CredentialsRefused):
    """The remote has no use of its account; no other token would help."""

    of_remote = True


class RemoteCredentialsRefused(CredentialsRefused):
    """The remote refuses its token; ``remote_name`` is what ``rclone config`` calls it."""

    of_remote = True

    def __init__(self, remote_name: str, why: str, next_step: str) -> None:
        self.remote_name = remote_name
        super().__init__(f"the remote {remote_name!r} refuses its credentials", why, next_step)


class AccessTokenRefused(RemoteCredentialsRefused):
    """The short-lived token is refused though rclone takes it for good: a new one may do."""


class SessionEnded(CredentialsRefused):
    """The session of Telegram that is there is of no use any more; signing in makes a new one."""


class HeldByAnotherRun(ChatError):
    """Another run owns the staging directory or the chat."""

    exit_status = EXIT_HELD


class ComeBackLater(TdlSyncError):
    """The remote takes nothing more for now (quota, storage full). The state is saved."""

    exit_status = EXIT_COME_BACK_LATER


class RemoteNotNow(ComeBackLater):
    """The remote, or rclone on the way to it, does not do what it should: later it may."""

    of_remote = True


class QuotaExceeded(ComeBackLater):
    """The remote takes no more today. ``resume_at`` is the latest that it does again."""

    of_remote = True

    def __init__(
        self,
        resume_at: datetime,
        why: str,
        limit: str = "Google Drive takes 750 GB a day",
        remote: str = "",
    ) -> None:
        self.resume_at = resume_at
        self.why = why
        of_remote = f"; this is of the remote {remote!r}" if remote else ""
        super().__init__(
            f"Quota exceeded, resume in 24 hours, at {resume_at:%Y-%m-%d %H:%M}: {limit} ({why})"
            f"{of_remote}"
        )


class StorageFull(ComeBackLater):
    """The remote has no room for a file. ``file_bytes`` and ``free_bytes`` where they are known."""

    of_remote = True

    def __init__(
        self, remote: str, why: str, file_bytes: int | None = None, free_bytes: int | None = None
    ) -> None:
        needed = "" if file_bytes is None else f"this file needs {human_bytes(file_bytes)}"
        free = "" if free_bytes is None else f"{human_bytes(free_bytes)} are free"
        room = " and ".join(part for part in (needed, free) if part)
        super().__init__(
            f"the remote {remote!r} is full{room and ': '}{room} ({why}); "
            "make room there and start again"
        )


class RateLimited(ComeBackLater):
    """The remote takes no more calls for the moment. 0 seconds: it does not say how long."""

    of_remote = True

    def __init__(self, remote: str, why: str, retry_after_seconds: float = 0.0) -> None:
        self.why = why
        self.retry_after_seconds = retry_after_seconds
        super().__init__(f"the remote {remote!r} limits the rate ({why}); start again later")


class NetworkUnreachable(TdlSyncError):
    """Telegram or the remote does not answer at all; the run could not begin or go on."""

    exit_status = EXIT_COME_BACK_LATER


class AnswerOverdue(NetworkUnreachable):
    """The remote is asked, and does not answer in time."""

    of_remote = True

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"{why}; check the network and start again")


class RemoteUnreachable(NetworkUnreachable):
    """No connection to the remote comes about."""

    of_remote = True

    def __init__(self, remote: str, why: str) -> None:
        self.why = why
        super().__init__(
            f"the remote {remote!r} can't be reached ({why}); check the network, or the address "
            "in rclone's configuration, and start again"
        )


class StateUnreadable(ConfigurationError):
    """A state message that is not ours to overwrite: broken, of a later version, or foreign."""


class Stopped(TdlSyncError):
    """A wait was given up because the run is stopping. Not an error of anything."""

    exit_status = 130


class TimeIsUp(TdlSyncError):
    """``--max-runtime`` is near: the run ends, and all is well."""

    exit_status = EXIT_COMPLETE


class ItemFailed(TdlSyncError):
    """One item can't be moved; the others go on. ``reason`` groups the summary's counts."""

    exit_status = EXIT_SOME_FAILED
    reason: ClassVar[str] = "failed"
    tried_again: ClassVar[bool] = False
    for_good: ClassVar[bool] = False
    spends_an_attempt: ClassVar[bool] = True
    """Or it is the fault of something that all items share."""
    retry_after_seconds: float = 0.0
    """The next attempt should not begin before."""


class SizeMismatch(ItemFailed):
    """More, fewer or no bytes than Telegram declared, whatever the library said."""

    reason = "wrong size"
    tried_again = True

    def __init__(self, expected_bytes: int, actual_bytes: int) -> None:
        self.expected_bytes = expected_bytes
        self.actual_bytes = actual_bytes
        super().__init__(
            f"Telegram declared {expected_bytes} bytes and sent {actual_bytes}; "
            "the next run tries again"
        )


class LargerThanBudget(ItemFailed):
    """The item can never fit; nothing waits for it."""

    reason = "larger than the disk budget"
    for_good = True

    def __init__(self, item_bytes: int, budget_bytes: int, *, disk_decides: bool = False) -> None:
        """``disk_decides``: it has less room than ``--max-disk`` asks for."""
        self.budget_bytes = budget_bytes
        budget = f"the disk budget is {budget_bytes}"
        mend = "raise --max-disk to move it"
        if disk_decides:
            budget = f"the disk has room for {budget_bytes}"
            mend = "free some of it, or choose a larger one with --staging"
        super().__init__(f"the file has {item_bytes} bytes and {budget}; {mend}")


class LongerThanRun(ItemFailed):
    """The item can't be moved within a whole ``--max-runtime``; it would never end."""

    reason = "longer than the run time"

    def __init__(self, item_bytes: int, needed_seconds: float, whole_seconds: float) -> None:
        super().__init__(
            f"the file has {item_bytes} bytes, which takes about {needed_seconds:.0f} s at the "
            f"measured rate, and a whole run has {whole_seconds:.0f} s; raise --max-runtime"
        )


class RefusedByTelegram(ItemFailed):
    """Telegram answers that this file is not to be had."""

    reason = "refused by Telegram"
    for_good = True

    def __init__(self, answer: str) -> None:
        super().__init__(f"Telegram refuses the file: {answer}; --retry-failed asks again")


class DownloadFailed(ItemFailed):
    """Telegram's side failed in a way that may pass."""

    reason = "download failed"
    tried_again = True

    def __init__(self, why: str) -> None:
        super().__init__(f"the download failed: {why}; the next run tries again")


class FileReplaced(ItemFailed):
    """The message was edited while its item was queued; this run knows only its old file."""

    reason = "file replaced"

    def __init__(self) -> None:
        super().__init__("the message holds another file now; the next run moves that")


class StagingFailed(ItemFailed):
    """The staging disk refused to take or keep the bytes."""

    reason = "staging disk"
    tried_again = True

    def __init__(self, why: str) -> None:
        super().__init__(f"the staging disk failed: {why}; the next run tries again")


class HandOffFailed(ItemFailed):
    """rclone did not move the file; it still lies in the staging directory."""

    reason = "upload failed"
    tried_again = True

    def __init__(self, why: str, retry_after_seconds: float = 0.0) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(f"rclone did not move it: {why}; the next run tries again")


class FolderFull(HandOffFailed):
    """The folder on the remote takes no more; another one may. ``refusal`` is what holds where none
    does."""

    spends_an_attempt = False

    def __init__(self, refusal: RemoteRefuses) -> None:
        self.refusal = refusal
        super().__init__(str(refusal))


class RcloneEnded(HandOffFailed):
    """rclone died or hung before it answered: the file is there or not."""

    spends_an_attempt = False

    def __init__(self, how: str) -> None:
        super().__init__(f"rclone did not live to answer ({how})")


class SidecarUnreadable(ItemFailed):
    """A copy can't be named in the sidecar of its first, which is no JSON of ours."""

    reason = "sidecar unreadable"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the sidecar that is to name this copy is not as it was written ({why}); mend it or "
            "remove it from the remote"
        )


class CorruptedInTransfer(HandOffFailed):
    """What arrived on the remote has another hash; rclone has deleted it there."""

    reason = "corrupted in transfer"


class MessageGone(TdlSyncError):
    """The message was deleted while its item was queued: it is skipped, it did not fail."""
