"""A new access token where the remote refuses one that rclone takes for good.

rclone asks for a new token when the old one is past its time by this machine's clock, and at no
other sign: with a clock that is slow, or after a token was revoked, it sends the old one for an
hour. A question in which the old token is said to be past its time makes rclone ask for a new
one and write it into its configuration, as it always does.
"""

from __future__ import annotations

import configparser
import json
import threading
import time

from tdl_sync.core.errors import AccessTokenRefused
from tdl_sync.remote.rclone import Rclone
from tdl_sync.remote.rclone_errors import classified

_LONG_AGO = "2000-01-01T00:00:00Z"


def renew_token(rclone: Rclone, remote_name: str) -> None:
    """Get a new token, if the remote has tokens. Raises what refuses it, and ``Stopped``."""
    token = _token(rclone, remote_name)
    if token is None:
        return  # of a service account: rclone asks for a new one each time it starts
    variable = f"RCLONE_CONFIG_{remote_name.upper()}_TOKEN"
    aged = json.dumps({**token, "expiry": _LONG_AGO})
    answer = rclone.ask(["about"], f"{remote_name}:", variables={variable: aged})
    error = None if answer.exit_status == 0 else classified(answer.failure(f"{remote_name}:"))
    if error is not None:
        raise error


class TokenRenewal:
    """Renews a token once for all threads. Times are on the monotonic clock."""

    def __init__(self, rclone: Rclone) -> None:
        self._rclone = rclone
        self._lock = threading.Lock()
        self._renewed_at = 0.0
        self._proved = True

    def renew(self, refused: AccessTokenRefused, call_began_at: float) -> None:
        """After a call that was refused; raises ``refused`` if a new token was no help."""
        with self._lock:
            if call_began_at < self._renewed_at:
                return  # it went out with the old one
            if not self._proved:
                raise refused
            renew_token(self._rclone, refused.remote_name)
            self._renewed_at = time.monotonic()
            self._proved = False

    def worked(self, call_began_at: float) -> None:
        """A call was not refused."""
        with self._lock:
            self._proved = self._proved or call_began_at >= self._renewed_at


def _token(rclone: Rclone, remote_name: str) -> dict[str, object] | None:
    shown = rclone.ask(["config", "show"], remote_name)
    sections = configparser.RawConfigParser(strict=False)
    try:
        sections.read_string(shown.stdout.decode("utf-8", "replace"))
        token = json.loads(sections.get(remote_name, "token"))
    except (configparser.Error, ValueError):
        return None
    return token if isinstance(token, dict) else None
