"""Logins that are under way: codes that were sent, password checks, QR tokens."""

from __future__ import annotations

import base64
import os
import time
from dataclasses import dataclass, field
from typing import Any

from ..mtproto.auth_keys import AuthKey
from .password_check import PasswordCheck, PasswordVerifier

TOKEN_SECONDS = 30
_LINK_PREFIX = "tg://login?token="


@dataclass
class LoginToken:
    """What a QR code shows until a phone accepts it or it expires."""

    token: bytes
    expires: int
    auth_key: AuthKey
    """Of the client that shows it."""
    accepted: bool = False

    def is_expired(self) -> bool:
        return time.time() >= self.expires


@dataclass(frozen=True)
class CodeWay:
    """How a code comes: the types of ``auth.sentCode``, and after how long the next one may be
    asked for."""

    sent: Any
    next: Any = None
    timeout_seconds: int | None = None


@dataclass
class Logins:
    """Used on the event loop's thread only."""

    ways: list[CodeWay] = field(default_factory=list)
    """In the order in which the code comes by them, the first first; none is the app."""
    resent: int = 0
    phones_by_code_hash: dict[str, str] = field(default_factory=dict)
    checks: dict[int, PasswordCheck] = field(default_factory=dict)
    tokens: dict[bytes, LoginToken] = field(default_factory=dict)
    _verifier: PasswordVerifier | None = None

    def send_code(self, phone: str) -> str:
        """The hash that names the code which was sent."""
        code_hash = os.urandom(9).hex()
        self.phones_by_code_hash[code_hash] = phone
        return code_hash

    def offer_check(self, password: str) -> tuple[PasswordVerifier, PasswordCheck]:
        if self._verifier is None:
            self._verifier = PasswordVerifier(password)
        check = PasswordCheck(self._verifier)
        self.checks[check.srp_id] = check
        return self._verifier, check

    def token_for(self, auth_key: AuthKey) -> LoginToken:
        """The key's token: a new one when it has none, or an expired one."""
        for token in self.tokens.values():
            if token.auth_key is auth_key and (token.accepted or not token.is_expired()):
                return token
        new = LoginToken(os.urandom(32), int(time.time()) + TOKEN_SECONDS, auth_key)
        self.tokens[new.token] = new
        return new


def token_of_link(link: str) -> bytes:
    """The token in the link that a QR code holds. ValueError when it is none."""
    if not link.startswith(_LINK_PREFIX):
        raise ValueError(f"{link!r}, expected {_LINK_PREFIX}...")
    encoded = link.removeprefix(_LINK_PREFIX)
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
