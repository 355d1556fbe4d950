"""A session that Telegram has ended is told apart from a key that a data centre has lost: the one
ends the run at once, whatever is under way, the other costs another key."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest
from pyrogram import raw

from standins.telegram.mtproto.auth_keys import AuthKey
from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from standins.telegram.world.world import World
from tdl_sync.core.errors import CredentialsRefused, DownloadFailed, SessionEnded
from tdl_sync.core.model import MediaItem
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.telegram.files.parts import TelegramPartSource
from tdl_sync.telegram.session import session_watch
from tests.connected import ConnectedTelegram, ConnectTelegram
from tests.fakes.from_world import messages_of, record_in
from tests.waiting import finished, in_thread, result_of, until

FOREIGN_DC_ID = 4
GET_FILE = "upload.GetFile"
GET_USERS = "users.GetUsers"


@pytest.fixture
def world() -> World:
    return worlds.files(sizes=[6 * PART_BYTES], dc_id=FOREIGN_DC_ID)


@pytest.fixture
def telegram(
    world: World, connect_telegram: ConnectTelegram, monkeypatch: pytest.MonkeyPatch
) -> ConnectedTelegram:
    monkeypatch.setattr("tdl_sync.telegram.session.tries.FIRST_PAUSE_SECONDS", 0.01)
    # What must not be waited for lasts longer than the patience of a test.
    monkeypatch.setattr("tdl_sync.telegram.session.client.CONNECTING_SECONDS", 3600.0)
    connected = connect_telegram(world)
    assert connected.chat
    return connected


@pytest.fixture
def parts(telegram: ConnectedTelegram) -> TelegramPartSource:
    return TelegramPartSource(telegram.client, telegram.reader, connections=3)


def item_of(world: World) -> MediaItem:
    return next(entry for entry in messages_of(world).values() if isinstance(entry, MediaItem))


def is_foreign(key: AuthKey) -> bool:
    return key.dc_id == FOREIGN_DC_ID


def assert_served(parts: TelegramPartSource, world: World) -> None:
    item = item_of(world)
    offsets = range(0, item.size_bytes, PART_BYTES)
    asked = {offset: parts.fetch_part(item, offset, PART_BYTES) for offset in offsets}
    for offset, part in asked.items():
        assert result_of(part) == record_in(world, item).read(offset, PART_BYTES)


# --- a key of another data centre ---------------------------------------------------------------


@pytest.mark.parametrize("drop", [True, False], ids=["dropped", "not dropped"])
def test_a_data_centre_that_forgets_its_key_gets_another_one(
    drop: bool, telegram: ConnectedTelegram, parts: TelegramPartSource, world: World
) -> None:
    assert_served(parts, world)
    for exchanges in (1, 2):
        assert telegram.standin.statistics.counts().key_exchanges >= exchanges
        telegram.standin.forget_auth_keys(is_foreign, drop=drop)
        assert_served(parts, world)
    assert finished(lambda: telegram.reader.newest_message_id(telegram.chat)) == 1
    assert telegram.lines == []


def test_a_data_centre_that_forgets_our_rights_gives_them_to_another_key(
    telegram: ConnectedTelegram, parts: TelegramPartSource, world: World
) -> None:
    telegram.standin.faults.add(Fault("auth_key_unregistered", rpc=GET_FILE, times=2))
    assert_served(parts, world)
    assert telegram.standin.statistics.counts().key_exchanges > 1


def test_a_data_centre_that_never_gives_our_rights_back_is_no_ended_session(
    telegram: ConnectedTelegram, parts: TelegramPartSource, world: World
) -> None:
    telegram.standin.faults.add(Fault("session_revoked", rpc=GET_FILE, times=None))
    with pytest.raises(DownloadFailed, match="5 tries for one part, at last: SESSION_REVOKED"):
        result_of(parts.fetch_part(item_of(world), 0, PART_BYTES))


def test_a_lost_authorization_on_the_way_to_another_data_centre_is_made_again(
    telegram: ConnectedTelegram, parts: TelegramPartSource, world: World
) -> None:
    rpc = "auth.ImportAuthorization"
    telegram.standin.faults.add(Fault("drop", rpc=rpc))
    telegram.standin.faults.add(Fault("error", rpc=rpc, code=400, text="AUTH_BYTES_INVALID"))
    assert_served(parts, world)


# --- the account's own session ------------------------------------------------------------------


@pytest.mark.parametrize("drop", [True, False], ids=["dropped", "not dropped"])
def test_a_forgotten_session_fails_all_that_is_under_way_at_once(
    drop: bool, telegram: ConnectedTelegram, parts: TelegramPartSource, world: World
) -> None:
    """Calls and parts that wait for their answers, and those that wait for a connection."""
    assert_served(parts, world)
    item = item_of(world)
    for rpc in (GET_FILE, "messages.GetHistory"):
        telegram.standin.faults.add(Fault("no_answer", rpc=rpc, times=None))
    reading = in_thread(lambda: telegram.reader.newest_message_id(telegram.chat))
    asked = [parts.fetch_part(item, index * PART_BYTES, PART_BYTES) for index in range(6)]
    strikes = telegram.standin.faults.strikes
    until(lambda: all(struck for _, struck in strikes()))
    telegram.standin.forget_auth_keys(drop=drop)
    later = in_thread(lambda: telegram.reader.fetch(telegram.chat, [1]))
    under_way: list[Future[Any]] = [reading, later, *asked]
    for waiting in under_way:
        with pytest.raises(SessionEnded, match="it does not know its key any more"):
            result_of(waiting)


def test_what_is_sent_when_the_end_has_been_told_is_not_waited_for(
    telegram: ConnectedTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection has told whom it owes an answer that there will be none: not the one who was
    about to ask."""
    monkeypatch.setattr("tdl_sync.telegram.session.client.CALL_SECONDS", 3600.0)
    session: Any = telegram.client.client.session
    create = session.msg_factory.create

    async def create_late(query: Any) -> Any:
        if isinstance(query, raw.functions.InvokeWithoutUpdates):
            telegram.standin.forget_auth_keys(drop=False)
            await session.connection.send(b"a packet of no key of ours..")
            await telegram.client.keys.session_unknown.wait()
        return await create(query)

    monkeypatch.setattr(session.msg_factory, "create", create_late)
    with pytest.raises(SessionEnded, match="it does not know its key any more"):
        finished(lambda: telegram.reader.newest_message_id(telegram.chat))


def test_an_ended_session_is_said_where_another_data_centre_is_to_be_reached(
    telegram: ConnectedTelegram, parts: TelegramPartSource, world: World
) -> None:
    telegram.standin.faults.add(
        Fault("session_revoked", rpc="auth.ExportAuthorization", times=None)
    )
    with pytest.raises(SessionEnded, match="SESSION_REVOKED"):
        result_of(parts.fetch_part(item_of(world), 0, PART_BYTES))


# --- the watch ----------------------------------------------------------------------------------


@pytest.fixture
def watched(telegram: ConnectedTelegram, monkeypatch: pytest.MonkeyPatch) -> ConnectedTelegram:
    monkeypatch.setattr(session_watch, "QUIET_SECONDS", 0.05)
    session_watch.watch_session(telegram.client, telegram.stop)
    return telegram


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (401, "AUTH_KEY_UNREGISTERED"),
        (401, "SESSION_REVOKED"),
        (401, "NEW_REASON"),
        (406, "AUTH_KEY_DUPLICATED"),
    ],
)
def test_a_session_that_ends_while_nothing_is_asked_for_stops_the_run(
    code: int, text: str, watched: ConnectedTelegram
) -> None:
    watched.standin.faults.add(Fault("error", code=code, text=text, times=None))
    until(lambda: watched.stop.is_set)
    assert isinstance(watched.stop.cause, CredentialsRefused)
    assert text in str(watched.stop.cause)


def test_an_account_that_is_closed_is_said_to_be(watched: ConnectedTelegram) -> None:
    watched.standin.faults.add(Fault("error", code=401, text="USER_DEACTIVATED_BAN", times=None))
    until(lambda: watched.stop.is_set)
    assert str(watched.stop.cause) == (
        "Telegram: it has closed this account (USER_DEACTIVATED_BAN). Its own app says why; "
        "with another account: tdl_sync.py login"
    )


def test_a_key_that_is_forgotten_while_nothing_is_asked_for_stops_the_run(
    watched: ConnectedTelegram,
) -> None:
    watched.standin.forget_auth_keys(drop=False)
    until(lambda: watched.stop.is_set)
    assert isinstance(watched.stop.cause, SessionEnded)


def test_what_passes_is_no_ended_session(watched: ConnectedTelegram) -> None:
    troubles = (
        Fault("internal_error", rpc=GET_USERS, times=6),
        Fault("drop", rpc=GET_USERS, times=2),
        Fault("error", rpc=GET_USERS, code=400, text="USER_ID_INVALID", times=2),
        Fault("flood_wait", rpc=GET_USERS, seconds=1),
    )
    watched.standin.faults.add(*troubles)
    strikes = watched.standin.faults.strikes
    until(lambda: all(struck == fault.times for fault, struck in strikes()))
    asked = watched.standin.statistics.counts().calls[GET_USERS]
    until(lambda: watched.standin.statistics.counts().calls[GET_USERS] > asked)
    assert not watched.stop.is_set
