"""The one Telegram session: starting, stopping, and calls that wait as long as they are told."""

from __future__ import annotations

import asyncio
import importlib.util
import math
import struct
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any, TypeVar

from pyrogram import raw
from pyrogram.errors import AuthKeyDuplicated, RPCError, Unauthorized
from pyrogram.raw.core import TLObject

from tdl_sync.core.errors import ConfigurationError, CredentialsRefused, Stopped, TdlSyncError
from tdl_sync.core.ports import OnNews
from tdl_sync.core.program import PROGRAM, VERSION
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.credentials import SESSION_NAME, TelegramSettings
from tdl_sync.telegram.session import clock, library
from tdl_sync.telegram.session.answers import (
    LOG_IN_AGAIN,
    SESSION_ENDED,
    error_name,
    flood_wait_seconds,
    session_refused,
    translated,
    translating,
)
from tdl_sync.telegram.session.event_loop import EventLoopThread
from tdl_sync.telegram.session.keys import Keys, KeyUnknown
from tdl_sync.telegram.session.library import (
    AuthKeyNotFound,
    Client,
    Connection,
    Session,
    SteadyClient,
)
from tdl_sync.telegram.session.network import Network, first_of
from tdl_sync.telegram.session.refusals import Concern, concern_of, connection_refused
from tdl_sync.telegram.session.transport import PromptTCP, watched_connection
from tdl_sync.telegram.session.tries import Tries, passes
from tdl_sync.telegram.session.unnamed_errors import Answers
from tdl_sync.telegram.session.updates import chats_with_news, edited_messages

ANY_API_ID = 1
START_SECONDS = 60.0
SILENCE_SECONDS = 5.0
"""Who starts a program and hears nothing for longer does not know whether it does anything."""

PAUSE_AFTER_REFUSAL_SECONDS = 1.0
CALL_SECONDS = 20.0
CONNECTING_SECONDS = 30.0
CONNECTING_POLL_SECONDS = 0.5
STOP_SECONDS = 5.0
STOP_POLL_SECONDS = 0.2
BESIDE_SECONDS = 1.0
"""What nobody waited for so far has so long until the client is closed."""

Answer = TypeVar("Answer")
OnWait = Callable[[str, str, datetime], None]
"""Told what waits, why, and until when (local time)."""

library.use_telling_sessions(Answers)


class TelegramClient:
    """Owns the Pyrogram client, which lives on the loop. Worker threads use ``call``."""

    def __init__(
        self,
        loop: EventLoopThread,
        settings: TelegramSettings,
        stop: StopFlag,
        on_wait: OnWait,
        on_line: Callable[[str], None],
        on_news: OnNews | None = None,
    ) -> None:
        """``on_line`` is told what the user should know: that the network went, and is back.

        Without ``on_news`` Telegram is asked to send no updates.
        """
        self.loop = loop
        self._stop_flag = stop
        self.on_wait = on_wait
        self._settings = settings
        self._client: Client | None = None
        self.keys = Keys()
        self._answered_at = time.monotonic()
        self._stopping = asyncio.Event()
        self.network = Network(self._stopping, on_line)
        self._on_line = on_line
        self._on_news = on_news
        self.sessions: set[Session] = set()
        self._account_id: int | None = None
        self._asking_account: Future[None] | None = None
        self._beside: set[Future[Any]] = set()
        self._refused = asyncio.Event()
        self._refusal: RPCError | None = None
        self._said_refusals: set[str] = set()

    @property
    def client(self) -> Client:
        if self._client is None:
            raise RuntimeError("the Telegram client was not started")
        return self._client

    @property
    def account_id(self) -> int:
        if self._account_id is None:
            raise RuntimeError("the Telegram client was not started")
        return self._account_id

    @property
    def quiet_seconds(self) -> float:
        """How long ago an answer has shown that Telegram still accepts the session."""
        return time.monotonic() - self._answered_at

    def start(
        self, check: Callable[[], None] | None = None, *, account_beside: bool = False
    ) -> None:
        """Connect with the saved session. Blocks; any thread but the loop's.

        What ``check`` raises, which is called a few times a second, ends the wait; then ``stop``
        the loop. By default that is the end of the run.

        Telegram is asked whether the session still counts, and whose it is. With
        ``account_beside`` that is not waited for where the session itself names the account: then
        ``check_account`` before anything is believed or done.

        Raises ``CredentialsRefused`` (no session, ended session), ``NetworkUnreachable`` or
        ``ConfigurationError`` (a session string that is none).
        """
        if self._settings.session_string is None and not self._settings.session_path.exists():
            raise CredentialsRefused(
                "Telegram",
                f"there is no session yet (looked for TDL_SYNC_SESSION_STRING and for "
                f"{self._settings.session_path})",
                f"Please {LOG_IN_AGAIN.replace(' again', '')}",
            )
        if importlib.util.find_spec("tgcrypto") is None:
            raise ConfigurationError(
                "the module tgcrypto is missing, and without it decryption runs at 0.4 MB/s; "
                "install it: python3 -m pip install tgcrypto-pyrofork"
            )
        check = check or self._stop_flag.check
        self._result(self.loop.submit(self._start), check)
        self._asking_account = self.loop.submit(self._ask_account)
        if not account_beside or self._account_id is None:
            self._result(self._asking_account, check)
        # Once for all waits: a wake-up for each flood wait would pile up over a long run.
        self._stop_flag.on_set(lambda: self.loop.wake(self._stopping))

    def check_account(self) -> None:
        """Wait until Telegram has said that the session counts. Raises as ``start``, and
        ``Stopped``."""
        if self._asking_account is not None:
            self._result(self._asking_account, self._stop_flag.check)

    def stop(self) -> None:
        """Disconnect. Never raises for a network that is gone."""
        wait(tuple(self._beside), BESIDE_SECONDS)
        if self._client is not None and self._client.is_connected:
            self.loop.call(self._stop)

    async def make_client(self, no_updates: bool) -> Client:
        """Make the library's client, on the loop, as it must be."""
        asyncio.get_running_loop().set_exception_handler(_unless_it_is_told_otherwise)
        self._client = SteadyClient(
            SESSION_NAME,
            api_id=self._settings.api_id or ANY_API_ID,
            api_hash=self._settings.api_hash or "0" * 32,
            app_version=f"tdl_sync {VERSION}",
            proxy=self._settings.library_proxy,
            session_string=self._settings.session_string,
            workdir=self._settings.session_directory,
            no_updates=no_updates,
            sleep_threshold=0,
            connection_factory=watched_connection(self.network, self.keys, self._connection_ended),
            protocol_factory=PromptTCP,
            loop=asyncio.get_running_loop(),
            on_updates=self._tell_news if self._on_news else None,
        )
        self._client.on_connection_refused = self._connection_refused
        return self._client

    def _tell_news(self, updates: Any) -> None:
        assert self._on_news is not None
        for chat_id in chats_with_news(updates):
            self._on_news(chat_id)
        for chat_id, message_id in edited_messages(updates):
            self._on_news(chat_id, message_id)

    async def _start(self) -> None:
        try:
            client = await self.make_client(no_updates=self._on_news is None)
            await self.guarded(self._connect(client), "connecting", START_SECONDS)
        except struct.error:
            raise ConfigurationError(
                "TDL_SYNC_SESSION_STRING is not a session string: copy it whole from "
                f"{PROGRAM} login --print-session"
            ) from None

        self.network.watch()
        if (warning := clock.warning(client)) is not None:
            self._on_line(warning)
        self._account_id = await library.account_id(client)

    async def _ask_account(self) -> None:
        own_account = raw.functions.users.GetUsers(id=[raw.types.InputUserSelf()])
        with translating("connecting"):
            users: Any = await self.invoke(own_account, "connecting")
        self._account_id = int(users[0].id)

    async def _connect(self, client: Client) -> None:
        authorized = await client.connect()
        if not authorized:
            raise session_refused("it was never logged in")
        self.keys.home_is(await library.home(client))
        await clock.keep_telegrams(client)
        session: Any = client.session
        # Without a network the library only promises to go on trying.
        await library.connected(session).wait()

    async def guarded(self, work: Any, doing: str, seconds: float) -> None:
        """Run ``work`` until it is done, takes too long, or Telegram refuses us for good: disowns
        our key, or does not take the connection.

        The library reports neither to anybody and connects again for ever.
        """
        task = asyncio.ensure_future(work)
        disowned = asyncio.ensure_future(self.keys.session_unknown.wait())
        refused = asyncio.ensure_future(self._refused.wait())
        ends: tuple[asyncio.Future[Any], ...] = (task, disowned, refused)
        try:
            done, _ = await asyncio.wait(
                ends, timeout=SILENCE_SECONDS, return_when="FIRST_COMPLETED"
            )
            if not done:
                self._say_silence(doing, seconds)
                left_seconds = seconds - SILENCE_SECONDS
                await asyncio.wait(ends, timeout=left_seconds, return_when="FIRST_COMPLETED")
            if task.done():
                await task
            elif disowned.done():
                raise session_refused("it does not know its key")
            elif self._refusal is not None and refused.done():
                raise connection_refused(self._refusal)
            else:
                raise TimeoutError
        except (RPCError, OSError, asyncio.TimeoutError) as error:
            raise translated(error, doing) from error
        finally:
            for waiting in ends:
                waiting.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

    def _say_silence(self, doing: str, seconds: float) -> None:
        if not self._said_refusals:  # that was an answer
            self._on_line(
                f"Telegram has not answered for {SILENCE_SECONDS:.0f} s ({doing}); it is waited "
                f"for {seconds:.0f} s in all"
            )

    async def _connection_refused(self, error: RPCError, for_files: bool) -> None:
        """Say it, and wait a little: the library would try again at once. Without a connection
        for files there may be another; without the other there is nothing."""
        concern, name = concern_of(error), error_name(error)
        if concern is Concern.SESSION:
            return  # the library raises it
        if name not in self._said_refusals:
            self._said_refusals.add(name)
            self._on_line(f"warning: Telegram refuses the connection ({name})")
        seconds = flood_wait_seconds(error) or 0
        passes = concern in (Concern.WAIT, Concern.PASSING) and seconds < START_SECONDS
        if not passes and not for_files:
            self._refusal = error
            self._refused.set()
        await first_of(self._stopping, seconds=max(seconds, PAUSE_AFTER_REFUSAL_SECONDS))

    async def _stop(self) -> None:
        await asyncio.gather(*(self.close(session) for session in tuple(self.sessions)))
        await _within(self.client.disconnect())

    async def close(self, session: Session) -> None:
        """Close one of ``sessions``, on the loop."""
        await _within(library.stop(session))
        self.sessions.discard(session)

    def _connection_ended(self, connection: Connection) -> None:
        """Fail at once what a dead connection owes, instead of after the library's time-out.

        Each request then sees an answer of ``None``, which the library takes for a time-out and
        which our callers send again on a living connection.
        """
        for session in (*self.sessions, getattr(self._client, "session", None)):
            library.fail_what_is_owed(session, connection)

    def call(
        self, query: TLObject[Answer], doing: str, longest_wait_seconds: float = math.inf
    ) -> Answer:
        """Send one request from a worker thread; blocks for the answer.

        Flood waits are waited for, exactly as long as asked, and a network that is gone until it
        is back. Raises ``RPCError`` for what Telegram refuses, and for a flood wait that is longer
        than it may be; translated errors for the rest (``translated``), and ``Stopped`` as soon as
        the run stops.
        """
        answer = self.loop.submit(self.invoke, query, doing, longest_wait_seconds)
        return self._result(answer, self._stop_flag.check)

    def call_all(self, queries: Sequence[TLObject[Answer]], doing: str) -> list[Answer]:
        """The same with several at once; the answers are in the order of the requests."""
        answers = [self.loop.submit(self.invoke, query, doing) for query in queries]
        return [self._result(answer, self._stop_flag.check) for answer in answers]

    def call_if_there(self, query: TLObject[Answer], doing: str) -> Answer:
        """The same for what can also be done elsewhere, and what a stopping run still does: a
        network that is gone is ``NetworkUnreachable``, at once."""
        return self._result(self.loop.submit(self._invoke_if_there, query, doing), None)

    def call_beside(self, query: TLObject[Any], doing: str) -> None:
        """Send one request of which nobody needs the answer, and return at once. That it was
        refused is told in a line."""
        asking = self.loop.submit(self._invoke_if_there, query, doing)
        self._beside.add(asking)
        asking.add_done_callback(partial(self._beside_ended, doing))

    def _beside_ended(self, doing: str, asking: Future[Any]) -> None:
        self._beside.discard(asking)
        error = None if asking.cancelled() else asking.exception()
        if isinstance(error, SESSION_ENDED):
            return  # those who need an answer say so
        if isinstance(error, RPCError):
            self._on_line(f"warning: {doing} was refused ({error_name(error)})")
        elif error is not None and not isinstance(error, TdlSyncError):
            raise error

    def _result(self, answer: Future[Answer], check: Callable[[], None] | None) -> Answer:
        while True:
            try:
                return answer.result(None if check is None else STOP_POLL_SECONDS)
            except FutureTimeoutError:
                if answer.done():  # the answer is an error of this very class
                    return answer.result()
                if check is not None:
                    check()
            except CancelledError:
                raise Stopped("the loop has ended") from None

    async def _invoke_if_there(self, query: TLObject[Answer], doing: str) -> Answer:
        asking = asyncio.ensure_future(self.invoke(query, doing))
        gone = asyncio.ensure_future(self.network.gone.wait())
        try:
            await asyncio.wait({asking, gone}, return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                return await asking
            raise translated(ConnectionError(), doing)
        finally:
            for waiting in (asking, gone):
                waiting.cancel()

    async def invoke(
        self, query: TLObject[Answer], doing: str, longest_wait_seconds: float = math.inf
    ) -> Answer:
        """The same as ``call``, on the loop."""
        tries = Tries(self.network)
        # A call that is not wrapped subscribes its connection, so after each new connection the
        # next call does: https://core.telegram.org/api/updates#subscribing-to-updates
        listening = self._on_news is not None
        request = query if listening else raw.functions.InvokeWithoutUpdates(query=query)
        while True:
            try:
                session: Any = self.client.session
                if session is None:
                    raise Stopped("the Telegram client is closed")
                answer: Answer = await self.ask(session, request, CALL_SECONDS)
                return answer
            except (RPCError, OSError) as error:
                try:
                    await self._mend(error, doing, tries, longest_wait_seconds)
                except OSError as last:
                    raise translated(last, doing) from last

    async def _mend(
        self, error: RPCError | OSError, doing: str, tries: Tries, longest_wait_seconds: float
    ) -> None:
        """Wait for what makes another try worth while, or raise the error."""
        seconds = flood_wait_seconds(error)
        if seconds is not None:
            if seconds > longest_wait_seconds:
                raise error
            await self.wait_as_told(doing, seconds)
        elif passes(error):
            await tries.another(error)
        else:
            raise error

    async def ask(self, session: Session, query: TLObject[Any], seconds: float) -> Any:
        """Send one request over one session, once, on the loop.

        Raises ``RPCError`` for Telegram's refusals, its passing ones too, ``OSError`` where no
        answer came, ``CredentialsRefused`` and ``Stopped``. The library's own ``invoke`` would
        hide the passing refusals behind a ``TimeoutError``.
        """
        await self.network.wait()
        await self._connected(session)
        sent = asyncio.ensure_future(library.send(session, query, seconds))
        # Whoever gives up waiting does not end it: the library would keep the answer, when it
        # comes, for as long as the session lives.
        sent.add_done_callback(lambda task: task.cancelled() or task.exception())
        answer = await asyncio.shield(sent)
        if isinstance(answer, raw.types.BadMsgNotification):
            raise ConnectionError(f"Telegram did not take the message ({answer.error_code})")
        if self.keys.is_home(library.data_centre(session)):
            self._answered_at = time.monotonic()
        return answer

    def received_bytes(self, session: Session) -> int:
        """As many have come over its connection so far, of answers that are not whole, too."""
        return library.received_bytes(session)

    async def _connected(self, session: Session) -> None:
        """Wait until the session has a connection. Raises what ended the session, or ``OSError``
        where it takes too long or has to be another session."""
        deadline = time.monotonic() + CONNECTING_SECONDS
        dc_id, connected = library.data_centre(session), library.connected(session)
        unknown = self.keys.unknown(dc_id)
        while unknown.is_set() or not connected.is_set():
            if self.keys.session_unknown.is_set():
                raise session_refused("it does not know its key any more")
            if self._refusal is not None and session is self.client.session:
                raise connection_refused(self._refusal)
            if unknown.is_set():
                raise KeyUnknown(f"data centre {dc_id} does not know its key any more")
            if library.was_given_up(session):
                await library.start(session)  # the error that nobody saw comes again here
            await first_of(
                connected,
                unknown,
                self.network.gone,
                self._stopping,
                seconds=CONNECTING_POLL_SECONDS,
            )
            given_up = self.network.gone.is_set() or self._stopping.is_set()
            if not connected.is_set() and (given_up or time.monotonic() > deadline):
                raise ConnectionError("the connection was not opened in time")

    def pause(self, seconds: float) -> None:
        """Sleep, in a worker thread. Raises ``Stopped`` as soon as the run stops."""
        self._stop_flag.sleep(seconds)

    async def wait_as_told(self, doing: str, seconds: int) -> None:
        """Wait out a flood wait, on the loop, with one line for the user. Raises ``Stopped``."""
        self.say_pause(doing, seconds)
        await self.sleep(seconds)

    def say_pause(self, doing: str, seconds: int) -> None:
        """The line alone, for who waits by itself."""
        until = datetime.now(timezone.utc).astimezone() + timedelta(seconds=seconds)
        self.on_wait(doing, f"Telegram asks for a pause of {seconds} s", until)

    def say(self, line: str) -> None:
        """One line for the user; on the loop."""
        self._on_line(line)

    async def sleep(self, seconds: float) -> None:
        """Sleep, on the loop. Raises ``Stopped`` as soon as the run stops."""
        await first_of(self._stopping, seconds=seconds)
        if self._stopping.is_set():
            raise Stopped("the run is stopping")


_TOLD_OTHERWISE = (AuthKeyNotFound, AuthKeyDuplicated, Unauthorized)


def _unless_it_is_told_otherwise(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Report an error that nobody awaited, as asyncio does, but for one that ``guarded`` and
    ``invoke`` tell the user of: the library's task ends with it, and it would be a traceback."""
    if not isinstance(context.get("exception"), _TOLD_OTHERWISE):
        loop.default_exception_handler(context)


async def _within(closing: Any) -> None:
    """Wait for something to close, but not for a network that is gone, nor for a session whose
    reader the library has let die of an unknown key."""
    try:
        await asyncio.wait_for(closing, STOP_SECONDS)
    except (asyncio.TimeoutError, OSError, AuthKeyNotFound):
        return
