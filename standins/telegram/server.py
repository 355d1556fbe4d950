"""The stand-in as tests, demo and benchmarks use it: start, look, change, stop."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from pyrogram import raw

from ..shaping import Shaping
from .calls.updates import edited_message_update, new_message_update
from .connection import Connection
from .mtproto import socks
from .mtproto.auth_keys import AuthKey
from .mtproto.wire import TlObject
from .service.data_centres import data_centre_of_address
from .service.faults import Faults
from .service.logins import token_of_link
from .service.playback import Playback
from .service.service import Service
from .service.statistics import Statistics
from .service.takeout import Takeout
from .world.channel import Channel
from .world.world import World

API_ID = 1234567
API_HASH = "0123456789abcdef0123456789abcdef"
_SESSION_STRING_FORMAT = ">BI?256sQ?"
_Result = TypeVar("_Result")
INJECT_DIRECTORY = Path(__file__).parent / "inject"


class StandIn:
    """All of Telegram's data centres behind one SOCKS5 listener on 127.0.0.1.

    Runs in a thread of its own between `start` and `stop` (or as a context manager). Everything
    here may be called from any thread.
    """

    def __init__(
        self, world: World, shaping: Shaping | None = None, faults: Faults | None = None
    ) -> None:
        self._service = Service(world, faults or Faults(), shaping or Shaping())
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="telegram-stand-in", daemon=True)
        self._started: Future[int] = Future()
        self._stopping: asyncio.Event | None = None
        self._connections: set[Connection] = set()
        self._pool = ThreadPoolExecutor(
            max_workers=max(2, min(8, os.cpu_count() or 2)), thread_name_prefix="telegram-crypto"
        )

    def start(self) -> None:
        """Returns when clients can connect."""
        self._thread.start()
        self._started.result()
        self.world.on_append.append(self._tell_of)
        self.world.on_edit.append(self._tell_of_edit)

    def stop(self) -> None:
        """Breaks all connections; returns when the thread is gone."""
        if self._tell_of in self.world.on_append:
            self.world.on_append.remove(self._tell_of)
            self.world.on_edit.remove(self._tell_of_edit)
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._request_stop)
            self._thread.join()
        self._pool.shutdown()

    def __enter__(self) -> StandIn:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # What a client needs

    @property
    def port(self) -> int:
        return self._started.result()

    @property
    def proxy_url(self) -> str:
        return f"socks5://127.0.0.1:{self.port}"

    def new_auth_key(self, *, logged_in: bool = True) -> AuthKey:
        """An auth key of the home data centre, as after a key exchange (and a login)."""
        user_id = self.world.account.user_id if logged_in else None
        return self._service.auth_keys.create(self.world.home_dc_id, user_id=user_id)

    def session_string(self) -> str:
        """A pyrogram session string of its own key, logged in; each call makes another one."""
        return session_string(self.new_auth_key(), self.world.account.user_id)

    def environment(self) -> dict[str, str]:
        """For the environment of a program under test, over its own."""
        python_path = [str(INJECT_DIRECTORY)]
        if os.environ.get("PYTHONPATH"):
            python_path.append(os.environ["PYTHONPATH"])
        return {
            "TDL_SYNC_PROXY": self.proxy_url,
            "TDL_SYNC_SESSION_STRING": self.session_string(),
            "TDL_SYNC_API_ID": str(API_ID),
            "TDL_SYNC_API_HASH": API_HASH,
            "PYTHONPATH": os.pathsep.join(python_path),
        }

    # What tests look at and change

    @property
    def world(self) -> World:
        return self._service.world

    @property
    def faults(self) -> Faults:
        return self._service.faults

    def play(self, record: Path, speed: float = 1.0) -> Playback:
        """From now on answer as late, and with the errors, that a record of the real one holds
        (``scripts/acceptance.py --record``), in its order for each method; ``speed`` 10 takes a
        tenth of its time. What it does not hold is answered as ever."""
        self._service.playback = playback = Playback.read(record, speed)
        return playback

    @property
    def shaping(self) -> Shaping:
        return self._service.shaping

    @shaping.setter
    def shaping(self, shaping: Shaping) -> None:
        self._service.shaping = shaping

    @property
    def takeout(self) -> Takeout:
        return self._service.takeout

    @property
    def statistics(self) -> Statistics:
        return self._service.statistics

    @property
    def unknown_rpcs(self) -> list[str]:
        """Calls that the stand-in could not answer, by name; a test fails when there is one."""
        return self._service.unknown_rpcs()

    def drop_connections(self, which: Callable[[Connection], bool] = lambda _: True) -> int:
        """Break those connections now; how many there were."""
        return self._on_connections(which, Connection.drop)

    def stall_connections(self, which: Callable[[Connection], bool] = lambda _: True) -> int:
        """Let those connections stay open and never say anything more; how many there were."""
        return self._on_connections(which, Connection.stall)

    def silence_connections(
        self, seconds: float, which: Callable[[Connection], bool] = lambda _: True
    ) -> int:
        """Let those connections say nothing for so long, then all of it; how many there were."""
        return self._on_connections(which, lambda each: each.be_silent(seconds))

    def slow_connections(
        self, bytes_per_second: float, which: Callable[[Connection], bool] = lambda _: True
    ) -> int:
        """Let those connections send no more than that from now on; how many there were."""
        return self._on_connections(which, lambda each: each.slow_down(bytes_per_second))

    def accept_login_token(self, link: str) -> None:
        """Do what a phone does that scans the QR code with this `tg://login?token=...` link.

        The client that shows the code is told so, if it wants updates. ValueError for a token
        that is unknown or expired.
        """
        token = token_of_link(link)

        def accept() -> None:
            login = self._service.logins.tokens.get(token)
            if login is None or login.is_expired():
                raise ValueError("this login token is unknown or expired")
            login.accepted = True
            update = raw.types.UpdateShort(
                update=raw.types.UpdateLoginToken(), date=int(time.time())
            )
            for connection in self._connections:
                if connection.auth_key is login.auth_key:
                    connection.push(update)

        self._on_loop(accept)

    def rotate_salts(self) -> None:
        """Every client's server salt is out of date from now on."""
        for key in self._service.auth_keys:
            key.rotate_salt()

    def forget_auth_keys(
        self, which: Callable[[AuthKey], bool] = lambda _: True, *, drop: bool = True
    ) -> None:
        """These keys are unknown from now on: clients get a transport error -404, when they
        connect again or, where connections are not dropped, for the next thing that they send."""
        for key in self._service.auth_keys:
            if which(key):
                self._service.auth_keys.forget(key)
        if drop:
            self.drop_connections(lambda each: each.auth_key is None or which(each.auth_key))

    # The thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._stopping = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._started.set_result(server.sockets[0].getsockname()[1])
        await self._stopping.wait()
        server.close()
        for connection in list(self._connections):
            connection.drop()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        plain_socket = writer.get_extra_info("socket")
        plain_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await self._serve_client(reader, writer)
        except (EOFError, OSError, ValueError, socks.SocksError):
            pass
        except asyncio.CancelledError:
            pass  # only `stop` cancels, and asyncio's server would print a traceback for it
        finally:
            writer.close()

    async def _serve_client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        host, _ = await socks.read_destination(reader, writer)
        dc_id = data_centre_of_address(host)
        await asyncio.sleep(self.shaping.round_trip_seconds)
        if dc_id is None:
            self._service.report_unknown(f"connection to {host}, no data centre of Telegram")
        if host in self.faults.silent_addresses:
            await reader.read()  # until the client gives up
            return
        if dc_id is None or self.faults.network_down or host in self.faults.refused_addresses:
            socks.refuse(writer)
            return
        socks.accept(writer)
        number = self.statistics.connection_opened()
        connection = Connection(self._service, self._pool, reader, writer, dc_id, number)
        self._connections.add(connection)
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)
            self.statistics.connection_closed()

    def _request_stop(self) -> None:
        if self._stopping is not None:
            self._stopping.set()

    def _tell_of(self, channel: Channel, message_id: int, by: object) -> None:
        """Somebody posted: tell every client that wants updates, but not the one that did it."""
        self._tell(lambda: new_message_update(self._service, channel, message_id), by)

    def _tell_of_edit(self, channel: Channel, message_id: int, by: object) -> None:
        """The same of a message that was edited."""
        self._tell(lambda: edited_message_update(self._service, channel, message_id), by)

    def _tell(self, make: Callable[[], TlObject | None], by: object) -> None:
        def tell() -> None:
            update = make()
            if update is None or self.faults.updates_lost:
                return
            for connection in self._connections:
                if connection.is_logged_in and connection.push(update, by):
                    self.statistics.update_sent()

        self._loop.call_soon_threadsafe(tell)

    def _on_connections(
        self, which: Callable[[Connection], bool], act: Callable[[Connection], None]
    ) -> int:
        def on_loop() -> int:
            chosen = [connection for connection in self._connections if which(connection)]
            for connection in chosen:
                act(connection)
            return len(chosen)

        return self._on_loop(on_loop)

    def _on_loop(self, work: Callable[[], _Result]) -> _Result:
        done: Future[_Result] = Future()

        def run() -> None:
            try:
                done.set_result(work())
            except ValueError as error:
                done.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return done.result()


def session_string(auth_key: AuthKey, user_id: int) -> str:
    """pyrogram's own format of a logged-in key."""
    packed = struct.pack(
        _SESSION_STRING_FORMAT, auth_key.dc_id, API_ID, False, auth_key.key, user_id, False
    )
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")
