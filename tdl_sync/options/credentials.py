"""How to reach Telegram and as whom: secrets, checked by their shape, never printed."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tdl_sync.core.errors import UsageError
from tdl_sync.core.program import PROGRAM, VARIABLE_PREFIX

API_ID = VARIABLE_PREFIX + "API_ID"
API_HASH = VARIABLE_PREFIX + "API_HASH"
SESSION_STRING = VARIABLE_PREFIX + "SESSION_STRING"

SESSION_NAME = "telegram"

# dc_id, api_id, test_mode, auth_key, user_id, is_bot; the older two are without the api_id, with
# user ids of 32 and of 64 bits (pyrogram's SESSION_STRING_FORMAT).
_SESSION_BYTES = 271
_OLD_SESSION_BYTES = (263, 267)
_DATA_CENTRES = range(1, 6)


@dataclass(frozen=True)
class Proxy:
    """The way to Telegram. ``scheme`` is ``socks5`` or ``http``."""

    scheme: str
    host: str
    port: int
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        """Without what is secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


@dataclass(frozen=True)
class TelegramSettings:
    """How to reach Telegram and as whom. ``session_string`` wins over the session file.

    ``api_id`` and ``api_hash`` come together or not at all. A session string of the current form
    holds an api id of its own.
    """

    session_directory: Path
    api_id: int | None = None
    api_hash: str | None = field(default=None, repr=False)
    session_string: str | None = field(default=None, repr=False)
    proxy: Proxy | None = field(default=None, repr=False)

    @property
    def session_path(self) -> Path:
        return self.session_directory / f"{SESSION_NAME}.session"

    @property
    def app_path(self) -> Path:
        """Where ``login`` keeps the api id and hash that a person has typed."""
        return self.session_directory / f"{SESSION_NAME}.session.app"

    @property
    def connecting_line(self) -> str:
        """What is told before the first connection, which may take a minute."""
        way = "" if self.proxy is None else f" through {self.proxy.shown}"
        return f"connecting to Telegram{way} …"

    @property
    def library_proxy(self) -> Any:
        """The proxy as the library takes it."""
        if self.proxy is None:
            return None
        record = {
            "scheme": self.proxy.scheme,
            "hostname": self.proxy.host,
            "port": self.proxy.port,
        }
        if self.proxy.username is not None:
            record |= {"username": self.proxy.username, "password": self.proxy.password or ""}
        return record


@dataclass(frozen=True)
class Credential:
    """One of those that no command line takes, as it was given. ``origin`` is for errors."""

    text: str = field(repr=False)
    origin: str


def is_api_id(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,10}", text) is not None and 0 < int(text) < 2**31


def is_api_hash(text: str) -> bool:
    return re.fullmatch(r"[0-9a-fA-F]{32}", text) is not None


def telegram_settings(
    credentials: Mapping[str, Credential], session_directory: Path, proxy: Proxy | None
) -> TelegramSettings:
    """``credentials`` by their variables. Raises ``UsageError``; its text never holds a value."""
    api_id, api_hash = credentials.get(API_ID), credentials.get(API_HASH)
    session_string = credentials.get(SESSION_STRING)
    source = "copy it from https://my.telegram.org, API development tools"
    if api_id is not None and not is_api_id(api_id.text):
        raise UsageError(
            f"{api_id.origin}: expected a number such as 1234567, found something else; {source}"
        )
    if api_hash is not None and not is_api_hash(api_hash.text):
        raise UsageError(
            f"{api_hash.origin}: expected 32 hexadecimal digits, "
            f"found {len(api_hash.text)} characters that are not that; {source}"
        )
    if (api_id is None) != (api_hash is None):
        given, missing = (api_id or api_hash), (API_HASH if api_hash is None else API_ID)
        assert given is not None
        raise UsageError(f"{given.origin} is set and {missing} is not; set both or neither")
    if session_string is not None:
        _check_session_string(session_string, has_api_id=api_id is not None)
    return TelegramSettings(
        session_directory,
        None if api_id is None else int(api_id.text),
        None if api_hash is None else api_hash.text,
        None if session_string is None else session_string.text,
        proxy,
    )


def _check_session_string(given: Credential, *, has_api_id: bool) -> None:
    text, origin = given.text, given.origin
    mend = f"make a new one with: {PROGRAM} login --print-session"
    expected = f"{origin}: expected the text that login --print-session prints"
    if not re.fullmatch(r"[A-Za-z0-9_-]+={0,2}", text):
        raise UsageError(f"{expected}, found characters that it can't hold; {mend}")
    bare = text.rstrip("=")
    try:
        content = base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        content = b""
    length = len(content)
    if length in _OLD_SESSION_BYTES and not has_api_id:
        raise UsageError(f"{origin} is of an old form without an api id; {mend}")
    if length != _SESSION_BYTES and length not in _OLD_SESSION_BYTES:
        raise UsageError(
            f"{expected} (362 characters), found {len(text)} characters: cut off in copying, "
            f"or made by another program; {mend}"
        )
    if content[0] not in _DATA_CENTRES:
        raise UsageError(f"{expected}, found one that names no data centre of Telegram; {mend}")


def parse_proxy(text: str, *, from_command_line: bool) -> Proxy:
    """``ValueError`` says what is expected and never prints ``text``, which may hold a password."""
    expected = "socks5://host:port or http://host:port"
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError(f"{expected}, with a port from 1 to 65535") from None
    if from_command_line and url.password is not None:
        raise ValueError(
            "no password here, since other users can see a command line; "
            f"set {VARIABLE_PREFIX}PROXY instead"
        )
    if url.scheme not in ("socks5", "http"):
        raise ValueError(expected + _hint_for_scheme(url.scheme))
    if not url.hostname or not port or url.path.strip("/") or url.query or url.fragment:
        raise ValueError(f"{expected}, with a host and a port and nothing after them")
    return Proxy(
        url.scheme,
        url.hostname,
        port,
        unquote(url.username) if url.username else None,
        unquote(url.password) if url.password else None,
    )


def _hint_for_scheme(scheme: str) -> str:
    if scheme == "socks5h":
        return " (socks5h is not supported; write socks5: no name is resolved either way)"
    if scheme == "https":
        return " (https is not supported; write http if the proxy speaks plain HTTP CONNECT)"
    return ""
