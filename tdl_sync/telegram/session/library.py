"""All that is used of kurigram beyond what its documentation promises, and why.

Documented, and imported wherever it is needed, are the types and functions of Telegram's own
schema (``pyrogram.raw``), the errors (``pyrogram.errors``) and what calls return
(``pyrogram.types``). Everything else comes from here.
It may change with any release of kurigram, patch releases too, so ``requirements.txt`` names one
exactly. Who moves to another one reads ``INSIDES`` beside kurigram's changes first:
``tests/unit/telegram/session/test_library.py`` says what is gone, and
``tests/contract/telegram`` whether the rest still behaves as is told here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pyrogram.client
from pyrogram import Client, raw
from pyrogram.connection import Connection
from pyrogram.connection.transport import TCPAbridged
from pyrogram.crypto import aes
from pyrogram.errors import RPCError
from pyrogram.errors.exceptions.all import exceptions as NAMED_ERRORS
from pyrogram.errors.rpc_error import PARAMETER, STRING_PARAMETER_PREFIXES
from pyrogram.qrlogin import QRLogin
from pyrogram.raw.core import TLObject
from pyrogram.session import Session
from pyrogram.session.session import AuthKeyNotFound, SessionState
from pyrogram.storage import SQLiteStorage

from tdl_sync.core.operating_system import steady_seconds
from tdl_sync.telegram.session import decryption

__all__ = [
    "NAMED_ERRORS",
    "PARAMETER",
    "STRING_PARAMETER_PREFIXES",
    "AuthKeyNotFound",
    "Client",
    "Connection",
    "QRLogin",
    "Session",
    "TCPAbridged",
]

SESSION_STRING_FORMAT: str = SQLiteStorage.SESSION_STRING_FORMAT


@dataclass(frozen=True)
class Inside:
    """Something of the library's that it promises to nobody.

    ``parameters`` are those of a function that it is called with, or that ours is called with
    where it stands in for it; ``why`` says what it is needed for and what it has to do.
    """

    owner: type | ModuleType
    name: str
    why: str
    parameters: tuple[str, ...] = ()


INSIDES = (
    Inside(
        Session,
        "__init__",
        "get_session opens one connection for media to a data centre, and we need several",
        ("client", "dc_id", "server_address", "port", "auth_key", "test_mode", "is_media"),
    ),
    Inside(Session, "START_TIMEOUT", "read by start: 2 s are too few for a slow link"),
    Inside(
        Session,
        "start",
        "connects, opens that by calls of send, and tries again by itself",
    ),
    Inside(Session, "stop", "closes for good: what restart was about to do it leaves undone"),
    Inside(
        Session,
        "send",
        "a request, once: invoke would hide refusals that pass behind a TimeoutError. An answer "
        "whose event is set without a value counts as one that did not come in time",
        ("data", "wait_response", "timeout"),
    ),
    Inside(Session, "WAIT_TIMEOUT", "what send has by default"),
    Inside(Session, "client", "told when the first calls of a connection are refused"),
    Inside(Session, "is_media", "whether that was a connection for files"),
    Inside(Session, "is_started", "an event: set while it has a connection"),
    Inside(Session, "state", "STOPPED, not by us: it was given up, with an error nobody saw"),
    Inside(Session, "results", "the answers owed, by message id, taken out by pop"),
    Inside(Session, "connection", "to know which session's connection has ended"),
    Inside(Session, "dc_id", "which data centre it belongs to"),
    Inside(Session, "auth_key", "further connections to a data centre share the first one's key"),
    Inside(Session, "test_mode", "and its kind of server"),
    Inside(Session, "salt", "and what the key has got already, which saves a round trip"),
    Inside(
        Client,
        "get_session",
        "the one connection for calls to a data centre, made when it is first asked for",
        ("dc_id", "export_authorization", "server_address", "port", "temporary"),
    ),
    Inside(Client, "sessions", "where get_session keeps them: one with a lost key is taken out"),
    Inside(Client, "session", "the account's own, which is replaced where it began unusably"),
    Inside(Client, "handle_updates", "called with all that is no answer", ("updates",)),
    Inside(Client, "server_time", "read wherever a message's id is made"),
    Inside(Client, "_set_server_time", "called for the first message of a session", ("msg_id",)),
    Inside(Client, "ipv6", "which of a data centre's addresses are for us"),
    Inside(Client, "storage", "the account's data centre, where that is, and who is signed in"),
    Inside(
        Connection,
        "__init__",
        "made by start, by the class that is given as connection_factory",
        ("dc_id", "server_address", "port", "test_mode", "proxy", "media", "protocol_factory"),
    ),
    Inside(Connection, "dc_id", "whose key an unknown one was"),
    Inside(Connection, "connect", "raises OSError when it has tried often enough"),
    Inside(Connection, "recv", "a packet, or None at the connection's end"),
    Inside(Connection, "close", "called by us and by the library alike"),
    Inside(TCPAbridged, "connect", "an error that is no OSError ends its session", ("address",)),
    Inside(TCPAbridged, "writer", "its socket gets TCP_NODELAY, its transport our reception"),
    Inside(TCPAbridged, "recv", "ours in its place; all else is read by it", ("length",)),
    Inside(TCPAbridged, "TIMEOUT", "so long may a connection be silent"),
    Inside(aes, "ige256_encrypt", "replaced by a faster one", ("data", "key", "iv")),
    Inside(aes, "ige256_decrypt", "looked up there for each packet", ("data", "key", "iv")),
    Inside(QRLogin, "recreate", "a new code to scan"),
    Inside(QRLogin, "wait", "until it is scanned; raises asyncio.TimeoutError when it has ended"),
    Inside(SQLiteStorage, "SESSION_STRING_FORMAT", "a session string from a file left untouched"),
)

# 2 s by default: on a link with a round trip beyond that it would never connect.
Session.START_TIMEOUT = 15

# At INFO the library writes the proxy with its password, so its own log stays off.
logging.getLogger("pyrogram").setLevel(logging.CRITICAL)


if (_ciphers := decryption.fastest()) is not None:
    vars(aes).update(ige256_encrypt=_ciphers.encrypt, ige256_decrypt=_ciphers.decrypt)


class TellingSession(Session):
    """The library's session, which tells what it would keep to itself.

    When Telegram refuses the first calls of a connection, the library connects again, at once and
    for ever, and says nothing of it. And errors that it has no name for it writes into a file in
    the working directory, which is not ours to write to, and fails where it may not. So both are
    seen here, on every session that it opens, whoever asks: a run, a command, or the library while
    it signs in.

    Its client is a ``SteadyClient``, which is told of a refusal before the library acts on it, and
    may take its time.
    """

    answers_kind: type[dict[int, Any]] = dict

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.results = self.answers_kind()
        self._opening_again: asyncio.Task[None] | None = None
        self._refusal: RPCError | None = None

    @property
    def was_refused(self) -> bool:
        """Whether Telegram has answered its first call with an error."""
        return self._refusal is not None

    async def start(self) -> None:
        """The library opens a connection again whose end it sees while the session counts as
        started. One that has ended a moment before would stay as it is: nothing is read from it,
        and whatever is sent is refused."""
        starting: Any = super().start
        await starting()
        if getattr(self.connection, "has_ended", False):
            restarting: Any = self.restart
            self._opening_again = asyncio.get_running_loop().create_task(restarting())

    async def send(
        self, data: TLObject[Any], wait_response: bool = True, timeout: float = Session.WAIT_TIMEOUT
    ) -> Any:
        """While a connection is opened its first call goes out at once. The library would have a
        ping answered before, a round trip, to learn the key's salt and Telegram's time: what
        refuses the call for want of those tells them as well, and it is sent again."""
        if self.state is not SessionState.STARTING:
            return await super().send(data, wait_response, timeout)
        if isinstance(data, raw.functions.Ping):
            return None
        try:
            answer = await super().send(data, wait_response, timeout)
            if isinstance(answer, raw.types.BadMsgNotification):  # Telegram's time is known now
                answer = await super().send(data, wait_response, timeout)
            return answer
        except RPCError as error:
            # Once: a call that is sent again for its salt is sent by this method.
            if isinstance(self.client, SteadyClient) and error is not self._refusal:
                self._refusal = error
                await self.client.connection_refused(error, for_files=self.is_media)
            raise


def use_telling_sessions(answers_kind: type[dict[int, Any]]) -> None:
    """From now on the library's clients make their sessions so, which take each answer, by message
    id, out of such a dictionary, by ``pop``. They know the class by this name alone."""
    TellingSession.answers_kind = answers_kind
    vars(pyrogram.client)["Session"] = TellingSession


class SteadyClient(Client):
    """The library's client, whose idea of Telegram's time does not jump with this machine's clock.

    The library adds to the clock what it was off when it connected. When the clock is set during
    a run all message ids would be of another hour, all answers would seem to be, and it would
    drop each of them for as long as that hour.
    """

    def __init__(
        self, *arguments: Any, on_updates: Callable[[Any], None] | None = None, **settings: Any
    ) -> None:
        """``on_updates`` gets all that is no answer, and the library nothing of it. Its own way is
        a queue that nobody would empty, and a call for the difference now and then, whose flood
        waits and errors nobody would see."""
        self._on_updates = on_updates
        self._telegram_ahead_seconds: float | None = None
        self.on_connection_refused: Callable[[RPCError, bool], Awaitable[None]] | None = None
        super().__init__(*arguments, **settings)

    async def connection_refused(self, error: RPCError, *, for_files: bool) -> None:
        """Telegram has refused the first calls of a connection; on return it is tried again."""
        if self.on_connection_refused is not None:
            await self.on_connection_refused(error, for_files)

    @property
    def server_time(self) -> float:
        """Seconds since 1970, as the library asks for them. Until Telegram was heard, a guess."""
        if self._telegram_ahead_seconds is None:
            return time.time()
        return steady_seconds() + self._telegram_ahead_seconds

    def _set_server_time(self, msg_id: int) -> None:
        """Called by the library for what Telegram says first on a connection; a message's id tells
        when it was made: https://core.telegram.org/mtproto/description#message-identifier-msg-id
        """
        self._telegram_ahead_seconds = msg_id / 2**32 - steady_seconds()

    async def handle_updates(self, updates: Any) -> None:
        if self._on_updates is not None:
            self._on_updates(updates)
        else:
            handle: Any = super().handle_updates
            await handle(updates)


def telegrams_seconds(client: Client) -> float:
    """What time it is at Telegram's, in seconds since 1970."""
    return float(client.server_time)


# A session


def connected(session: Session) -> asyncio.Event:
    """Set as long as it has a connection."""
    return session.is_started


def was_given_up(session: Session) -> bool:
    """Whether the library has stopped it, with an error that nobody saw."""
    return session.state is SessionState.STOPPED


async def start(session: Session) -> None:
    starting: Any = session.start
    await starting()


async def stop(session: Session) -> None:
    stopping: Any = session.stop
    await stopping()


async def send(session: Session, query: TLObject[Any], seconds: float) -> Any:
    """One request, once. Raises ``RPCError``, or ``OSError`` where no answer came in time."""
    sending: Any = session.send
    return await sending(query, timeout=seconds)


def received_bytes(session: Session) -> int:
    """As many have come over the connection that it has now, of answers that are not whole, too."""
    return int(getattr(session.connection, "received_bytes", 0))


def data_centre(session: Session) -> int:
    return session.dc_id


def fail_what_is_owed(session: Session | None, connection: Connection) -> None:
    """If this is the session's connection, let all its requests end as unanswered, at once."""
    if session is not None and session.connection is connection:
        for result in session.results.values():
            result.event.set()


async def opened_beside(
    client: Client, session: Session, host: str, port: int, seconds: float | None = None
) -> Session:
    """Another session with the key of ``session``, for media; on the loop.

    Raises ``ConnectionError`` if nothing was heard from there for ``seconds``. Without them, and
    where Telegram has refused its first call, it may be one that the library only promises to go on
    connecting, for ever.

    It is opened as the library's ``get_session`` does, but with the salt that the key has got
    already. Without one its first request is refused, which costs a round trip
    (https://core.telegram.org/mtproto/service_messages_about_messages#notice-of-ignored-error-message).
    """
    other = TellingSession(
        client, session.dc_id, host, port, session.auth_key, session.test_mode, is_media=True
    )
    other.salt = session.salt
    starting = asyncio.ensure_future(start(other))
    try:
        await asyncio.wait({starting}, timeout=seconds)
        may_be_promised = seconds is None or other.was_refused
        if may_be_promised or starting.done():
            await starting
        if may_be_promised or connected(other).is_set():
            return other
    finally:
        starting.cancel()
    await stop(other)
    raise ConnectionError(f"{host} cannot be reached")


# The client's sessions


async def session_for_calls(client: Client, dc_id: int, host: str, port: int) -> Session:
    """The one to this data centre, opened if there is none; it still has to be authorized.

    Raises ``RPCError``, ``OSError``, and other errors where no key can be agreed upon.
    """
    return await client.get_session(
        dc_id, server_address=host, port=port, export_authorization=False
    )


def forget_session_for_calls(client: Client, dc_id: int) -> None:
    client.sessions.pop(dc_id, None)


async def give_up_session_for_calls(client: Client, dc_id: int) -> None:
    """Close the one that could not be connected, if there is one."""
    session = client.sessions.pop(dc_id, None)
    if session is not None:
        await stop(session)


async def begin_anew(client: Client) -> None:
    """Replace the account's own session by one that has sent nothing yet."""
    await stop(_own(client))
    storage: Any = client.storage
    client.session = await client.get_session(
        server_address=await storage.server_address(),
        port=await storage.port(),
        export_authorization=False,
        temporary=True,
    )


async def home(client: Client) -> int:
    """The account's own data centre."""
    storage: Any = client.storage
    return int(await storage.dc_id())


def _own(client: Client) -> Session:
    if client.session is None:
        raise ConnectionError("the Telegram client is closed")
    return client.session


async def account_id(client: Client) -> int | None:
    """Whose session it is, where it says so itself."""
    storage: Any = client.storage
    return int(await storage.user_id() or 0) or None
