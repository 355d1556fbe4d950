"""What Telegram and the network do now and then costs a call time, and never its meaning."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from pyrogram.session import Session

from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from standins.telegram.world.world import World
from tdl_sync.core.errors import (
    CredentialsRefused,
    NetworkUnreachable,
    RefusedByTelegram,
    Stopped,
    TdlSyncError,
)
from tdl_sync.core.model import MediaItem
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.telegram.files.parts import TelegramPartSource
from tdl_sync.telegram.messages.saved_messages import TelegramSavedMessages
from tests.connected import ConnectedTelegram, ConnectTelegram
from tests.fakes.from_world import messages_of, record_in
from tests.waiting import finished, in_thread, result_of, until

GET_FILE = "upload.GetFile"
HISTORY = "messages.GetHistory"


@pytest.fixture
def world() -> World:
    return worlds.files(sizes=[3 * PART_BYTES, 1000])


@pytest.fixture
def telegram(
    world: World,
    connect_telegram: ConnectTelegram,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> ConnectedTelegram:
    """In a working directory that is empty and stays so; with short rests."""
    monkeypatch.setattr("tdl_sync.telegram.session.network.REST_SECONDS", 0.2)
    monkeypatch.setattr("tdl_sync.telegram.session.tries.FIRST_PAUSE_SECONDS", 0.01)
    directory = tmp_path / "working directory"
    directory.mkdir()
    monkeypatch.chdir(directory)
    connected = connect_telegram(world)
    assert connected.chat
    return connected


@pytest.fixture
def parts(telegram: ConnectedTelegram) -> TelegramPartSource:
    return TelegramPartSource(telegram.client, telegram.reader, connections=2)


def first_item(world: World) -> MediaItem:
    return next(entry for entry in messages_of(world).values() if isinstance(entry, MediaItem))


def cut_off(telegram: ConnectedTelegram) -> None:
    telegram.standin.faults.network_down = True
    telegram.standin.drop_connections()


# --- errors that the library has no name for ----------------------------------------------------


def test_a_refusal_without_a_name_is_told_in_telegrams_words_and_written_nowhere(
    telegram: ConnectedTelegram, parts: TelegramPartSource, world: World
) -> None:
    """The library would write it into the working directory."""
    telegram.standin.faults.add(Fault("error", rpc=GET_FILE, code=400, text="NEW_REFUSAL_7"))
    with pytest.raises(RefusedByTelegram, match="NEW_REFUSAL_7"):
        result_of(parts.fetch_part(first_item(world), 0, PART_BYTES))
    telegram.standin.faults.add(Fault("error", rpc=HISTORY, code=403, text="NEW_REFUSAL"))
    with pytest.raises(TdlSyncError, match="NEW_REFUSAL"):
        telegram.reader.newest_message_id(telegram.chat)
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize(("code", "text"), [(500, "NEW_TROUBLE"), (-503, "NEW_TROUBLE")])
def test_a_trouble_of_telegrams_own_passes_with_a_name_or_without(
    code: int, text: str, telegram: ConnectedTelegram, parts: TelegramPartSource, world: World
) -> None:
    item = first_item(world)
    for rpc in (GET_FILE, HISTORY):
        telegram.standin.faults.add(Fault("error", rpc=rpc, code=code, text=text, times=3))
    part = result_of(parts.fetch_part(item, 0, PART_BYTES))
    assert part == record_in(world, item).read(0, PART_BYTES)
    assert finished(lambda: telegram.reader.newest_message_id(telegram.chat)) == 2
    assert [struck for _, struck in telegram.standin.faults.strikes()] == [3, 3]
    assert list(Path.cwd().iterdir()) == []


def test_a_wait_without_a_name_is_waited_for_too(telegram: ConnectedTelegram) -> None:
    telegram.standin.faults.add(Fault("error", rpc=HISTORY, code=420, text="NEW_KIND_WAIT_1"))
    assert finished(lambda: telegram.reader.newest_message_id(telegram.chat)) == 2
    assert telegram.waits == [("reading the chat", "Telegram asks for a pause of 1 s")]


def test_an_ended_session_is_said_also_when_a_connection_is_opened_again(
    telegram: ConnectedTelegram,
) -> None:
    """The library ends its attempts to connect with an error that it shows to nobody."""
    telegram.standin.faults.add(
        Fault("auth_key_duplicated", rpc="help.GetConfig", times=None),
    )
    telegram.standin.drop_connections()
    with pytest.raises(CredentialsRefused, match="AUTH_KEY_DUPLICATED"):
        finished(lambda: telegram.reader.newest_message_id(telegram.chat))


# --- a network that goes away -------------------------------------------------------------------


def test_reading_and_parts_wait_for_the_network_however_often_it_goes(
    telegram: ConnectedTelegram, parts: TelegramPartSource, world: World
) -> None:
    item = first_item(world)
    for outage in range(1, 3):
        cut_off(telegram)
        reading = in_thread(lambda: telegram.reader.newest_message_id(telegram.chat))
        asked = {
            offset: parts.fetch_part(item, offset, PART_BYTES)
            for offset in range(0, item.size_bytes, PART_BYTES)
        }
        until(lambda said=2 * outage - 1: len(telegram.lines) == said)  # type: ignore[misc]
        assert not reading.done()
        telegram.standin.faults.network_down = False
        assert result_of(reading) == 2
        for offset, part in asked.items():
            assert result_of(part) == record_in(world, item).read(offset, PART_BYTES)
        until(lambda said=2 * outage: len(telegram.lines) == said)  # type: ignore[misc]
    gone, back, *again = telegram.lines
    assert gone.startswith("warning: the network is gone: no connection to Telegram can be opened;")
    assert back.startswith("the network is back after ")
    assert [line.removeprefix("warning: ").split(":")[0].split(" after")[0] for line in again] == [
        "the network is gone",
        "the network is back",
    ]


def test_a_save_does_not_wait_for_the_network(telegram: ConnectedTelegram) -> None:
    saved = TelegramSavedMessages(telegram.client)
    message = saved.send_pinned("a note")
    cut_off(telegram)
    with pytest.raises(NetworkUnreachable):
        finished(lambda: saved.edit(message.message_id, "another note"))
    with pytest.raises(NetworkUnreachable):
        finished(lambda: saved.send_pinned("another note"))
    telegram.standin.faults.network_down = False
    until(lambda: len(telegram.lines) == 2)
    assert finished(lambda: saved.edit(message.message_id, "a third note"))


def test_a_stop_ends_the_wait_for_the_network(
    telegram: ConnectedTelegram, parts: TelegramPartSource, world: World
) -> None:
    cut_off(telegram)
    reading = in_thread(lambda: telegram.reader.newest_message_id(telegram.chat))
    part = parts.fetch_part(first_item(world), 0, PART_BYTES)
    until(lambda: telegram.lines != [])
    telegram.stop.set()
    waiting: tuple[Future[Any], ...] = (reading, part)
    for future in waiting:
        with pytest.raises(Stopped):
            result_of(future)


def test_one_connection_that_breaks_is_not_the_network(
    telegram: ConnectedTelegram, parts: TelegramPartSource, world: World
) -> None:
    item = first_item(world)
    result_of(parts.fetch_part(item, 0, PART_BYTES))
    telegram.standin.drop_connections()
    assert finished(lambda: telegram.reader.newest_message_id(telegram.chat)) == 2
    result_of(parts.fetch_part(item, PART_BYTES, PART_BYTES))
    assert telegram.lines == []


def test_a_connection_that_ends_while_it_is_being_opened_is_opened_again(
    telegram: ConnectedTelegram,
    parts: TelegramPartSource,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The library looks for its end only in one that is open."""
    item = first_item(world)
    start: Any = Session.start
    struck: list[Session] = []

    async def start_and_lose_it(session: Any) -> None:
        await start(session)
        if not struck:
            struck.append(session)
            session.is_started.clear()
            telegram.standin.drop_connections()
            await session.recv_task
            session.is_started.set()

    monkeypatch.setattr(Session, "start", start_and_lose_it)
    telegram.standin.drop_connections()
    for offset in (0, PART_BYTES):
        result_of(parts.fetch_part(item, offset, PART_BYTES))
    assert finished(lambda: telegram.reader.newest_message_id(telegram.chat)) == 2
    assert len(struck) == 1


def test_a_note_whose_answer_was_lost_is_there_once_and_no_error(
    telegram: ConnectedTelegram, world: World
) -> None:
    telegram.standin.faults.add(Fault("drop", rpc="messages.SendMessage"))
    finished(lambda: TelegramSavedMessages(telegram.client).send_note("a note"))
    saved = world.saved_messages
    messages = [saved.message(number) for number in range(1, saved.newest_id() + 1)]
    assert [getattr(each, "message", "") for each in messages].count("a note") == 1
    assert telegram.standin.statistics.counts().calls["messages.SendMessage"] > 1
