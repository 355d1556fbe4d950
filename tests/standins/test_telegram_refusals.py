"""The stand-in refuses what Telegram refuses: a lenient one would prove nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pyrogram import raw
from pyrogram.errors import RPCError
from pyrogram.session import Session

from standins.telegram.server import StandIn, session_string
from standins.telegram.world import worlds
from standins.telegram.world.channel import Channel
from standins.telegram.world.world import World
from standins.telegram.world.worlds import INVITE_JOINED, INVITE_NOT_JOINED
from tests.standins.conftest import Connect, StartStandIn
from tests.waiting import PATIENCE_SECONDS

MIB = 1024 * 1024
KIB = 1024


def invoke(telegram: StandIn, connect: Connect, request: Any, **settings: Any) -> Any:
    """The answer of one call, or the error as "code TEXT"."""

    async def run() -> Any:
        async with connect(telegram, **settings) as client:
            try:
                return await client.invoke(request, retries=1, sleep_threshold=0)
            except RPCError as error:
                return error_text(error)

    return asyncio.run(run())


def error_text(error: RPCError) -> str:
    text = error.ID or error.NAME or ""
    return f"{error.CODE} {text.replace('_X', f'_{error.value}')}"


@pytest.fixture
def telegram(start_stand_in: StartStandIn) -> StandIn:
    return start_stand_in(worlds.files(sizes=[3 * MIB + 5]))


def document_location(world: World, **changes: Any) -> raw.types.InputDocumentFileLocation:
    (item,) = world.source.items()
    values: dict[str, Any] = {
        "id": item.file.file_id,
        "access_hash": item.file.access_hash,
        "file_reference": world.reference(item.file.file_id),
        "thumb_size": "",
    }
    return raw.types.InputDocumentFileLocation(**{**values, **changes})


def part_request(world: World, offset: int, limit: int, **changes: Any) -> Any:
    location = document_location(world)
    return raw.functions.upload.GetFile(location=location, offset=offset, limit=limit, **changes)


@pytest.mark.parametrize(
    ("offset", "limit", "refusal"),
    [
        (0, 0, "400 LIMIT_INVALID"),
        (0, -4096, "400 LIMIT_INVALID"),
        (0, 1000, "400 LIMIT_INVALID"),
        (0, 3 * 4096, "400 LIMIT_INVALID"),
        (0, 2 * MIB, "400 LIMIT_INVALID"),
        (4096, MIB, "400 LIMIT_INVALID"),
        (1000, 4096, "400 OFFSET_INVALID"),
        (1024, 4096, "400 OFFSET_INVALID"),
        (-4096, 4096, "400 OFFSET_INVALID"),
    ],
)
def test_a_part_must_be_divisible_by_4_kib_divide_1_mib_and_stay_within_one_mib(
    offset: int, limit: int, refusal: str, telegram: StandIn, connect: Connect
) -> None:
    assert invoke(telegram, connect, part_request(telegram.world, offset, limit)) == refusal


@pytest.mark.parametrize(
    ("offset", "limit", "refusal"),
    [
        (0, 1000, "400 LIMIT_INVALID"),
        (0, MIB + KIB, "400 LIMIT_INVALID"),
        (KIB, MIB, "400 LIMIT_INVALID"),
        (100, KIB, "400 OFFSET_INVALID"),
    ],
)
def test_a_precise_part_must_be_divisible_by_1_kib_and_stay_within_one_mib(
    offset: int, limit: int, refusal: str, telegram: StandIn, connect: Connect
) -> None:
    request = part_request(telegram.world, offset, limit, precise=True)
    assert invoke(telegram, connect, request) == refusal


@pytest.mark.parametrize(
    ("offset", "limit", "precise"),
    [
        (0, MIB, False),
        (3 * MIB, MIB, False),
        (4 * MIB, MIB, False),
        (12 * KIB, 4 * KIB, False),
        (5 * KIB, 3 * KIB, True),
        (MIB - KIB, KIB, True),
    ],
)
def test_an_allowed_part_has_exactly_its_bytes(
    offset: int, limit: int, precise: bool, telegram: StandIn, connect: Connect
) -> None:
    request = part_request(telegram.world, offset, limit, precise=precise)
    (item,) = telegram.world.source.items()
    assert invoke(telegram, connect, request).bytes == item.file.read(offset, limit)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"id": 12345}, "400 FILE_ID_INVALID"),
        ({"access_hash": 12345}, "400 LOCATION_INVALID"),
        ({"thumb_size": "w"}, "400 LOCATION_INVALID"),
        ({"file_reference": b""}, "400 FILE_REFERENCE_EMPTY"),
        ({"file_reference": b"not a reference"}, "400 FILE_REFERENCE_INVALID"),
    ],
)
def test_a_file_is_served_only_for_its_own_id_hash_size_and_reference(
    changes: dict[str, Any], refusal: str, telegram: StandIn, connect: Connect
) -> None:
    request = raw.functions.upload.GetFile(
        location=document_location(telegram.world, **changes), offset=0, limit=MIB
    )
    assert invoke(telegram, connect, request) == refusal


def test_an_old_reference_expires_and_the_message_has_a_fresh_one(
    telegram: StandIn, connect: Connect
) -> None:
    old = part_request(telegram.world, 0, MIB)
    telegram.world.file_reference_epoch += 1
    assert invoke(telegram, connect, old) == "400 FILE_REFERENCE_EXPIRED"
    source = telegram.world.source
    fetched = invoke(
        telegram,
        connect,
        raw.functions.channels.GetMessages(
            channel=input_channel(source), id=[raw.types.InputMessageID(id=1)]
        ),
    )
    fresh = fetched.messages[0].media.document.file_reference
    request = raw.functions.upload.GetFile(
        location=document_location(telegram.world, file_reference=fresh), offset=0, limit=MIB
    )
    assert len(invoke(telegram, connect, request).bytes) == MIB


def test_a_file_of_another_data_centre_is_refused_with_its_data_centre(
    start_stand_in: StartStandIn, connect: Connect
) -> None:
    telegram = start_stand_in(worlds.files(sizes=[MIB], dc_id=4))
    assert invoke(telegram, connect, part_request(telegram.world, 0, MIB)) == "303 FILE_MIGRATE_4"


def input_channel(channel: Channel, **changes: int) -> Any:
    values = {"channel_id": channel.raw_id, "access_hash": channel.access_hash}
    return raw.types.InputChannel(**{**values, **changes})


def input_peer(channel: Channel, **changes: int) -> Any:
    values = {"channel_id": channel.raw_id, "access_hash": channel.access_hash}
    return raw.types.InputPeerChannel(**{**values, **changes})


def history(peer: Any) -> Any:
    return raw.functions.messages.GetHistory(
        peer=peer,
        offset_id=0,
        offset_date=0,
        add_offset=0,
        limit=1,
        max_id=0,
        min_id=0,
        hash=0,
    )


CHANNEL_CALLS: list[Callable[[Channel, dict[str, int]], Any]] = [
    lambda chat, changes: raw.functions.channels.GetChannels(id=[input_channel(chat, **changes)]),
    lambda chat, changes: raw.functions.channels.GetFullChannel(
        channel=input_channel(chat, **changes)
    ),
    lambda chat, changes: raw.functions.channels.GetMessages(
        channel=input_channel(chat, **changes), id=[raw.types.InputMessageID(id=1)]
    ),
    lambda chat, changes: history(input_peer(chat, **changes)),
    lambda chat, changes: search(input_peer(chat, **changes)),
    lambda chat, changes: raw.functions.messages.GetSearchCounters(
        peer=input_peer(chat, **changes), filters=[raw.types.InputMessagesFilterDocument()]
    ),
]


def search(peer: Any, **changes: Any) -> Any:
    values = {
        "q": "",
        "filter": raw.types.InputMessagesFilterDocument(),
        **dict.fromkeys(
            ("min_date", "max_date", "offset_id", "add_offset", "max_id", "min_id", "hash"), 0
        ),
        "limit": 10,
    }
    return raw.functions.messages.Search(peer=peer, **{**values, **changes})


@pytest.mark.parametrize("call", CHANNEL_CALLS)
def test_a_channel_is_open_only_to_its_own_id_and_access_hash(
    call: Callable[[Channel, dict[str, int]], Any], telegram: StandIn, connect: Connect
) -> None:
    source = telegram.world.source
    for changes in ({"access_hash": 0}, {"access_hash": 5}, {"channel_id": 5}):
        assert invoke(telegram, connect, call(source, changes)) == "400 CHANNEL_INVALID"


@pytest.mark.parametrize("call", CHANNEL_CALLS)
def test_a_channel_that_the_account_was_removed_from_is_private(
    call: Callable[[Channel, dict[str, int]], Any], telegram: StandIn, connect: Connect
) -> None:
    telegram.world.source.private = True
    refusal = invoke(telegram, connect, call(telegram.world.source, {}))
    assert refusal == "400 CHANNEL_PRIVATE"


def test_an_invite_only_channel_is_private_to_strangers(
    telegram: StandIn, connect: Connect
) -> None:
    stranger = next(c for c in telegram.world.channels.values() if not c.joined)
    assert invoke(telegram, connect, history(input_peer(stranger))) == "400 CHANNEL_PRIVATE"


@pytest.mark.parametrize(
    ("peer", "refusal"),
    [
        (raw.types.InputPeerEmpty(), "400 PEER_ID_INVALID"),
        (raw.types.InputPeerUser(user_id=5, access_hash=5), "400 PEER_ID_INVALID"),
        (raw.types.InputPeerChat(chat_id=5), "400 PEER_ID_INVALID"),
    ],
)
def test_a_peer_that_is_no_chat_of_the_account_is_refused(
    peer: Any, refusal: str, telegram: StandIn, connect: Connect
) -> None:
    assert invoke(telegram, connect, history(peer)) == refusal


@pytest.mark.parametrize(
    ("username", "refusal"),
    [
        ("nobody_has_this_name", "400 USERNAME_NOT_OCCUPIED"),
        ("a", "400 USERNAME_INVALID"),
        ("1starts_with_a_digit", "400 USERNAME_INVALID"),
        ("has spaces", "400 USERNAME_INVALID"),
        ("x" * 33, "400 USERNAME_INVALID"),
        ("", "400 USERNAME_INVALID"),
    ],
)
def test_only_a_taken_user_name_resolves(
    username: str, refusal: str, telegram: StandIn, connect: Connect
) -> None:
    request = raw.functions.contacts.ResolveUsername(username=username)
    assert invoke(telegram, connect, request) == refusal


def test_user_names_resolve_in_any_case(telegram: StandIn, connect: Connect) -> None:
    name = telegram.world.source.username
    assert name is not None
    request = raw.functions.contacts.ResolveUsername(username=name.upper())
    assert invoke(telegram, connect, request).chats[0].id == telegram.world.source.raw_id


@pytest.mark.parametrize(
    ("invite", "refusal"),
    [
        ("", "400 INVITE_HASH_EMPTY"),
        ("short", "400 INVITE_HASH_INVALID"),
        ("NoSuchInviteHash0", "400 INVITE_HASH_EXPIRED"),
    ],
)
def test_an_invite_must_be_a_living_one(
    invite: str, refusal: str, telegram: StandIn, connect: Connect
) -> None:
    request = raw.functions.messages.CheckChatInvite(hash=invite)
    assert invoke(telegram, connect, request) == refusal


def test_an_invite_tells_members_the_chat_and_strangers_only_its_title(
    telegram: StandIn, connect: Connect
) -> None:
    member = invoke(telegram, connect, raw.functions.messages.CheckChatInvite(hash=INVITE_JOINED))
    assert isinstance(member, raw.types.ChatInviteAlready)
    assert member.chat.id == next(
        chat.raw_id
        for chat in telegram.world.channels.values()
        if chat.invite_hash == INVITE_JOINED
    )
    stranger = invoke(
        telegram, connect, raw.functions.messages.CheckChatInvite(hash=INVITE_NOT_JOINED)
    )
    assert isinstance(stranger, raw.types.ChatInvite)
    assert stranger.title


def test_a_search_needs_a_filter_or_words(telegram: StandIn, connect: Connect) -> None:
    request = search(raw.types.InputPeerSelf(), filter=raw.types.InputMessagesFilterEmpty())
    assert invoke(telegram, connect, request) == "400 SEARCH_QUERY_EMPTY"


@pytest.mark.parametrize(
    ("ids", "refusal"), [([], "400 MESSAGE_IDS_EMPTY"), (range(1, 102), "400 MSG_ID_INVALID")]
)
def test_messages_are_fetched_by_1_to_100_ids(
    ids: Any, refusal: str, telegram: StandIn, connect: Connect
) -> None:
    wanted: list[Any] = [raw.types.InputMessageID(id=message_id) for message_id in ids]
    source = input_channel(telegram.world.source)
    for request in (
        raw.functions.channels.GetMessages(channel=source, id=wanted),
        raw.functions.messages.GetMessages(id=wanted),
    ):
        assert invoke(telegram, connect, request) == refusal


def send(text: str, peer: Any = None, random_id: int = 1) -> Any:
    return raw.functions.messages.SendMessage(
        peer=peer or raw.types.InputPeerSelf(), message=text, random_id=random_id
    )


def edit(message_id: int, text: str, **changes: Any) -> Any:
    return raw.functions.messages.EditMessage(
        peer=raw.types.InputPeerSelf(), id=message_id, message=text, **changes
    )


def test_4096_utf_16_units_are_sent_and_edited_and_one_more_is_not(
    telegram: StandIn, connect: Connect
) -> None:
    longest = "\U0001f4ca" * 2048
    assert isinstance(invoke(telegram, connect, send(longest)), raw.types.Updates)
    assert invoke(telegram, connect, send(longest + "x", random_id=2)) == "400 MESSAGE_TOO_LONG"
    message_id = telegram.world.saved_messages.newest_id()
    assert invoke(telegram, connect, edit(message_id, longest + "x")) == "400 MESSAGE_TOO_LONG"


@pytest.mark.parametrize("text", ["", "  \n "])
def test_a_message_without_text_is_refused(text: str, telegram: StandIn, connect: Connect) -> None:
    message_id = telegram.world.saved_messages.newest_id()
    assert invoke(telegram, connect, send(text)) == "400 MESSAGE_EMPTY"
    assert invoke(telegram, connect, edit(message_id, text)) == "400 MESSAGE_EMPTY"


def test_the_same_random_id_sends_no_second_message(telegram: StandIn, connect: Connect) -> None:
    saved = telegram.world.saved_messages
    assert isinstance(invoke(telegram, connect, send("once")), raw.types.Updates)
    newest_id = saved.newest_id()

    async def again() -> str:
        async with connect(telegram) as client:
            with pytest.raises(RPCError) as caught:
                await client.session.send(send("once"))
            return error_text(caught.value)

    assert asyncio.run(again()) == "500 RANDOM_ID_DUPLICATE"
    assert saved.newest_id() == newest_id


def test_an_edit_must_change_the_text_or_its_entities(telegram: StandIn, connect: Connect) -> None:
    message_id = telegram.world.saved_messages.append("as it is")
    bold = [raw.types.MessageEntityBold(offset=0, length=2)]
    assert invoke(telegram, connect, edit(message_id, "as it is")) == "400 MESSAGE_NOT_MODIFIED"
    assert isinstance(
        invoke(telegram, connect, edit(message_id, "as it is", entities=bold)), raw.types.Updates
    )
    assert (
        invoke(telegram, connect, edit(message_id, "as it is", entities=bold))
        == "400 MESSAGE_NOT_MODIFIED"
    )


def pin(message_id: int, *, unpin: bool = False) -> Any:
    return raw.functions.messages.UpdatePinnedMessage(
        peer=raw.types.InputPeerSelf(), id=message_id, unpin=unpin
    )


def test_a_message_that_is_not_there_is_neither_edited_nor_pinned(
    telegram: StandIn, connect: Connect
) -> None:
    assert invoke(telegram, connect, edit(99999, "x")) == "400 MESSAGE_ID_INVALID"
    assert invoke(telegram, connect, pin(99999)) == "400 MESSAGE_ID_INVALID"
    assert invoke(telegram, connect, pin(99999, unpin=True)) == "400 MESSAGE_ID_INVALID"


def test_a_message_is_pinned_once(telegram: StandIn, connect: Connect) -> None:
    message_id = telegram.world.saved_messages.append("x")
    assert isinstance(invoke(telegram, connect, pin(message_id)), raw.types.Updates)
    assert invoke(telegram, connect, pin(message_id)) == "400 CHAT_NOT_MODIFIED"


def test_nothing_is_written_outside_of_saved_messages(telegram: StandIn, connect: Connect) -> None:
    source = input_peer(telegram.world.source)
    assert invoke(telegram, connect, send("x", source)) == "400 CHAT_ADMIN_REQUIRED"
    talk = next(c for c in telegram.world.channels.values() if c.kind == "supergroup")
    assert invoke(telegram, connect, send("x", input_peer(talk))) == "403 CHAT_WRITE_FORBIDDEN"


def test_a_key_without_a_login_may_only_open_a_connection_and_log_in(
    telegram: StandIn, connect: Connect
) -> None:
    string = session_string(telegram.new_auth_key(logged_in=False), telegram.world.account.user_id)

    async def run() -> str:
        with pytest.raises(RPCError) as caught:
            async with connect(telegram, session_string=string):
                pass
        return error_text(caught.value)

    assert asyncio.run(run()) == "401 AUTH_KEY_UNREGISTERED"


def test_an_authorisation_is_imported_once_and_only_where_it_was_exported_to(
    telegram: StandIn, connect: Connect
) -> None:
    async def run() -> list[str]:
        refusals = []
        async with connect(telegram) as client:
            foreign = await client.get_session(4)
            for dc_id, times in ((5, 1), (4, 2)):
                exported = await client.invoke(raw.functions.auth.ExportAuthorization(dc_id=dc_id))
                for _ in range(times):
                    try:
                        await foreign.invoke(
                            raw.functions.auth.ImportAuthorization(
                                id=exported.id, bytes=exported.bytes
                            )
                        )
                    except RPCError as error:
                        refusals.append(error_text(error))
            await foreign.stop()
        return refusals

    assert asyncio.run(run()) == ["400 AUTH_BYTES_INVALID"] * 2


def test_a_wrong_salt_is_corrected_and_the_call_goes_through(
    telegram: StandIn, connect: Connect
) -> None:
    async def run() -> None:
        async with connect(telegram) as client:
            salt = client.session.salt
            telegram.rotate_salts()
            assert (await client.get_me()).id == telegram.world.account.user_id
            assert client.session.salt != salt

    asyncio.run(run())


def test_an_unknown_auth_key_gets_minus_404_and_no_connection(telegram: StandIn) -> None:
    stranger = StandIn(worlds.files(sizes=[1]))

    async def run() -> bytes:
        reader, writer = await connect_abridged(telegram)
        body = stranger.new_auth_key().key_id + bytes(16 + 64)
        writer.write(bytes([len(body) // 4]) + body)
        answer = await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
        writer.close()
        return answer

    assert asyncio.run(run()) == b"\x01" + (-404).to_bytes(4, "little", signed=True)


async def connect_abridged(
    telegram: StandIn,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Through the SOCKS5 listener to the home data centre, by hand."""
    reader, writer = await asyncio.open_connection("127.0.0.1", telegram.port)
    writer.write(b"\x05\x01\x00")
    assert await reader.readexactly(2) == b"\x05\x00"
    writer.write(b"\x05\x01\x00\x01" + bytes([149, 154, 167, 51]) + (443).to_bytes(2, "big"))
    assert (await reader.readexactly(10))[1] == 0
    writer.write(b"\xef")
    return reader, writer


def test_only_addresses_of_telegram_are_reached(start_stand_in: StartStandIn) -> None:
    telegram = start_stand_in(worlds.files(sizes=[1]), unknown=True)

    async def run() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", telegram.port)
        writer.write(b"\x05\x01\x00")
        await reader.readexactly(2)
        writer.write(b"\x05\x01\x00\x03\x0bexample.org\x01\xbb")
        code = (await reader.readexactly(10))[1]
        writer.close()
        return code

    assert asyncio.run(run()) == 4
    assert "example.org" in telegram.unknown_rpcs[0]


def test_an_unknown_call_is_an_error_and_fails_the_test_that_made_it(
    start_stand_in: StartStandIn, connect: Connect
) -> None:
    telegram = start_stand_in(worlds.files(sizes=[1]), unknown=True)
    request = raw.functions.account.GetAuthorizations()
    assert invoke(telegram, connect, request) == "400 METHOD_INVALID"
    assert telegram.unknown_rpcs == ["account.GetAuthorizations"]


def test_a_connection_must_be_initialised_before_its_first_call(
    telegram: StandIn, connect: Connect
) -> None:
    key = telegram.new_auth_key()
    string = session_string(key, telegram.world.account.user_id)

    async def run() -> str:
        async with connect(telegram, session_string=string) as client:
            key.layer = None
            with pytest.raises(RPCError) as caught:
                await client.get_me()
            return error_text(caught.value)

    assert asyncio.run(run()) == "400 CONNECTION_NOT_INITED"


def test_a_layer_that_the_stand_in_does_not_speak_is_refused(
    start_stand_in: StartStandIn, connect: Connect
) -> None:
    telegram = start_stand_in(worlds.files(sizes=[1]), unknown=True)
    request = raw.functions.InvokeWithLayer(layer=1, query=raw.functions.help.GetConfig())

    async def run() -> str:
        async with connect(telegram) as client:
            with pytest.raises(RPCError) as caught:
                await client.session.send(request)
            return error_text(caught.value)

    assert asyncio.run(run()) == "400 CONNECTION_LAYER_INVALID"


def test_many_calls_at_once_are_answered_each_with_its_own_answer(
    telegram: StandIn, connect: Connect
) -> None:
    (item,) = telegram.world.source.items()

    async def run() -> list[bytes]:
        async with connect(telegram) as client:
            session: Session = client.session
            answers = await asyncio.gather(
                *(session.invoke(part_request(telegram.world, n * 4096, 4096)) for n in range(100))
            )
            return [answer.bytes for answer in answers]

    assert asyncio.run(run()) == [item.file.read(n * 4096, 4096) for n in range(100)]


def forward_request(telegram: StandIn) -> Any:
    source = telegram.world.source
    return raw.functions.messages.ForwardMessages(
        from_peer=raw.types.InputPeerChannel(
            channel_id=source.raw_id, access_hash=source.access_hash
        ),
        to_peer=raw.types.InputPeerSelf(),
        id=[1],
        random_id=[5],
    )


def test_what_is_in_a_protected_chat_is_not_forwarded_but_its_files_are_given_out(
    telegram: StandIn, connect: Connect
) -> None:
    answer = invoke(telegram, connect, forward_request(telegram))
    assert isinstance(answer, raw.types.Updates)
    assert len(list(telegram.world.saved_messages.items())) == 1
    telegram.world.source.protected = True
    refusal = invoke(telegram, connect, forward_request(telegram))
    assert refusal == "400 CHAT_FORWARDS_RESTRICTED"
    part = invoke(telegram, connect, part_request(telegram.world, 0, MIB))
    assert isinstance(part, raw.types.upload.File)
