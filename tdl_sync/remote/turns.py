"""What is sent to the remote is sent when it is willing, and again and again while it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tdl_sync.core.errors import (
    AccessTokenRefused,
    AnswerOverdue,
    QuotaExceeded,
    RateLimited,
    RemoteCredentialsRefused,
    RemoteUnreachable,
)
from tdl_sync.options.config import OnQuota
from tdl_sync.remote.pace import Pace, Turn
from tdl_sync.remote.rclone import CallFailed
from tdl_sync.remote.rclone_errors import unexpected
from tdl_sync.remote.token_renewal import TokenRenewal

_HELD_BACK_SECONDS = 0.25
"""So often it is looked whether what holds all back is over."""

Result = TypeVar("Result")


class Turns:
    """All methods may be called from any thread."""

    def __init__(self, pace: Pace, token: TokenRenewal, on_quota: OnQuota) -> None:
        self.token = token
        self._pace = pace
        self._on_quota = on_quota
        self._last = Turn(0.0)
        self._held_back: tuple[Callable[[], bool], ...] = ()

    @contextmanager
    def held_back_while(self, is_so: Callable[[], bool]) -> Iterator[None]:
        """In this block nothing more is sent while ``is_so``, whatever it has waited for before."""
        self._held_back = (*self._held_back, is_so)
        try:
            yield
        finally:
            self._held_back = tuple(each for each in self._held_back if each is not is_so)

    def run(self, send: Callable[[], Result]) -> Result:
        """Let ``send`` run when the remote's pace allows and its token is good; blocks as long as
        it must wait. Raises what it raises besides, and ``Stopped``."""
        while True:
            self._last = turn = self._pace.take_turn()
            while any(is_so() for is_so in self._held_back):
                self._pace.sleep(_HELD_BACK_SECONDS)
            try:
                self.token.in_time()
                result = send()
            except RateLimited as limit:
                self._pace.slow_down(turn, _limits_the_rate(limit.why), limit.retry_after_seconds)
            except (RemoteUnreachable, AnswerOverdue) as error:
                self._pace.slow_down(turn, f"the remote can't be reached ({error.why})")
            except QuotaExceeded as quota:
                if self._on_quota is OnQuota.EXIT:
                    raise
                self._pace.rest(turn, quota)
            except RemoteCredentialsRefused as refused:
                self._after_refusal(refused, turn)
            except CallFailed as failed:
                raise unexpected(failed.failure(self.token.remote)) from failed
            else:
                self._pace.went_well(turn)
                self.token.worked(turn.began_at)
                return result

    def _after_refusal(self, refused: RemoteCredentialsRefused, turn: Turn) -> None:
        """Have a new token, if that may help; else raise ``refused``."""
        try:
            if isinstance(refused, AccessTokenRefused):
                self.token.renew(refused, turn.began_at)
            elif not self.token.is_another_by_now(refused.remote_name):
                raise refused
        except CallFailed as failed:
            raise unexpected(failed.failure(self.token.remote)) from failed

    def sleep(self, seconds: float) -> None:
        """Sleep, or raise ``Stopped`` as soon as the run stops."""
        self._pace.sleep(seconds)

    def limited(self, why: str) -> None:
        """Some call met a rate limit, and rclone makes it again by itself.

        Whose it was the log does not say, and the call's own error may have been first. What began
        before the last such sign says nothing new, so it is booked on what began last.
        """
        self._pace.slow_down(self._last, _limits_the_rate(why))


def _limits_the_rate(why: str) -> str:
    return f"the remote limits the rate ({why})"
