"""Each fault strikes the calls that it is meant for, as often as it should, and no others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pyrogram import raw
from pyrogram.errors import RPCError

from standins.shaping import Shaping, TokenBucket
from standins.telegram.server import StandIn
from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from tests.standins.conftest import Connect, StartStandIn
from tests.standins.test_telegram_refusals import (
    document_location,
    error_text,
    history,
    input_channel,
    input_peer,
    part_request,
)

MIB = 1024 * 1024
_FLOOD = Fault("flood_wait", rpc="upload.GetFile", seconds=7)


@pytest.fixture
def telegram(start_stand_in: StartStandIn) -> StandIn:
    return start_stand_in(worlds.files(sizes=[4 * MIB, MIB]))


def part(telegram: StandIn, number: int, *, message_id: int = 1) -> Any:
    item = telegram.world.source.item(message_id)
    assert item is not None
    location = raw.types.InputDocumentFileLocation(
        id=item.file.file_id,
        access_hash=item.file.access_hash,
        file_reference=telegram.world.reference(item.file.file_id),
        thumb_size="",
    )
    return raw.functions.upload.GetFile(location=location, offset=number * MIB, limit=MIB)


async def outcome(session: Any, request: Any, timeout_seconds: float = 15) -> Any:
    """What one single attempt leads to: bytes of a part, an error's text, or "no answer"."""
    try:
        answer = await session.send(request, timeout=timeout_seconds)
    except RPCError as error:
        return error_text(error)
    except TimeoutError:
        return "no answer"
    return len(answer.bytes) if isinstance(answer, raw.types.upload.File) else answer


def with_client(telegram: StandIn, connect: Connect, work: Callable[[Any], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with connect(telegram) as client:
            return await work(client)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (_FLOOD, "420 FLOOD_WAIT_7"),
        (Fault("flood_premium_wait", rpc="upload.GetFile", seconds=3), "420 FLOOD_PREMIUM_WAIT_3"),
        (Fault("timedout", rpc="upload.GetFile"), "503 Timedout"),
        (Fault("internal_error", rpc="upload.GetFile"), "500 RPC_CALL_FAIL"),
        (Fault("file_reference_expired"), "400 FILE_REFERENCE_EXPIRED"),
        (Fault("channel_private", rpc="upload.GetFile"), "400 CHANNEL_PRIVATE"),
        (Fault("auth_key_unregistered", rpc="upload.GetFile"), "401 AUTH_KEY_UNREGISTERED"),
        (Fault("session_revoked", rpc="upload.GetFile"), "401 SESSION_REVOKED"),
        (
            Fault("error", rpc="upload.GetFile", code=403, text="CHAT_FORBIDDEN"),
            "403 CHAT_FORBIDDEN",
        ),
        (Fault("short_part"), MIB // 2),
        (Fault("short_part", keep_bytes=10), 10),
        (Fault("empty_part"), 0),
    ],
)
def test_a_fault_strikes_once_and_the_next_call_is_well(
    fault: Fault, text: Any, telegram: StandIn, connect: Connect
) -> None:
    request = part(telegram, 0)
    telegram.faults.add(fault)

    async def work(client: Any) -> list[Any]:
        first = await outcome(client.session, request)
        return [first, await outcome(client.session, part(telegram, 0))]

    assert with_client(telegram, connect, work) == [text, MIB]
    assert telegram.faults.strikes() == [(fault, 1)]


def test_a_signed_error_code_stays_signed(telegram: StandIn, connect: Connect) -> None:
    telegram.faults.add(Fault("timedout", rpc="upload.GetFile"))

    async def work(client: Any) -> str:
        with pytest.raises(RPCError) as caught:
            await client.session.send(part(telegram, 0))
        return str(caught.value)

    assert "[-503 Timedout]" in with_client(telegram, connect, work)


def test_a_fault_waits_for_calls_and_bytes_and_strikes_only_its_file(
    telegram: StandIn, connect: Connect
) -> None:
    first, second = (item.file.file_id for item in telegram.world.source.items())
    telegram.faults.add(
        Fault("flood_wait", rpc="upload.GetFile", file_id=first, after_bytes=2 * MIB, seconds=1),
        Fault("empty_part", file_id=second, after_calls=1, times=2),
    )

    async def work(client: Any) -> list[Any]:
        wanted = [(0, 1), (0, 2), (1, 1), (2, 1), (3, 1), (0, 2), (0, 2), (0, 2)]
        return [
            await outcome(client.session, part(telegram, number, message_id=message_id))
            for number, message_id in wanted
        ]

    flood = "420 FLOOD_WAIT_1"
    assert with_client(telegram, connect, work) == [MIB, MIB, MIB, flood, MIB, 0, 0, MIB]


def test_a_fault_without_a_call_leaves_logging_in_and_connecting_alone(
    telegram: StandIn, connect: Connect
) -> None:
    telegram.faults.add(Fault("session_revoked", times=None))

    async def work(client: Any) -> None:
        await client.get_me()

    with pytest.raises(RPCError, match="SESSION_REVOKED"):
        with_client(telegram, connect, work)
    assert telegram.statistics.counts().calls["help.GetConfig"] == 1


def test_faults_are_taken_back(telegram: StandIn, connect: Connect) -> None:
    telegram.faults.add(Fault("session_revoked", times=None))
    telegram.faults.clear()

    async def work(client: Any) -> Any:
        return await outcome(client.session, part(telegram, 0))

    assert with_client(telegram, connect, work) == MIB


def test_expired_references_stay_expired_until_the_message_is_fetched_again(
    telegram: StandIn, connect: Connect
) -> None:
    old = part(telegram, 0)
    telegram.faults.add(Fault("file_reference_expired", after_bytes=MIB))

    async def work(client: Any) -> list[Any]:
        results = [await outcome(client.session, old) for _ in range(3)]
        again = await client.invoke(
            raw.functions.channels.GetMessages(
                channel=input_channel(telegram.world.source),
                id=[raw.types.InputMessageID(id=1)],
            )
        )
        old.location.file_reference = again.messages[0].media.document.file_reference
        return [*results, await outcome(client.session, old)]

    expired = "400 FILE_REFERENCE_EXPIRED"
    assert with_client(telegram, connect, work) == [MIB, expired, expired, MIB]


def test_a_duplicated_auth_key_is_dead_from_then_on(telegram: StandIn, connect: Connect) -> None:
    telegram.faults.add(Fault("auth_key_duplicated", rpc="upload.GetFile"))

    async def work(client: Any) -> list[Any]:
        return [await outcome(client.session, part(telegram, 0)) for _ in range(2)]

    assert with_client(telegram, connect, work) == ["406 AUTH_KEY_DUPLICATED"] * 2


def test_an_unanswered_call_holds_up_no_other_one(telegram: StandIn, connect: Connect) -> None:
    telegram.faults.add(Fault("no_answer", rpc="upload.GetFile"))

    async def work(client: Any) -> list[Any]:
        unanswered = outcome(client.session, part(telegram, 0), 1.0)
        return [*await asyncio.gather(unanswered, outcome(client.session, part(telegram, 1)))]

    assert with_client(telegram, connect, work) == ["no answer", MIB]
    assert telegram.statistics.counts().file_bytes == MIB


def test_a_slow_connection_keeps_its_own_rate_and_the_others_theirs(
    telegram: StandIn, connect: Connect
) -> None:
    """Each answer is there in the end, so a time tells them apart: the slow one is the last."""
    fault = Fault("slow", rpc="upload.GetFile", bytes_per_second=MIB // 4)
    telegram.faults.add(fault)
    order: list[str] = []

    async def ask(session: Any, name: str, times: int) -> None:
        for _ in range(times):
            assert await outcome(session, part(telegram, 0)) == MIB
            order.append(name)

    async def work(client: Any) -> None:
        slow = await client.get_session(2, is_media=True, temporary=True)
        slowly = asyncio.create_task(ask(slow, "slow", 1))
        while telegram.faults.strikes() != [(fault, 1)]:
            await asyncio.sleep(0.001)
        await ask(client.session, "others", 4)
        await slowly
        await slow.stop()

    with_client(telegram, connect, work)
    assert order == ["others"] * 4 + ["slow"]


def test_a_rate_belongs_to_a_slow_connection_and_to_nothing_else() -> None:
    for kind, bytes_per_second in [("slow", 0), ("drop", 1)]:
        with pytest.raises(ValueError, match="bytes_per_second"):
            Fault.from_json({"kind": kind, "bytes_per_second": bytes_per_second})


def test_a_stalled_connection_says_nothing_more_and_stays_open(
    telegram: StandIn, connect: Connect
) -> None:
    telegram.faults.add(Fault("stall", rpc="upload.GetFile"))

    async def work(client: Any) -> list[Any]:
        stalled = await client.get_session(2, is_media=True, temporary=True)
        results = [await outcome(stalled, part(telegram, 0), 0.5) for _ in range(2)]
        results.append(await outcome(client.session, part(telegram, 0)))
        open_connections = telegram.statistics.counts().open_connections
        await stalled.stop()
        return [*results, open_connections]

    assert with_client(telegram, connect, work) == ["no answer", "no answer", MIB, 2]


def test_a_drop_breaks_the_connection_in_the_middle_of_the_answer(
    telegram: StandIn, connect: Connect
) -> None:
    telegram.faults.add(Fault("drop", rpc="upload.GetFile"))

    async def work(client: Any) -> Any:
        connections = telegram.statistics.counts().connections
        size_bytes = await client.invoke(part(telegram, 0), timeout=1, retry_delay=0)
        assert telegram.statistics.counts().connections == connections + 1
        return len(size_bytes.bytes)

    assert with_client(telegram, connect, work) == MIB


def test_chosen_connections_are_dropped_and_the_client_comes_back(
    telegram: StandIn, connect: Connect
) -> None:
    async def work(client: Any) -> int:
        await client.get_me()
        dropped = await asyncio.to_thread(
            telegram.drop_connections, lambda connection: connection.dc_id == 2
        )
        while telegram.statistics.counts().connections < 2:
            await asyncio.sleep(0.01)
        await client.get_me()
        return dropped

    assert with_client(telegram, connect, work) == 1


def test_a_dead_network_refuses_connections_until_it_is_back(telegram: StandIn) -> None:
    async def attempt() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", telegram.port)
        writer.write(b"\x05\x01\x00\x05\x01\x00\x01" + bytes([149, 154, 167, 51, 1, 187]))
        code = (await reader.readexactly(12))[3]
        writer.close()
        return code

    telegram.faults.network_down = True
    assert asyncio.run(attempt()) == 4
    telegram.faults.network_down = False
    assert asyncio.run(attempt()) == 0


def test_a_history_grows_under_the_reader(telegram: StandIn, connect: Connect) -> None:
    source = telegram.world.source
    telegram.faults.add(Fault("history_grows", after_calls=1, times=2))

    async def work(client: Any) -> list[int]:
        request = history(input_peer(source))
        return [(await client.invoke(request)).messages[0].id for _ in range(4)]

    assert with_client(telegram, connect, work) == [2, 3, 4, 4]


def test_a_history_lags_behind_its_newest_message(telegram: StandIn, connect: Connect) -> None:
    source = telegram.world.source
    telegram.faults.add(Fault("history_lags", after_calls=1))

    async def work(client: Any) -> list[list[int]]:
        request = history(input_peer(source))
        answers = [await client.invoke(request) for _ in range(3)]
        return [[message.id for message in answer.messages] for answer in answers]

    newest_id = source.newest_id()
    assert with_client(telegram, connect, work) == [[newest_id], [], [newest_id]]


def test_calls_parts_and_bytes_are_counted(telegram: StandIn, connect: Connect) -> None:
    async def work(client: Any) -> None:
        await asyncio.gather(
            *(outcome(client.session, part(telegram, number)) for number in (0, 1, 1))
        )

    with_client(telegram, connect, work)
    counts = telegram.statistics.counts()
    file_id = next(telegram.world.source.items()).file.file_id
    assert counts.calls["upload.GetFile"] == 3
    assert counts.bytes_by_file == {file_id: 3 * MIB}
    assert counts.parts == {(file_id, 0, MIB): 1, (file_id, MIB, MIB): 2}
    assert 1 <= counts.most_file_parts_in_flight <= 3
    assert counts.errors == {}


def test_shaped_answers_are_the_same_bytes(start_stand_in: StartStandIn, connect: Connect) -> None:
    telegram = start_stand_in(
        worlds.files(sizes=[MIB]),
        shaping=Shaping(
            round_trip_seconds=0.01,
            connection_bytes_per_second=20_000_000,
            total_bytes_per_second=15_000_000,
        ),
    )
    (item,) = telegram.world.source.items()

    async def work(client: Any) -> Any:
        return (await client.invoke(part_request(telegram.world, 0, MIB))).bytes

    assert with_client(telegram, connect, work) == item.file.read(0, MIB)
    assert document_location(telegram.world).id == item.file.file_id


def test_a_bandwidth_is_kept_exactly_even_when_each_wait_ends_late() -> None:
    bucket, rate, now = TokenBucket(), 20_000_000, 100.0
    for _ in range(1000):
        passed_at = bucket.passed_at(200_000, rate, now)
        now = max(now, passed_at) + 0.004  # a busy machine wakes up 4 ms late
    assert 1000 * 200_000 / (now - 100.0) == pytest.approx(rate, rel=0.01)


def test_connections_that_share_a_line_share_its_bandwidth() -> None:
    bucket, rate = TokenBucket(), 1_000_000
    ends = [bucket.passed_at(100_000, rate, 50.0) for _ in range(10)]
    assert ends[-1] == pytest.approx(51.0, abs=0.06)


def test_a_chat_or_a_name_can_be_struck_alone(
    start_stand_in: StartStandIn, connect: Connect
) -> None:
    """With any error, in one call or in all that name the chat."""
    telegram = start_stand_in(worlds.files(sizes=[MIB], kind="supergroup"))
    older = worlds.add_older_part(telegram.world, sizes=[MIB])
    source = telegram.world.source
    refused = Fault(
        "error", chat_id=source.chat_id, times=None, code=403, text="CHANNEL_PUBLIC_GROUP_NA"
    )
    telegram.faults.add(
        Fault("flood_wait", rpc="contacts.ResolveUsername", username="stand_in_news", seconds=9),
        refused,
    )
    resolve = raw.functions.contacts.ResolveUsername

    async def outcomes(client: Any) -> list[Any]:
        ask = client.session
        return [
            await outcome(ask, resolve(username="Stand_in_News")),
            await outcome(ask, resolve(username="stand_in_talk")),
            await outcome(ask, history(input_peer(source))),
            await outcome(ask, part(telegram, 0)),
            await outcome(ask, history(raw.types.InputPeerChat(chat_id=older.raw_id))),
        ]

    named, other_name, struck, its_file, other = with_client(telegram, connect, outcomes)
    assert (named, struck) == ("420 FLOOD_WAIT_9", "403 CHANNEL_PUBLIC_GROUP_NA")
    assert its_file == "403 CHANNEL_PUBLIC_GROUP_NA"
    assert other_name.peer == next(
        each.peer for each in telegram.world.channels.values() if each.username == "stand_in_talk"
    )
    assert other.count == 2


@pytest.mark.parametrize("joined_later", [False, True])
def test_a_supergroup_names_the_group_that_it_was(
    joined_later: bool, start_stand_in: StartStandIn, connect: Connect
) -> None:
    """Who joined later may not read it."""
    telegram = start_stand_in(worlds.files(sizes=[MIB], kind="supergroup"))
    source = telegram.world.source
    older = worlds.add_older_part(telegram.world, sizes=[MIB])
    older.joined = not joined_later
    whole = raw.functions.channels.GetFullChannel(channel=input_channel(source))

    async def outcomes(client: Any) -> list[Any]:
        return [
            await outcome(client.session, each)
            for each in (whole, history(raw.types.InputPeerChat(chat_id=older.raw_id)))
        ]

    full, messages = with_client(telegram, connect, outcomes)
    assert full.full_chat.migrated_from_chat_id == older.raw_id
    found = next(each for each in full.chats if each.id == older.raw_id)
    if joined_later:
        assert (type(found), messages) == (raw.types.ChatForbidden, "400 PEER_ID_INVALID")
    else:
        assert found.migrated_to.channel_id == source.raw_id
        assert messages.count == 2
