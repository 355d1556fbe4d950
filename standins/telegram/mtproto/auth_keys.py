"""The auth keys that the stand-in knows, and what each of them may do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha1

from .wire import ServerMessageIds

_REMEMBERED_MESSAGES = 4000


@dataclass
class Session:
    """One session of a key (https://core.telegram.org/mtproto/description#session)."""

    session_id: bytes
    announced: bool = False
    """The client was told that the session is new."""
    wants_updates: bool = False
    """Some call came without `invokeWithoutUpdates`, other than the one that opens a connection."""
    message_ids: ServerMessageIds = field(default_factory=ServerMessageIds)
    _seen: dict[int, None] = field(default_factory=dict)

    def is_new(self, msg_id: int) -> bool:
        """Remember a client's message id; False for one that came before."""
        if msg_id in self._seen:
            return False
        self._seen[msg_id] = None
        if len(self._seen) > _REMEMBERED_MESSAGES:
            del self._seen[next(iter(self._seen))]
        return True


@dataclass
class AuthKey:
    """A key of one data centre. Used on the event loop's thread only."""

    key: bytes
    dc_id: int
    user_id: int | None = None
    """Who is logged in with this key; None before a login."""
    layer: int | None = None
    """The layer that the client named in its last `invokeWithLayer`."""
    salt: int = field(default_factory=lambda: int.from_bytes(os.urandom(8), "little", signed=True))
    sessions: dict[bytes, Session] = field(default_factory=dict)
    password_pending: bool = False
    """The code was right, the two-factor password is still to come."""
    dead_error: tuple[int, str] | None = None
    """Code and text that every call gets from now on."""

    @property
    def key_id(self) -> bytes:
        return sha1(self.key).digest()[-8:]

    def session(self, session_id: bytes) -> Session:
        """The session of that id, made when it is not there yet."""
        if session_id not in self.sessions:
            self.sessions[session_id] = Session(session_id)
        return self.sessions[session_id]

    def rotate_salt(self) -> None:
        self.salt = int.from_bytes(os.urandom(8), "little", signed=True)


class AuthKeys:
    """All keys, by their id. A key that is not here gets a transport error -404."""

    def __init__(self) -> None:
        self._keys: dict[bytes, AuthKey] = {}

    def create(self, dc_id: int, *, user_id: int | None) -> AuthKey:
        """A key that needs no key exchange: the client has it from a session string."""
        return self.add(AuthKey(os.urandom(256), dc_id, user_id))

    def add(self, auth_key: AuthKey) -> AuthKey:
        self._keys[auth_key.key_id] = auth_key
        return auth_key

    def get(self, key_id: bytes, dc_id: int) -> AuthKey | None:
        """The key of that id in that data centre: keys of another one are unknown there."""
        auth_key = self._keys.get(key_id)
        return auth_key if auth_key and auth_key.dc_id == dc_id else None

    def forget(self, auth_key: AuthKey) -> None:
        self._keys.pop(auth_key.key_id, None)

    def __iter__(self) -> Iterator[AuthKey]:
        return iter(list(self._keys.values()))
