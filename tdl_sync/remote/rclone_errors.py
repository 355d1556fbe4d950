"""What the text of a call of rclone's that failed means. The table grows here and nowhere else.

Nearly everything is answered with 500 (https://rclone.org/rc/#error-returns), so the reason has to
be read from the text that goes with it. Nothing else is read: a call that was made again by rclone
itself, and worked, leaves error lines in its log, too.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tdl_sync.core.errors import (
    AccessTokenRefused,
    ConfigurationError,
    CorruptedInTransfer,
    FolderFull,
    HandOffFailed,
    QuotaExceeded,
    RateLimited,
    RemoteAccountRefused,
    RemoteCredentialsRefused,
    RemoteNotNow,
    RemoteRefuses,
    RemoteUnreachable,
    StorageFull,
    TdlSyncError,
)
from tdl_sync.core.text import printable

_NOT_FOUND = 404
_CORRUPTED = "corrupted on transfer"
_FOLDER_FULL = "numChildrenInNonRootLimitExceeded"
_QUOTA_DAY = timedelta(hours=24)

_RATE_LIMIT = (
    # https://developers.google.com/workspace/drive/api/guides/handle-errors, and what others say
    r"rate ?limit ?exceeded|too many requests|too_many_requests|error 429|status code:? 429|"
    r"quota exceeded for quota metric|UrlLeaseLimitExceeded|SlowDown"
)

_FULL = (
    # Of this machine, also in rclone's own words, and over SSH.
    r"no space left on device|not enough space on the disk|disk quota exceeded|"
    r"file too big for remaining disk space|SSH_FX_(?:NO_SPACE_ON_FILESYSTEM|QUOTA_EXCEEDED)|"
    # WebDAV, FTP, S3 (Ceph, MinIO), B2.
    r"Insufficient ?Storage|status code:? 507|552 .*storage|\bQuotaExceeded\b|XMinioStorageFull|"
    r"storage_cap_exceeded|"
    # Dropbox, OneDrive, Box, pCloud, MEGA, Yandex.
    r"insufficient_space|quotaLimitReached|storage_limit_exceeded|over quota|"
    r"DiskNotEnoughFreeSpace|"
    # Servers' own words: FTP, SMB, Swift, HDFS, Seafile, Jottacloud, PikPak and whoever else has
    # them. With a metric named Google limits calls.
    r"\bdisk (?:is )?full\b|STATUS_DISK_FULL|out of (?:disk |storage )?(?:quota|space)\b|"
    r"DSQuotaExceeded|over ?quota|file_space_not_enough|not enough (?:storage |free )?space|"
    r"(?:storage|space|disk) (?:quota|limit) (?:has been |is |was )?(?:exceeded|reached)|"
    r"insufficient (?:storage |free |disk )?space|\bquota exceeded\b(?! for quota metric)"
)


@dataclass(frozen=True)
class RcloneFailure:
    """One call of rclone that failed. ``last_error`` is printable; ``remote`` as configured.

    ``status`` is that of its answer, 0 where there was none. ``config_file`` is the one that was
    named to rclone, if any.
    """

    remote: str
    status: int
    last_error: str
    config_file: Path | None = None

    @property
    def remote_name(self) -> str:
        """What ``rclone config`` calls the remote: ``gdrive`` of ``gdrive,acknowledge=1:x``."""
        # rclone names it where it is another: the Drive below a crypt remote.
        # In braces it notes that options were given with the name.
        named = re.search(r'rclone config reconnect ([^\s"\'{}]+)(?:\{\w*\})?:', self.last_error)
        return named[1] if named else re.split("[:,]", self.remote, maxsplit=1)[0]

    @property
    def retry_after_seconds(self) -> float:
        """What the server asked for, where rclone says it; else 0."""
        asked = re.search(
            r"(?:try(?:ing)? again (?:after|in)|retry[- ]after:?) ((?:[\d.]+(?:ms|[hms])?)+)",
            self.last_error,
            re.IGNORECASE,
        )
        return _go_seconds(asked[1]) if asked else 0.0


_SEVERAL_WORDS = re.compile(r"[A-Za-z0-9][^A-Za-z0-9]+[A-Za-z0-9]")


def without_names(last_error: str, *names: str) -> str:
    """What rclone said, without these: a file's or a chat's name must not pass for an error.

    Nor may one make the error another: a folder can be called ``03``, ``x`` or ``Error``. So a name
    is taken out wherever it stands, but one that is a word, or less than that, in a path only.
    """
    for hostile in filter(None, map(printable, names)):
        whole = re.escape(hostile)
        if not _SEVERAL_WORDS.search(hostile):
            whole = rf"(?<=[/\\'\"`]){whole}(?![A-Za-z0-9])|(?<![A-Za-z0-9]){whole}(?=[/\\'\"`])"
        last_error = re.sub(whole, "…", last_error)
    return last_error


def is_missing_remote(failure: RcloneFailure) -> bool:
    return "didn't find section in config file" in failure.last_error


def is_missing(failure: RcloneFailure) -> bool:
    """Whether the file or the folder is not there."""
    unknown_call = failure.last_error.startswith("couldn't find method")
    return (failure.status == _NOT_FOUND and not unknown_call) or any(
        said in failure.last_error
        for said in ("directory not found", "object not found", "is a directory or doesn't exist")
    )


def was_answered(last_error: str) -> bool:
    """Whether Drive itself has said so. Else what was sent may arrive after the failure: the
    connection was cut, or the call was cancelled, or rclone died."""
    return "googleapi: Error" in last_error or _CORRUPTED in last_error


def is_rate_limit(reason: str) -> bool:
    """Whether this is why rclone tries a call again."""
    return re.search(_RATE_LIMIT, reason, re.IGNORECASE) is not None


def classified(failure: RcloneFailure) -> TdlSyncError | None:
    """The error that this failure is for the whole run, or None if it is of one call only."""
    for symptom in _SYMPTOMS:
        if symptom.pattern.search(failure.last_error):
            return symptom.error(failure)
    return None


def transfer_error(failure: RcloneFailure) -> TdlSyncError:
    """What a failed transfer is: for the whole run, or for its file alone."""
    of_the_run = classified(failure)
    if isinstance(of_the_run, RemoteRefuses) and _FOLDER_FULL in failure.last_error:
        return FolderFull(of_the_run)
    if of_the_run is not None:
        return of_the_run
    corrupted = _CORRUPTED in failure.last_error
    return (CorruptedInTransfer if corrupted else HandOffFailed)(
        failure.last_error or "without a reason", failure.retry_after_seconds
    )


def unexpected(failure: RcloneFailure) -> TdlSyncError:
    """What a call that should always work has failed of: the run can't go on."""
    return classified(failure) or RemoteNotNow(
        f"rclone does not do what it is told ({failure.last_error}); start again"
    )


def _go_seconds(text: str) -> float:
    """``1m30s`` as Go writes durations; a bare number is in seconds."""
    unit_seconds = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|[hms])?", text)
    return sum(float(number) * unit_seconds[unit] for number, unit in parts)


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
    return RemoteCredentialsRefused(failure.remote_name, failure.last_error, _reconnect(failure))


def _access_token(failure: RcloneFailure) -> TdlSyncError:
    return AccessTokenRefused(failure.remote_name, failure.last_error, _reconnect(failure))


def _daily_calls(failure: RcloneFailure) -> TdlSyncError:
    return QuotaExceeded(
        datetime.now().astimezone() + _QUOTA_DAY,
        failure.last_error,
        "the project of the remote's client_id may make no more calls today",
        remote=failure.remote,
    )


def _account_closed(failure: RcloneFailure) -> TdlSyncError:
    return RemoteAccountRefused(
        f"the remote {failure.remote_name!r} has no use of its account",
        failure.last_error,
        "Sign in to that account with a browser and look what it asks for",
    )


def _wrong_scope(failure: RcloneFailure) -> TdlSyncError:
    return RemoteCredentialsRefused(
        failure.remote_name,
        failure.last_error,
        f"Give it full access (`scope = drive`). {_reconnect(failure)}",
    )


def _refuses(what: str, mend: str) -> Callable[[RcloneFailure], TdlSyncError]:
    return lambda failure: RemoteRefuses(failure.remote, what, failure.last_error, mend)


def _service_account(failure: RcloneFailure) -> TdlSyncError:
    return RemoteAccountRefused(
        f"the remote {failure.remote_name!r} refuses its service account",
        failure.last_error,
        "Make a new key for the service account and put it where service_account_file of "
        "rclone's configuration points",
    )


def _reconnect(failure: RcloneFailure) -> str:
    named = f" --config {shlex.quote(str(failure.config_file))}" if failure.config_file else ""
    return f"Run: rclone config reconnect {failure.remote_name}:{named}"


def _storage_full(failure: RcloneFailure) -> TdlSyncError:
    return StorageFull(failure.remote, failure.last_error)


def _daily_quota(failure: RcloneFailure) -> TdlSyncError:
    return QuotaExceeded(
        datetime.now().astimezone() + _QUOTA_DAY, failure.last_error, remote=failure.remote
    )


def _rate_limited(failure: RcloneFailure) -> TdlSyncError:
    return RateLimited(failure.remote, failure.last_error, failure.retry_after_seconds)


def _unreachable(failure: RcloneFailure) -> TdlSyncError:
    return RemoteUnreachable(failure.remote, failure.last_error)


@dataclass(frozen=True)
class _Symptom:
    pattern: re.Pattern[str]
    error: Callable[[RcloneFailure], TdlSyncError]


def _symptom(pattern: str, error: Callable[[RcloneFailure], TdlSyncError]) -> _Symptom:
    return _Symptom(re.compile(pattern, re.IGNORECASE), error)


def _reason(reasons: str, error: Callable[[RcloneFailure], TdlSyncError]) -> _Symptom:
    """One of the words that Google gives for a machine to read, behind the sentence for people."""
    return _Symptom(re.compile(rf"\b(?:{reasons})\b"), error)


_REASONS = (
    # https://developers.google.com/workspace/drive/api/guides/handle-errors, and what others have
    # seen. What passes by itself is a rate limit, below; what is not here is of one file alone,
    # unless it comes for several in a row (`refusals`).
    _Symptom(
        re.compile(r"Service Accounts do not have storage quota"),
        _refuses(
            "takes no file of a service account, which has no storage of its own",
            "use a shared drive (team_drive of rclone's configuration), or a user's account",
        ),
    ),
    _reason("storageQuotaExceeded|quotaExceeded", _storage_full),
    _reason("dailyLimitExceeded(?:Unreg)?", _daily_calls),
    _reason(
        _FOLDER_FULL,
        _refuses(
            "has as many files in the chat's folder as Google Drive lets a folder have",
            "move some of them on Drive into a folder in it that is called 'part 2', into which "
            "further ones will go",
        ),
    ),
    _reason(
        "teamDriveFileLimitExceeded",
        _refuses(
            "has as many items as Google lets a shared drive have, those in its bin included",
            "empty its bin, or name another shared drive with --remote",
        ),
    ),
    _reason(
        "activeItemCreationLimitExceeded",
        _refuses(
            "has as many items as Google lets an account have",
            "remove some of them for good, or use another account",
        ),
    ),
    _reason(
        "myDriveHierarchyDepthLimitExceeded|teamDriveHierarchyTooDeep",
        _refuses(
            "has as many folders one in the other as Google Drive allows",
            "name a place higher up with --remote, or fewer folders with --name",
        ),
    ),
    _reason(
        "insufficient(?:File|Parent)Permissions|cannotAddChildren|(?<=, )forbidden",
        _refuses(
            "lets its account not write there",
            "have the folder shared with it as an editor (in a shared drive as a contributor), or "
            "name another with --remote",
        ),
    ),
    _reason(
        "teamDriveMembershipRequired|notATeamDriveMember",
        _refuses(
            "is in a shared drive that its account is no member of",
            "have it made a member, or name another place with --remote",
        ),
    ),
    _reason(
        "cannotAddParent|multipleParents|parentNotAFolder|parentInvalid|invalidParent",
        _refuses(
            "has something there that takes no files", "name a folder of its own with --remote"
        ),
    ),
    _reason(
        "appNotAuthorizedToFile",
        _refuses(
            "lets rclone write only where rclone itself has made the folder",
            "give it full access (`scope = drive`, and `rclone config reconnect`), or name a "
            "folder that is not there yet with --remote",
        ),
    ),
    _reason(
        "domainPolicy",
        _refuses(
            "is of an organisation that does not let rclone use its Drive",
            "ask its administrator to allow the app of the remote's client_id",
        ),
    ),
    _reason(
        "accessNotConfigured|SERVICE_DISABLED",
        _refuses(
            "has a client_id whose project does not use Google's Drive API",
            "enable that API for the project in https://console.cloud.google.com and wait some "
            "minutes",
        ),
    ),
    _reason(
        "insufficientPermissions|ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        _wrong_scope,
    ),
    _reason("account(?:Deleted|Disabled|Unverified)", _account_closed),
)

_SYMPTOMS = (
    *_REASONS,
    _symptom(r"didn't find section in config file", _missing_remote),
    _symptom(r"unable to decrypt configuration|couldn't decrypt configuration", _encrypted_config),
    _symptom(r"failed to load config file", _broken_config),
    _symptom(r"didn't find backend called", _unknown_backend),
    _symptom(
        r"unknown (shorthand )?flag|invalid argument .* for .* flag|couldn't parse config item",
        _wrong_flag,
    ),
    _symptom(
        r"invalid JWT|account not found|error processing credentials|service account",
        _service_account,
    ),
    _symptom(
        r"invalid_grant|invalid_client|unauthorized_client|empty token found|no refresh token|"
        # Not where no answer came, or one that says nothing of who we are: the network, then.
        r"couldn't fetch token(?!.*(?:dial tcp|no such host|unreachable|no route to host|"
        r"proxyconnect|handshake timeout|deadline exceeded|i/o timeout|connection reset|"
        r"broken pipe|closed network connection|closed idle connection|forcibly closed|EOF))",
        _credentials,
    ),
    _symptom(r"error 401|authError", _access_token),
    _symptom(_FULL, _storage_full),
    _symptom(
        r"read-only file system",
        _refuses("is a disk that may only be read", "mount it for writing, or name another place"),
    ),
    # Google gives both limits one reason, so the sentence tells them apart, as it does for rclone
    # (drive_stop_on_upload_limit): a passing limit's is spelt with capitals, and longer.
    _symptom(r"(?-i:User rate limit exceeded\.)|upload limit error", _daily_quota),
    _symptom(_RATE_LIMIT, _rate_limited),
    # Only what says that no connection came about; one that broke is the affair of its file.
    _symptom(
        r"dial tcp|no such host|network is unreachable|no route to host|proxyconnect|"
        r"TLS handshake timeout|couldn't fetch token",
        _unreachable,
    ),
)
