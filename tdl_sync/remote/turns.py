"""What is sent to the remote is sent when it is willing, and again and again while it is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tdl_sync.core.errors import AccessTokenRefused, QuotaExceeded, RateLimited, RemoteUnreachable
from tdl_sync.options.config import OnQuota
from tdl_sync.remote.pace import Pace, Turn
from tdl_sync.remote.token_renewal import TokenRenewal

Result = TypeVar("Result")


@dataclass(frozen=True)
class Turns:
    """All threads may use them."""

    pace: Pace
    token: TokenRenewal
    on_quota: OnQuota

    def run(self, send: Callable[[Turn], Result]) -> Result:
        """Let ``send`` run when the remote's pace allows and its token is good; blocks as long as
        it must wait. Raises what it raises besides, and ``Stopped``."""
        while True:
            turn = self.pace.take_turn()
            try:
                self.token.in_time()
                result = send(turn)
            except RateLimited as limit:
                self.limited(turn, limit.why, limit.retry_after_seconds)
            except RemoteUnreachable as error:
                self.pace.slow_down(turn, f"the remote can't be reached ({error.why})")
            except QuotaExceeded as quota:
                if self.on_quota is OnQuota.EXIT:
                    raise
                self.pace.rest(turn, quota)
            except AccessTokenRefused as refused:
                self.token.renew(refused, turn.began_at)
            else:
                self.pace.went_well(turn)
                self.token.worked(turn.began_at)
                return result

    def limited(self, turn: Turn, why: str, retry_after_seconds: float = 0.0) -> None:
        """A call of this turn met a rate limit, and is made again or was given up."""
        self.pace.slow_down(turn, f"the remote limits the rate ({why})", retry_after_seconds)
