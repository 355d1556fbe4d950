"""A new access token for all that rclone has opened, by one call.

rclone asks for a new token when the old one is past its time by this machine's clock, and at no
other sign: with a clock that is slow, or after a token was revoked, it sends the old one for an
hour. And each remote that it has opened keeps a token of its own, so that many side by side would
ask for many: where a refresh token is good for one use, all but the first are refused. So one
renews for all: the token in the configuration is said to be past its time, what was opened is
forgotten, and one question opens the remote anew, which asks for a token and writes it down, as
rclone always does. Whoever is opened after that finds it.

Another run may have the same configuration: so one renews at a time, and looks first whether the
other has done it.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone

from tdl_sync.core.errors import AccessTokenRefused
from tdl_sync.core.operating_system import FileLock, LockHeld
from tdl_sync.remote.chain import names_below
from tdl_sync.remote.rclone import CallFailed
from tdl_sync.remote.rclone_errors import classified
from tdl_sync.remote.remote_control import Remote, RemoteControl, Sections

_LONG_AGO = "2000-01-01T00:00:00Z"

_AHEAD_SECONDS = 120.0
"""So long before a token is past its time another is asked for; rclone itself does so in the last
ten seconds."""

_LOCK_SECONDS = 30.0
_LOCK_LOOK_SECONDS = 0.1

_SPREAD_SECONDS = 60.0
"""Up to so much earlier, by chance: two runs on one machine have one configuration, and the second
one to look finds the token of the first."""


@dataclass(frozen=True)
class Token:
    """As it stands in the configuration. ``past_at`` is by the wall clock, in seconds."""

    text: str
    past_at: float

    @property
    def ends_soon(self) -> bool:
        return self.past_at < time.time() + _AHEAD_SECONDS

    @property
    def aged(self) -> str:
        return json.dumps({**json.loads(self.text), "expiry": _LONG_AGO})


def renew_token(control: RemoteControl, remote_name: str, known: str | None = None) -> None:
    """Get a new token, if the remote has tokens. Raises what refuses it, and ``Stopped``.

    What is under way goes on with the old one. ``known`` is the one that will not do any more, as
    it stands in the configuration; if there is another by now, that is taken.
    """
    with config_lock(control):
        _renew_token(control, remote_name, known)


def _renew_token(control: RemoteControl, remote_name: str, known: str | None) -> None:
    token = token_of(control.sections(), remote_name)
    if token is not None and known is not None and known != token.text and not token.ends_soon:
        control.forget_remotes()
        return
    if token is None:
        # Of a service account: rclone asks for one when it opens the remote. Or one that can't be
        # renewed: to say that it is past its time would end it for good.
        control.forget_remotes()
        return
    remote = Remote(f"{remote_name}:")
    # Whoever opened one meanwhile would ask for a token, too.
    with control.opening_nothing():
        control.update_section(remote_name, {"token": token.aged})
        try:
            control.forget_remotes()
            control.free_bytes(remote)
        except CallFailed as failed:
            error = classified(failed.failure(remote.text))
            if error is None or _another_has_renewed(control, remote_name, token):
                return
            raise error from failed
        finally:
            _take_back(control, remote_name, token)


def _take_back(control: RemoteControl, remote_name: str, token: Token) -> None:
    """The configuration is the user's: a token that was not renewed stands there as it did."""
    now = control.sections().get(remote_name, {}).get("token")
    if now is not None and _same(now, token.aged):
        control.update_section(remote_name, {"token": token.text})


def _same(one: str, other: str) -> bool:
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False


@contextmanager
def config_lock(control: RemoteControl) -> Iterator[None]:
    """While the block runs no other run renews a token in this configuration.

    rclone puts a new file in the place of the old one, so the lock is of the directory. Whoever
    can't have it within some time goes on without.
    """
    lock = _locked(control)
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _locked(control: RemoteControl) -> FileLock | None:
    path = control.rclone.config_file
    deadline = time.monotonic() + _LOCK_SECONDS
    if path is None:
        return None
    while time.monotonic() < deadline and not control.rclone.stopping:
        try:
            return FileLock.acquire_directory(path.resolve().parent)
        except LockHeld:
            time.sleep(_LOCK_LOOK_SECONDS)
        except OSError:
            break
    return None


def _another_has_renewed(control: RemoteControl, remote_name: str, old: Token) -> bool:
    """A refresh token may be good for one use, and another run was quicker."""
    now = token_of(control.sections(), remote_name)
    if now is None or now.text in (old.text, old.aged) or now.past_at < time.time():
        return False
    control.forget_remotes()
    return True


def token_of(sections: Sections, remote_name: str) -> Token | None:
    """One that can be renewed; ``None`` if there is none, or if it is good for ever."""
    text = sections.get(remote_name, {}).get("token", "")
    try:
        token = json.loads(text)
        past_at = datetime.fromisoformat(_to_microseconds(str(token["expiry"])))
        if not token["refresh_token"] or past_at.year <= 1:
            return None
    except (ValueError, KeyError, TypeError):
        return None
    if past_at.tzinfo is None:
        past_at = past_at.replace(tzinfo=timezone.utc)
    return Token(text, past_at.timestamp())


def _to_microseconds(text: str) -> str:
    """Go writes nanoseconds and ``Z``, which Python 3.10 does not take."""
    text = text.replace("Z", "+00:00")
    head, dot, fraction = text.partition(".")
    if not dot:
        return text
    digits = fraction[: len(fraction) - len(fraction.lstrip("0123456789"))]
    return f"{head}.{digits[:6].ljust(6, '0')}{fraction[len(digits) :]}"


class TokenRenewal:
    """Renews the tokens of a remote, and of those below it, once for all threads.

    Times are on the monotonic clock, but for those that a token is past at.
    """

    def __init__(self, control: RemoteControl, remote: str) -> None:
        self.remote = remote
        self._control = control
        self._lock = threading.Lock()
        self._renewed_at = 0.0
        self._proved = True
        self._next_look_at = 0.0
        self._known: dict[str, str] = {}

    def in_time(self) -> None:
        """Before a call: renew what will soon be past its time. Raises what refuses it."""
        if time.time() < self._next_look_at:
            return
        with self._lock:
            now = time.time()
            if now < self._next_look_at:
                return
            sections = self._control.sections()
            for name in list(names_below(sections, self.remote)):
                token = token_of(sections, name)
                if token is not None and token.past_at < now + _AHEAD_SECONDS + _SPREAD_SECONDS:
                    renew_token(self._control, name, token.text)
                    sections = self._control.sections()
            self._note(sections)
            self._next_look_at = max(self._soonest(sections), now + _AHEAD_SECONDS / 2)

    def renew(self, refused: AccessTokenRefused, call_began_at: float) -> None:
        """After a call that was refused; raises ``refused`` if a new token was no help."""
        with self._lock:
            if call_began_at < self._renewed_at:
                return  # it went out with the old one
            if not self._proved:
                raise refused
            # The name that rclone gives may be that of a remote above the one with the token.
            below = set(names_below(self._control.sections(), self.remote))
            for name in below | {refused.remote_name}:
                renew_token(self._control, name, self._known.get(name))
            self._note(self._control.sections())
            self._renewed_at = time.monotonic()
            self._proved = False

    def is_another_by_now(self, remote_name: str) -> bool:
        """After a refresh token was refused: whether the configuration holds another token than
        when it was last looked at, by another run or by hand; it is taken from now on."""
        with self._lock:
            sections = self._control.sections()
            token, known = token_of(sections, remote_name), self._known.get(remote_name)
            if token is None or token.text == known or known is None or token.ends_soon:
                return False
            self._note(sections)
            self._control.forget_remotes()
            return True

    def _note(self, sections: Sections) -> None:
        for name in sections:
            if (token := token_of(sections, name)) is not None:
                self._known[name] = token.text

    def worked(self, call_began_at: float) -> None:
        """A call was not refused."""
        with self._lock:
            self._proved = self._proved or call_began_at >= self._renewed_at

    def _soonest(self, sections: Sections) -> float:
        tokens = [token_of(sections, name) for name in names_below(sections, self.remote)]
        ends = [token.past_at for token in tokens if token is not None]
        return min(ends, default=float("inf")) - _AHEAD_SECONDS - random.uniform(0, _SPREAD_SECONDS)
