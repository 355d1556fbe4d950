"""What rclone's last error line means. The table grows here and nowhere else.

rclone ends with 1 for nearly everything (https://rclone.org/docs/#exit-code), so the reason has
to be read from its log. That is done only when the exit status says that it failed: an attempt
that failed before one that worked leaves error lines too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tdl_sync.errors import (
    ComeBackLater,
    ConfigurationError,
    CredentialsRefused,
    TdlSyncError,
)

_EXIT_FATAL = 7
_EXIT_DIRECTORY_NOT_FOUND = 3
_EXIT_FILE_NOT_FOUND = 4


@dataclass(frozen=True)
class RcloneFailure:
    """One call of rclone that failed. ``last_error`` is printable; ``remote`` as configured."""

    remote: str
    exit_status: int
    last_error: str

    @property
    def remote_name(self) -> str:
        """What ``rclone config`` calls the remote: ``gdrive`` of ``gdrive,acknowledge=1:x``."""
        return re.split("[:,]", self.remote, maxsplit=1)[0]


def is_missing_remote(failure: RcloneFailure) -> bool:
    return "didn't find section in config file" in failure.last_error


def is_missing_directory(failure: RcloneFailure) -> bool:
    return (
        failure.exit_status in (_EXIT_DIRECTORY_NOT_FOUND, _EXIT_FILE_NOT_FOUND)
        or "directory not found" in failure.last_error
    )


def classified(failure: RcloneFailure) -> TdlSyncError | None:
    """The error that this failure is for the whole run, or None if it is of one call only."""
    for symptom in _SYMPTOMS:
        if symptom.exit_status in (None, failure.exit_status) and symptom.pattern.search(
            failure.last_error
        ):
            return symptom.error(failure)
    return None


def _missing_remote(failure: RcloneFailure) -> TdlSyncError:
    return ConfigurationError(
        f"rclone knows no remote {failure.remote_name!r}; "
        "make it with `rclone config` or name another with --remote"
    )


def _encrypted_config(failure: RcloneFailure) -> TdlSyncError:
    return ConfigurationError(
        f"rclone's configuration is encrypted and can't be opened ({failure.last_error}); "
        "put its password into the environment variable RCLONE_CONFIG_PASS"
    )


def _broken_config(failure: RcloneFailure) -> TdlSyncError:
    return ConfigurationError(
        f"rclone can't read its configuration ({failure.last_error}); "
        "mend that file or name another with --rclone-config"
    )


def _unknown_backend(failure: RcloneFailure) -> TdlSyncError:
    return ConfigurationError(
        f"this rclone can't serve the remote {failure.remote!r} ({failure.last_error}); "
        "check its spelling and type, or install a newer rclone"
    )


def _wrong_flag(failure: RcloneFailure) -> TdlSyncError:
    return ConfigurationError(
        f"rclone does not take its arguments ({failure.last_error}); "
        "check --rclone-arg and the RCLONE_* environment variables"
    )


def _credentials(failure: RcloneFailure) -> TdlSyncError:
    return CredentialsRefused(
        f"the remote {failure.remote_name!r} refuses its credentials",
        failure.last_error,
        f"Run: rclone config reconnect {failure.remote_name}:",
    )


def _storage_full(failure: RcloneFailure) -> TdlSyncError:
    return ComeBackLater(
        f"the remote {failure.remote!r} is full ({failure.last_error}); "
        "make room there and start again"
    )


def _daily_quota(failure: RcloneFailure) -> TdlSyncError:
    return ComeBackLater(
        f"Quota exceeded, resume in 24 hours: Google Drive takes 750 GB a day "
        f"({failure.last_error})"
    )


@dataclass(frozen=True)
class _Symptom:
    pattern: re.Pattern[str]
    error: Callable[[RcloneFailure], TdlSyncError]
    exit_status: int | None = None


def _symptom(
    pattern: str, error: Callable[[RcloneFailure], TdlSyncError], exit_status: int | None = None
) -> _Symptom:
    return _Symptom(re.compile(pattern, re.IGNORECASE), error, exit_status)


_SYMPTOMS = (
    _symptom(r"didn't find section in config file", _missing_remote),
    _symptom(r"unable to decrypt configuration|couldn't decrypt configuration", _encrypted_config),
    _symptom(r"failed to load config file", _broken_config),
    _symptom(r"didn't find backend called", _unknown_backend),
    _symptom(r"unknown (shorthand )?flag|invalid argument .* for .* flag", _wrong_flag),
    _symptom(
        r"invalid_grant|invalid_client|unauthorized_client|couldn't fetch token|"
        r"empty token found|no refresh token",
        _credentials,
    ),
    _symptom(
        r"storageQuotaExceeded|no space left on device|not enough space on the disk|"
        r"disk quota exceeded|507 Insufficient Storage",
        _storage_full,
    ),
    # Exit status 7 alone is any fatal error; without it the same words are a passing rate limit.
    _symptom(r"upload limit|rate ?limit ?exceeded", _daily_quota, _EXIT_FATAL),
)
