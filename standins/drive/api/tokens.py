"""The token endpoint: access tokens for a refresh token or for a service account's signature.

https://developers.google.com/identity/protocols/oauth2/web-server#offline
https://developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from typing import Any, Literal
from urllib.parse import unquote_plus

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from ..web.api_error import ApiError, TokenError
from ..web.certificates import private_pem
from ..web.http import Response

TOKEN_URI = "https://oauth2.googleapis.com/token"
SCOPE = "https://www.googleapis.com/auth/drive"
ACCESS_TOKEN_SECONDS = 3599
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LONGEST_ASSERTION_SECONDS = 3600
_CLOCK_SKEW_SECONDS = 300

Account = Literal["user", "service"]


class Tokens:
    """All credentials of this stand-in, made anew each time. Thread-safe."""

    def __init__(self) -> None:
        self.client_id = f"{secrets.randbelow(10**12)}-standin.apps.googleusercontent.com"
        self.client_secret = secrets.token_urlsafe(18)
        self.refresh_token = _new_refresh_token()
        self.refresh_tokens_for_one_use = False
        """Each answer then brings the next one; see `refresh`."""
        self._service_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._service_email = "stand-in@stand-in.iam.gserviceaccount.com"
        self._used_refresh_tokens: set[str] = set()
        self._lock = threading.RLock()
        self._issued: dict[str, tuple[Account, float]] = {}

    def issue(self, account: Account, seconds: int = ACCESS_TOKEN_SECONDS) -> str:
        token = "ya29." + secrets.token_urlsafe(40)
        with self._lock:
            self._issued[token] = (account, time.monotonic() + seconds)
        return token

    def expire_access_tokens(self) -> None:
        """Every access token is refused from now on, whatever its client believes."""
        with self._lock:
            self._issued.clear()

    def account_of(self, authorization: str) -> Account:
        """Whose call that is, by its Authorization header. Raises ApiError 401."""
        kind, _, token = authorization.partition(" ")
        with self._lock:
            account, ends_seconds = self._issued.get(token, ("user", 0.0))
        if kind != "Bearer" or ends_seconds <= time.monotonic():
            raise ApiError(
                401,
                "authError",
                "Invalid Credentials",
                {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'},
            )
        return account

    def refresh(self, form: dict[str, str], authorization: str) -> Response:
        """`grant_type=refresh_token`. Raises TokenError.

        The client names itself in the form or by Basic authentication.

        Where refresh tokens are good for one use, one that comes a second time may have been
        stolen, and ends the grant: that and all its successors are refused from then on.
        https://datatracker.ietf.org/doc/html/rfc9700#section-4.14.2
        """
        client = (form.get("client_id", ""), form.get("client_secret", ""))
        if authorization.startswith("Basic "):
            user, _, password = base64.b64decode(authorization[6:]).decode().partition(":")
            client = (unquote_plus(user), unquote_plus(password))
        if client != (self.client_id, self.client_secret):
            raise TokenError("invalid_client", "The OAuth client was not found.", 401)
        with self._lock:
            given = form.get("refresh_token", "")
            if given in self._used_refresh_tokens:
                self.refresh_token = ""
            if not given or given != self.refresh_token:
                raise TokenError("invalid_grant", "Bad Request")
            if self.refresh_tokens_for_one_use:
                self._used_refresh_tokens.add(given)
                self.refresh_token = _new_refresh_token()
                return self._answer("user", refresh_token=self.refresh_token)
        return self._answer("user")

    def from_assertion(self, form: dict[str, str]) -> Response:
        """`grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer`. Raises TokenError."""
        try:
            signed, _, signature = form.get("assertion", "").rpartition(".")
            header, claims = (json.loads(_decoded(part)) for part in signed.split("."))
            self._service_key.public_key().verify(
                _decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except (ValueError, InvalidSignature) as error:
            raise TokenError("invalid_grant", "Invalid JWT Signature.") from error
        self._check_claims(header, claims)
        return self._answer("service")

    def service_account_json(self) -> str:
        """The key file that Google's console hands out."""
        return json.dumps(
            {
                "type": "service_account",
                "project_id": "stand-in",
                "private_key_id": secrets.token_hex(20),
                "private_key": private_pem(self._service_key).decode(),
                "client_email": self._service_email,
                "client_id": "100000000000000000000",
                "token_uri": TOKEN_URI,
            },
            indent=2,
        )

    def _check_claims(self, header: dict[str, Any], claims: dict[str, Any]) -> None:
        now = time.time()
        issued_at, ends_at = claims.get("iat", 0), claims.get("exp", 0)
        if header.get("alg") != "RS256" or claims.get("iss") != self._service_email:
            raise TokenError("invalid_grant", "Invalid grant: account not found")
        if claims.get("aud") != TOKEN_URI or SCOPE not in claims.get("scope", "").split():
            raise TokenError("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        if (
            not now - _LONGEST_ASSERTION_SECONDS < issued_at < now + _CLOCK_SKEW_SECONDS
            or not now < ends_at <= issued_at + _LONGEST_ASSERTION_SECONDS
        ):
            raise TokenError(
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable "
                "timeframe. Check your iat and exp values in the JWT claim.",
            )

    def _answer(self, account: Account, **more: str) -> Response:
        return Response.of_json(
            {
                "access_token": self.issue(account),
                "expires_in": ACCESS_TOKEN_SECONDS,
                "scope": SCOPE,
                "token_type": "Bearer",
                **more,
            }
        )


def _new_refresh_token() -> str:
    return "1//" + secrets.token_urlsafe(48)


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
