"""What goes wrong on purpose: which call, how often, for how long, after how much.

Faults may be added and removed from any thread while the stand-in runs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from .web.api_error import ApiError, TokenError

FaultKind = Literal[
    "rate_limit",  # 403 rateLimitExceeded
    "user_rate_limit",  # 403 userRateLimitExceeded, of calls
    "too_many_requests",  # 429
    "server_error",  # `status`, 503 unless told
    "daily_quota",  # 403 userRateLimitExceeded, of uploaded bytes: no upload may begin
    "storage_full",  # 403 storageQuotaExceeded
    "shared_drive_full",  # 403 teamDriveFileLimitExceeded
    "unauthorized",  # 401, as for an access token that expired
    "invalid_grant",  # 400 from the token endpoint: the refresh token was revoked
    "error",  # any: `status`, `reason`, `message`
    "answer_lost",  # the work is done, and the connection ends without an answer
    "answer_held",  # the work is done, and nothing is said any more
    "cut",  # the connection ends after `body_bytes` of the request's body; no work is done
    "stall",  # after `body_bytes` nothing is read or said any more; no work is done
    "flipped_byte",  # one byte of the file is stored wrong
]

_UPLOAD_BEGINS = ("upload.multipart", "upload.media", "upload.start")
_CALLS_OF_KIND: dict[str, tuple[str, ...]] = {
    "daily_quota": _UPLOAD_BEGINS,
    "storage_full": _UPLOAD_BEGINS,
    "shared_drive_full": (*_UPLOAD_BEGINS, "files.create"),
    "flipped_byte": _UPLOAD_BEGINS,
    "invalid_grant": ("token",),
}
_EVERY_API_CALL = ("files", "upload", "about", "drives")

# The messages are Drive's own. The one of the daily quota is spelled unlike that of the rate
# limit, which shares its reason: rclone tells them apart by it.
_ERRORS: dict[str, tuple[int, str, str]] = {
    "rate_limit": (403, "rateLimitExceeded", "Rate Limit Exceeded"),
    "user_rate_limit": (403, "userRateLimitExceeded", "User Rate Limit Exceeded"),
    "too_many_requests": (429, "rateLimitExceeded", "Rate Limit Exceeded"),
    "daily_quota": (403, "userRateLimitExceeded", "User rate limit exceeded."),
    "storage_full": (
        403,
        "storageQuotaExceeded",
        "The user's Drive storage quota has been exceeded.",
    ),
    "shared_drive_full": (
        403,
        "teamDriveFileLimitExceeded",
        "The file limit for this shared drive has been exceeded.",
    ),
    "unauthorized": (401, "authError", "Invalid Credentials"),
}


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    It strikes calls named `call` (`upload` is all of `upload.start`, `upload.chunk`, …; None is
    what fits the kind, never the token endpoint for those that fit all). It lets `after_calls` of
    them pass and waits until `after_bytes` of content were received (as the statistics count
    them, so since their `reset`); it is over after `times` strikes (None: no end) and
    `for_seconds` after its first strike (None: no end). With `of_bytes` it strikes nothing but
    calls of resumable uploads of so many bytes.
    """

    kind: FaultKind
    call: str | None = None
    times: int | None = 1
    for_seconds: float | None = None
    after_calls: int = 0
    after_bytes: int = 0
    body_bytes: int = 0
    of_bytes: int | None = None
    retry_after_seconds: int | None = None
    status: int = 503
    reason: str = "backendError"
    message: str = "Backend Error"

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"fault kind {self.kind!r}, expected one of {get_args(FaultKind)}")

    def fits(self, call: str, upload_bytes: int | None) -> bool:
        if self.of_bytes is not None and self.of_bytes != upload_bytes:
            return False
        calls = _CALLS_OF_KIND.get(self.kind, _EVERY_API_CALL)
        wanted = calls if self.call is None else (self.call,)
        return any(call == one or call.startswith(f"{one}.") for one in wanted)

    def error(self) -> ApiError | TokenError | None:
        """What the client is answered; None when the fault is no plain error."""
        if self.kind == "invalid_grant":
            return TokenError("invalid_grant", "Token has been expired or revoked.")
        if self.kind in ("error", "server_error"):
            answer = (self.status, self.reason, self.message)
        elif self.kind in _ERRORS:
            answer = _ERRORS[self.kind]
        else:
            return None
        retry_after = self.retry_after_seconds
        return ApiError(*answer, {} if retry_after is None else {"Retry-After": str(retry_after)})

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Fault:
        """ValueError names what is not a field of a fault."""
        unknown = set(value) - {known.name for known in fields(cls)}
        if unknown:
            raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
        return cls(**value)


@dataclass
class _Armed:
    fault: Fault
    passed: int = 0
    struck: int = 0
    first_strike_seconds: float = 0.0

    def strikes(self, call: str, received_bytes: int, upload_bytes: int | None) -> bool:
        fault = self.fault
        if self._is_over() or not fault.fits(call, upload_bytes):
            return False
        if received_bytes < fault.after_bytes:
            return False
        if self.passed < fault.after_calls:
            self.passed += 1
            return False
        if self.struck == 0:
            self.first_strike_seconds = time.monotonic()
        self.struck += 1
        return True

    def _is_over(self) -> bool:
        if self.fault.times is not None and self.struck >= self.fault.times:
            return True
        if self.struck == 0:
            return False
        age_seconds = time.monotonic() - self.first_strike_seconds
        limit_seconds = self.fault.for_seconds
        return limit_seconds is not None and age_seconds > limit_seconds


class Faults:
    """The faults that are armed. Thread-safe."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._armed = [_Armed(fault) for fault in faults]
        self.network_down = False
        """While true the proxy refuses every new connection; see DriveStandIn.drop_connections."""

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._armed.extend(_Armed(fault) for fault in faults)

    def clear(self) -> None:
        self.replace(())

    def replace(self, faults: Iterable[Fault]) -> None:
        with self._lock:
            self._armed = [_Armed(fault) for fault in faults]

    def strikes(self) -> list[tuple[Fault, int]]:
        """Each fault that is armed or over, and how often it struck."""
        with self._lock:
            return [(armed.fault, armed.struck) for armed in self._armed]

    def strike(
        self, call: str, received_bytes: int, upload_bytes: int | None = None
    ) -> Fault | None:
        """The first fault that strikes this call, now counted; None when nothing goes wrong.

        `upload_bytes` is how long the upload is to be that the call is part of.
        """
        with self._lock:
            for armed in self._armed:
                if armed.strikes(call, received_bytes, upload_bytes):
                    return armed.fault
        return None
