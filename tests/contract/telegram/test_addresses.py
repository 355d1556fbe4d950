"""Files come, whichever of a data centre's addresses can't be reached: the real source of parts,
over TCP to a stand-in.

Firewalls and blocks have been seen to take away those that are for files alone, and no others.
"""

from __future__ import annotations

import itertools
import time
from concurrent.futures import Future
from typing import TypeAlias

import pytest

from standins.telegram.service.data_centres import ADDRESSES, MEDIA_ADDRESSES
from standins.telegram.service.faults import CallFacts, Fault
from standins.telegram.world import worlds
from tdl_sync.core.model import MediaItem
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.telegram.files import media_connections
from tdl_sync.telegram.files.parts import TelegramPartSource
from tdl_sync.telegram.session import network
from tests.connected import ConnectTelegram
from tests.fakes.from_world import messages_of, record_in
from tests.waiting import result_of, until

GET_FILE = "upload.GetFile"
OPENING = "help.GetConfig"
CONNECTIONS = 4
HOME, FOREIGN = 2, 4
Asked: TypeAlias = tuple[MediaItem, int, Future[bytes]]
SIZES = [12 * PART_BYTES, 100_000, PART_BYTES + 1]


class Fetching:
    """Files of one data centre, and over which connections their parts come."""

    def __init__(
        self, connect_telegram: ConnectTelegram, monkeypatch: pytest.MonkeyPatch, dc_id: int
    ) -> None:
        self._world = worlds.files(sizes=SIZES, dc_id=dc_id)
        self._telegram = connect_telegram(self._world)
        assert self._telegram.chat
        self.standin = self._telegram.standin
        self.connections: set[int] = set()
        strike = self.standin.faults.strike

        def noting(call: CallFacts) -> Fault | None:
            if call.rpc == GET_FILE:
                self.connections.add(call.connection)
            return strike(call)

        monkeypatch.setattr(self.standin.faults, "strike", noting)
        self._source = TelegramPartSource(
            self._telegram.client, self._telegram.reader, connections=CONNECTIONS
        )

    @property
    def lines(self) -> list[str]:
        return self._telegram.lines

    def named(self, text: str) -> list[str]:
        return [line for line in self.lines if text in line]

    def all(self) -> None:
        """All parts of all files, at once."""
        self.end(self.begin())

    def come_over(self) -> int:
        """All of them once more: over how many connections."""
        self.connections.clear()
        self.all()
        return len(self.connections)

    def begin(self, most_parts: int | None = None) -> list[Asked]:
        parts = (
            (item, offset)
            for item in messages_of(self._world).values()
            if isinstance(item, MediaItem)
            for offset in range(0, item.size_bytes, PART_BYTES)
        )
        return [
            (item, offset, self._source.fetch_part(item, offset, PART_BYTES))
            for item, offset in itertools.islice(parts, most_parts)
        ]

    def end(self, asked: list[Asked]) -> None:
        for item, offset, part in asked:
            assert result_of(part) == record_in(self._world, item).read(offset, PART_BYTES)


@pytest.mark.parametrize("dc_id", [HOME, FOREIGN])
@pytest.mark.parametrize("how", ["refused_addresses", "silent_addresses"])
def test_where_none_for_files_can_be_reached_they_come_from_the_one_for_everything(
    how: str, dc_id: int, connect_telegram: ConnectTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over as many connections as else, and one line says so."""
    monkeypatch.setattr(media_connections, "ANOTHER_ADDRESS_SECONDS", 2.0)
    files = Fetching(connect_telegram, monkeypatch, dc_id)
    setattr(files.standin.faults, how, frozenset(MEDIA_ADDRESSES.values()))
    files.all()
    until(lambda: files.come_over() == CONNECTIONS)
    assert files.lines == [
        f"warning: {MEDIA_ADDRESSES[dc_id]}, where Telegram has files, could not be reached: they "
        f"come from {ADDRESSES[dc_id]}"
    ]


@pytest.mark.parametrize("how", ["refused_addresses", "silent_addresses"])
def test_where_the_one_for_everything_cannot_be_reached_they_come_from_the_one_for_files(
    how: str, connect_telegram: ConnectTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media_connections, "ANOTHER_ADDRESS_SECONDS", 2.0)
    files = Fetching(connect_telegram, monkeypatch, FOREIGN)
    setattr(files.standin.faults, how, frozenset({ADDRESSES[FOREIGN]}))
    files.all()
    until(lambda: len(files.lines) == 1)
    assert files.lines == [
        f"warning: {ADDRESSES[FOREIGN]}, where Telegram has files, could not be reached: they come "
        f"from {MEDIA_ADDRESSES[FOREIGN]}"
    ]


def test_who_is_refused_for_now_waits_and_asks_nowhere_else(
    connect_telegram: ConnectTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What answers can be reached."""
    monkeypatch.setattr(media_connections, "ANOTHER_ADDRESS_SECONDS", 0.5)
    files = Fetching(connect_telegram, monkeypatch, HOME)
    calls = files.standin.statistics.counts
    until(lambda: calls().calls[OPENING] == 2)  # the account's connection, and the addresses
    refused = Fault("flood_wait", rpc=OPENING, seconds=2, times=CONNECTIONS)
    files.standin.faults.add(refused)
    files.all()
    assert files.standin.faults.strikes() == [(refused, CONNECTIONS)]
    assert files.lines == ["warning: Telegram refuses the connection (FLOOD_WAIT_X)"]


def test_where_no_other_connection_can_be_opened_they_come_over_the_one_for_calls(
    connect_telegram: ConnectTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media_connections, "ANOTHER_ADDRESS_SECONDS", 2.0)
    files = Fetching(connect_telegram, monkeypatch, HOME)
    files.standin.faults.refused_addresses = frozenset({ADDRESSES[HOME], MEDIA_ADDRESSES[HOME]})
    files.all()
    assert len(files.connections) == 1


def test_what_can_no_longer_be_reached_holds_no_file(
    connect_telegram: ConnectTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do files come over the connection for calls any more when it can be again."""
    files = Fetching(connect_telegram, monkeypatch, HOME)
    until(lambda: files.come_over() == CONNECTIONS)
    files.standin.faults.refused_addresses = frozenset({ADDRESSES[HOME], MEDIA_ADDRESSES[HOME]})
    for_files = frozenset(files.connections)
    assert files.standin.drop_connections(lambda each: each.number in for_files) == CONNECTIONS
    files.connections.clear()
    files.all()
    (for_calls,) = files.connections
    files.standin.faults.refused_addresses = frozenset()

    def come_over_others() -> bool:
        files.connections.clear()
        files.all()
        return for_calls not in files.connections

    until(come_over_others)


@pytest.mark.parametrize("dc_id", [HOME, FOREIGN])
@pytest.mark.parametrize("blocked_later", [False, True])
@pytest.mark.parametrize("noticed", ["before", "while connections are opened"])
def test_a_network_that_was_gone_says_nothing_of_an_address(
    noticed: str,
    blocked_later: bool,
    dc_id: int,
    connect_telegram: ConnectTelegram,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where it is gone for longer than an address is waited for; where nobody noticed that,
    one line says which could not be reached. What can't be reached when it is back is passed over,
    as always."""
    monkeypatch.setattr(network, "REST_SECONDS", 0.2)
    files = Fetching(connect_telegram, monkeypatch, dc_id)
    files.end(files.begin(1))  # now the addresses are known, and others have to be opened yet
    monkeypatch.setattr(media_connections, "ANOTHER_ADDRESS_SECONDS", 1.0)
    files.standin.faults.network_down = True
    if noticed == "before":
        files.standin.drop_connections()
        until(lambda: len(files.lines) == 1)
    asked = files.begin()
    time.sleep(0.3)
    files.standin.drop_connections()
    time.sleep(1.5)
    if blocked_later:
        files.standin.faults.refused_addresses = frozenset(MEDIA_ADDRESSES.values())
    files.standin.faults.network_down = False
    files.end(asked)
    # The one that was open at the address that is blocked now is opened there for ever.
    until(lambda: files.come_over() == CONNECTIONS - blocked_later)
    # Of an outage that nobody noticed is said what was seen.
    most = int(blocked_later or noticed != "before")
    assert len(files.named(MEDIA_ADDRESSES[dc_id])) in range(blocked_later, most + 1)
