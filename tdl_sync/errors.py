"""Everything that can go wrong, by class.

A class carries its fields, prints what was expected *and* what was found and the user's next
step, and declares what it means: the exit status of the program, and for items whether another
attempt can help (``tried_again``) and whether later runs should bother (``for_good``).
``cli.py`` is the only place that turns an error into text and an exit status.
"""

from __future__ import annotations

from typing import ClassVar

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


class UsageError(TdlSyncError):
    """The command line or an environment variable is wrong. Never prints a secret's value."""

    exit_status = EXIT_USAGE


class ConfigurationError(TdlSyncError):
    """Something that a run needs is missing or unfit; nothing was downloaded."""

    exit_status = EXIT_USAGE


class ChatUnreadable(ConfigurationError):
    """The chat that was asked for can't be found or may not be read."""

    def __init__(self, spelling: str, why: str, next_step: str) -> None:
        self.spelling = spelling
        self.why = why
        self.next_step = next_step
        super().__init__(f"cannot read the chat {spelling!r}: {why}. {next_step}")


class CredentialsRefused(TdlSyncError):
    """Telegram or the remote refuses who we are; going on is useless until the user acts."""

    exit_status = EXIT_CREDENTIALS

    def __init__(self, who: str, why: str, next_step: str) -> None:
        self.who = who
        self.why = why
        self.next_step = next_step
        super().__init__(f"{who}: {why}. {next_step}")


class HeldByAnotherRun(TdlSyncError):
    """Another run owns the staging directory or the chat."""

    exit_status = EXIT_HELD


class ComeBackLater(TdlSyncError):
    """The remote takes nothing more for now (quota, storage full). The state is saved."""

    exit_status = EXIT_COME_BACK_LATER


class NetworkUnreachable(TdlSyncError):
    """Telegram does not answer at all; the run could not begin or go on."""

    exit_status = EXIT_COME_BACK_LATER


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

    def __init__(self, item_bytes: int, budget_bytes: int) -> None:
        self.item_bytes = item_bytes
        self.budget_bytes = budget_bytes
        super().__init__(
            f"the file has {item_bytes} bytes and the disk budget is {budget_bytes}; "
            "raise --max-disk to move it"
        )


class LongerThanRun(ItemFailed):
    """The item can't be moved within a whole ``--max-runtime``; it would never end."""

    reason = "longer than the run time"

    def __init__(self, item_bytes: int, needed_seconds: float, whole_seconds: float) -> None:
        self.item_bytes = item_bytes
        self.needed_seconds = needed_seconds
        self.whole_seconds = whole_seconds
        super().__init__(
            f"the file has {item_bytes} bytes, which takes about {needed_seconds:.0f} s at the "
            f"measured rate, and a whole run has {whole_seconds:.0f} s; raise --max-runtime"
        )


class RefusedByTelegram(ItemFailed):
    """Telegram answers that this file is not to be had."""

    reason = "refused by Telegram"
    for_good = True

    def __init__(self, answer: str) -> None:
        self.answer = answer
        super().__init__(f"Telegram refuses the file: {answer}; --retry-failed asks again")


class DownloadFailed(ItemFailed):
    """Telegram's side failed in a way that may pass."""

    reason = "download failed"
    tried_again = True

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"the download failed: {why}; the next run tries again")


class StagingFailed(ItemFailed):
    """The staging disk refused to take or keep the bytes."""

    reason = "staging disk"
    tried_again = True

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"the staging disk failed: {why}; the next run tries again")


class HandOffFailed(ItemFailed):
    """rclone did not move the file; it still lies in the staging directory."""

    reason = "upload failed"
    tried_again = True

    def __init__(self, exit_status: int, last_line: str) -> None:
        self.rclone_exit_status = exit_status
        self.last_line = last_line
        super().__init__(
            f"rclone ended with status {exit_status}: {last_line}; the next run tries again"
        )


class MessageGone(TdlSyncError):
    """The message was deleted while its item was queued: it is skipped, it did not fail."""
