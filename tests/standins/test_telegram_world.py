"""The worlds that every other test trusts: same seed, same messages, same bytes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyrogram import raw
from pyrogram.raw.core import TLObject

from standins.telegram.world import worlds
from standins.telegram.world.channel import Channel, Message
from standins.telegram.world.content import FilePlace, FileRecord
from standins.telegram.world.history import FILTER_KINDS
from standins.telegram.world.id_sequence import LiveIds, page_ids
from standins.telegram.world.names import HOSTILE_NAMES
from standins.telegram.world.plan import FILE_KINDS, FilePlan

TOO_LARGE = 10**12


def _all_messages(channel: Channel) -> Iterator[Message]:
    offset_id = 0
    while page := channel.page(offset_id, 0, 0, 100, 0, 0)[0]:
        yield from (each for each in page if not isinstance(each, raw.types.MessageEmpty))
        offset_id = page[-1].id


# Bytes


@settings(deadline=None)
@given(
    size=st.integers(0, 300_000),
    cuts=st.lists(st.integers(0, 310_000), max_size=6),
    seed=st.integers(0, 2**63 - 1),
)
def test_any_range_of_a_file_is_that_part_of_the_whole(
    size: int, cuts: list[int], seed: int
) -> None:
    record = FileRecord(file_id=1, access_hash=1, dc_id=2, size_bytes=size, seed=seed)
    whole = record.read(0, size)
    assert len(whole) == size
    borders = [0, *sorted(cuts), 310_000]
    for start, end in pairwise(borders):
        assert record.read(start, end - start) == whole[start:end]


def test_hashes_are_those_of_the_bytes() -> None:
    record = FileRecord(file_id=1, access_hash=1, dc_id=2, size_bytes=2_500_001, seed=9)
    whole = record.read(0, record.size_bytes)
    assert record.sha256() == hashlib.sha256(whole).hexdigest()
    assert record.md5() == hashlib.md5(whole).hexdigest()


def test_parts_never_look_like_other_parts_or_like_those_of_another_file() -> None:
    """Or a test could not see that parts were mixed up."""
    records = [FileRecord(1, 1, 2, 1 << 20, seed) for seed in range(8)]
    parts = [r.read(offset, 4096) for r in records for offset in range(0, 1 << 20, 1 << 16)]
    assert len(set(parts)) == len(parts)


def test_the_end_of_a_terabyte_is_as_near_as_its_start() -> None:
    record = FileRecord(file_id=1, access_hash=1, dc_id=2, size_bytes=TOO_LARGE, seed=9)
    assert len(record.read(TOO_LARGE - 10, 4096)) == 10
    assert record.read(TOO_LARGE, 4096) == b""


@settings(deadline=None)
@given(
    st.builds(
        FilePlace,
        channel_number=st.integers(0, 4095),
        message_id=st.integers(1, 2**31 - 1),
        is_photo=st.booleans(),
        is_preview=st.booleans(),
    )
)
def test_a_file_id_says_where_the_file_hangs(place: FilePlace) -> None:
    file_id = place.file_id()
    assert 0 < file_id < 2**63
    assert FilePlace.of(file_id) == place


# Pages


@settings(deadline=None)
@given(
    newest=st.integers(0, 60),
    data=st.data(),
    offset_id=st.integers(0, 80),
    add_offset=st.integers(-70, 70),
    limit=st.integers(1, 100),
    max_id=st.integers(0, 80),
    min_id=st.integers(0, 80),
)
def test_pages_are_those_that_telegram_defines(
    newest: int,
    data: st.DataObject,
    offset_id: int,
    add_offset: int,
    limit: int,
    max_id: int,
    min_id: int,
) -> None:
    """Against the definition, written out over a plain list."""
    dense = list(range(1, newest + 1))
    deleted_at_first = data.draw(st.sets(st.sampled_from(dense))) if dense else set()
    ids = LiveIds(newest, sorted(deleted_at_first))
    appended = sorted(data.draw(st.sets(st.integers(newest + 1, newest + 20), max_size=8)))
    for message_id in appended:
        ids.append(message_id)
    there = [i for i in dense if i not in deleted_at_first] + appended
    deleted_later = data.draw(st.sets(st.sampled_from(there))) if there else set()
    for message_id in deleted_later:
        ids.delete(message_id)
    there = [i for i in there if i not in deleted_later]

    assert list(ids) == there
    assert all((i in ids) == (i in there) for i in range(newest + 25))

    newest_first = there[::-1]
    up_to_offset = [i for i in newest_first if offset_id and i >= offset_id]
    start = max(len(up_to_offset) + add_offset, 0)
    page = newest_first[start : start + limit]
    expected = [i for i in page if i > min_id and (max_id == 0 or i < max_id)]
    assert expected == page_ids(
        ids,
        offset_id=offset_id,
        add_offset=add_offset,
        limit=limit,
        max_id=max_id,
        min_id=min_id,
    )


def _ids(channel: Channel, **page: int) -> list[int]:
    arguments = {"offset_id": 0, "offset_date": 0, "add_offset": 0, "limit": 100} | page
    messages, _ = channel.page(**({"max_id": 0, "min_id": 0} | arguments))
    return [message.id for message in messages]


@pytest.fixture
def thousand() -> Channel:
    """Messages 1 to 1,000 without a gap."""
    return worlds.files(sizes=[1] * 1000).source


def test_an_empty_offset_is_the_newest_message(thousand: Channel) -> None:
    assert _ids(thousand, limit=3) == [1000, 999, 998]


def test_an_offset_id_is_left_out_itself(thousand: Channel) -> None:
    assert _ids(thousand, offset_id=500, limit=3) == [499, 498, 497]


def test_a_negative_offset_pages_upwards_from_that_id_on(thousand: Channel) -> None:
    assert _ids(thousand, offset_id=501, add_offset=-100) == list(range(600, 500, -1))
    assert _ids(thousand, offset_id=1, add_offset=-100) == list(range(100, 0, -1))


def test_at_the_newest_end_a_page_upwards_is_filled_with_older_ones(thousand: Channel) -> None:
    assert _ids(thousand, offset_id=981, add_offset=-100) == list(range(1000, 900, -1))


def test_an_offset_behind_the_newest_message_shows_the_newest_ones_again(
    thousand: Channel,
) -> None:
    assert _ids(thousand, offset_id=1001, add_offset=-100) == list(range(1000, 900, -1))


def test_lower_and_upper_bounds_are_taken_out_of_the_finished_page(thousand: Channel) -> None:
    assert _ids(thousand, max_id=999, min_id=996, limit=10) == [998, 997]
    assert _ids(thousand, max_id=10) == []


def test_a_page_holds_a_hundred_messages_at_most(thousand: Channel) -> None:
    assert len(_ids(thousand, limit=500)) == 100
    assert len(_ids(thousand, limit=0)) == 20


def test_a_page_by_date_starts_before_that_date(thousand: Channel) -> None:
    message = thousand.message(500)
    assert message is not None
    assert _ids(thousand, offset_date=message.date, limit=2) == [499, 498]
    assert _ids(thousand, offset_date=message.date + 10**9, limit=2) == [1000, 999]
    assert _ids(thousand, offset_date=1, limit=2) == []


def test_every_page_says_how_many_messages_there_are() -> None:
    channel = worlds.mixed(messages=500).source
    assert channel.page(0, 0, 0, 1, 0, 0)[1] == len(list(_all_messages(channel))) == 480


# Worlds


def test_the_same_seed_makes_the_same_world_in_another_process() -> None:
    program = (
        "from standins.telegram.world import worlds; import hashlib;"
        "c = worlds.mixed(seed=5).source;"
        "print(hashlib.sha256(repr(list(c.items())).encode()).hexdigest())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    items = repr(list(worlds.mixed(seed=5).source.items()))
    assert ran.stdout.strip() == hashlib.sha256(items.encode()).hexdigest()
    assert items != repr(list(worlds.mixed(seed=6).source.items()))


@pytest.mark.parametrize("seed", [1, 7, 2024])
def test_150_messages_hold_every_kind_and_every_hostile_name(seed: int) -> None:
    channel = worlds.mixed(seed=seed).source
    items = list(channel.items())
    names = Counter(item.file_name for item in items)

    assert {item.kind for item in items} == set(FILE_KINDS)
    assert set(HOSTILE_NAMES) <= set(names)
    assert names["report.pdf"] >= 2
    assert any(item.file_name is None and item.kind == "document" for item in items)
    assert any(item.file.size_bytes == 0 for item in items)
    assert [item.file.size_bytes for item in items].count(TOO_LARGE) == 1
    assert {item.file.dc_id for item in items} == {1, 2, 3, 4, 5}
    assert sum(i.file.size_bytes for i in items if i.file.size_bytes != TOO_LARGE) < 5_000_000

    messages = list(_all_messages(channel))
    albums = Counter(m.grouped_id for m in messages if isinstance(m, raw.types.Message))
    del albums[None]
    assert len(albums) == 6
    assert set(albums.values()) == {3}
    assert any(isinstance(m, raw.types.MessageService) for m in messages)
    media = {type(m.media) for m in messages if isinstance(m, raw.types.Message)}
    assert {raw.types.MessageMediaPoll, raw.types.MessageMediaWebPage, type(None)} <= media
    assert len(messages) < 150


def test_hostile_names_are_as_hostile_as_promised() -> None:
    names = set(HOSTILE_NAMES)
    assert len(names) == len(HOSTILE_NAMES)
    assert {"", " ", ".", "..", "../../x", "/tmp/absolute", "CON"} <= names
    assert any("\x00" in name for name in names)
    assert sum(len(name.encode()) >= 300 for name in names) >= 3
    assert len({name.casefold() for name in names}) < len(names)
    assert len({unicodedata.normalize("NFC", name) for name in names}) < len(names)


def test_the_demo_world_has_about_300_files_and_300_megabytes() -> None:
    world = worlds.mixed(messages=365, mean_size_bytes=1_000_000, too_large_bytes=None)
    sizes = [item.file.size_bytes for item in world.source.items()]
    assert 290 <= len(sizes) <= 310
    assert 240e6 <= sum(sizes) <= 360e6
    assert max(sizes) <= 12_000_000


def test_a_world_of_files_holds_exactly_these_in_order() -> None:
    world = worlds.files(sizes=[0, 5, 10**12], names=["a", None, "-rf"], dc_id=4)
    items = list(world.source.items())
    assert [(i.message_id, i.file_name, i.file.size_bytes) for i in items] == [
        (1, "a", 0),
        (2, None, 5),
        (3, "-rf", 10**12),
    ]
    assert {item.file.dc_id for item in items} == {4}


def test_a_world_of_files_may_have_talk_between_them() -> None:
    channel = worlds.files(sizes=[10, 20, 30], apart=1000).source
    held = [(item.message_id, item.file.size_bytes) for item in channel.items()]
    assert held == [(1, 10), (1001, 20), (2001, 30)]
    assert channel.newest_id() == 2001
    assert getattr(channel.message(1000), "message", "") == "Text of message 1000"
    assert worlds.files(sizes=[], apart=10).source.newest_id() == 0


def test_a_sparse_world_has_one_file_in_so_many_messages() -> None:
    channel = worlds.sparse(messages=7_001, media_every=100).source
    assert sum(1 for _ in channel.items()) == pytest.approx(70, abs=2)


def test_a_million_messages_are_paged_and_counted_without_being_made() -> None:
    channel = worlds.sparse(messages=1_000_000).source
    messages, total = channel.page(500_000, 0, -100, 100, 0, 0)
    assert messages[-1].id >= 500_000
    assert total < 1_000_000
    counts = channel.counters()
    assert counts[raw.types.InputMessagesFilterVideo] == pytest.approx(1_000_000 / 700, rel=0.01)


def test_dates_ascend_with_the_ids_and_are_those_of_the_items() -> None:
    channel = worlds.mixed(messages=300).source
    messages = list(_all_messages(channel))[::-1]
    dates = [message.date for message in messages]
    assert dates == sorted(set(dates))
    by_id = {message.id: message.date for message in messages}
    for item in channel.items():
        assert item.date.timestamp() == by_id[item.message_id]


@pytest.mark.parametrize("kind", ["channel", "supergroup", "group", "saved"])
def test_every_kind_of_chat_can_be_the_source(kind: str) -> None:
    world = worlds.mixed(messages=60, kind=kind)
    source = world.source
    assert source.kind == kind
    assert sum(1 for _ in source.items()) > 40
    kinds = Counter(channel.kind for channel in world.channels.values())
    assert kinds["saved"] == 1
    assert {"channel", "supergroup", "group", "user"} <= set(kinds)
    for message in _all_messages(source):
        assert TLObject.read(BytesIO(message.write())) is not None
    if kind in ("channel", "supergroup"):
        assert source.raw_id > 2**31


def test_chats_that_are_no_channels_share_one_sequence_of_ids() -> None:
    world = worlds.mixed(messages=60, kind="group")
    first = world.saved_messages.append("one")
    assert world.source.append("two") == first + 1
    assert world.shared_chat(first) is world.saved_messages
    assert world.shared_chat(first + 1) is world.source


# Files of messages


def _document(message: Message | None) -> raw.types.Document | None:
    media = getattr(message, "media", None)
    found = media.document if isinstance(media, raw.types.MessageMediaDocument) else None
    return found if isinstance(found, raw.types.Document) else None


def _photo(message: Message | None) -> raw.types.Photo | None:
    media = getattr(message, "media", None)
    found = media.photo if isinstance(media, raw.types.MessageMediaPhoto) else None
    return found if isinstance(found, raw.types.Photo) else None


def _preview(message: Message) -> raw.types.Photo | None:
    media = getattr(message, "media", None)
    page = media.webpage if isinstance(media, raw.types.MessageMediaWebPage) else None
    photo = page.photo if isinstance(page, raw.types.WebPage) else None
    return photo if isinstance(photo, raw.types.Photo) else None


def test_what_a_message_declares_is_what_the_world_serves() -> None:
    world = worlds.mixed()
    items = {item.message_id: item for item in world.source.items()}
    seen = 0
    for message in _all_messages(world.source):
        media = _document(message) or _photo(message)
        assert (media is not None) == (message.id in items)
        if media is None:
            continue
        seen += 1
        kind = "photo" if isinstance(media, raw.types.Photo) else "document"
        record = world.file(kind, media.id)
        assert record == items[message.id].file
        assert record is not None
        assert (media.access_hash, media.dc_id) == (record.access_hash, record.dc_id)
        assert media.file_reference == world.reference(media.id)
        if isinstance(media, raw.types.Document):
            assert media.size == record.size_bytes
            names = [
                attribute.file_name
                for attribute in media.attributes
                if isinstance(attribute, raw.types.DocumentAttributeFilename)
            ]
            name = items[message.id].file_name
            assert names == ([] if name is None else [name])
    assert seen == len(items)


def test_the_largest_size_of_a_photo_is_its_file_wherever_it_stands_in_the_list() -> None:
    world = worlds.mixed(mean_size_bytes=1_000_000)
    places = set()
    for item in world.source.items():
        if item.kind != "photo":
            continue
        photo = _photo(world.source.message(item.message_id))
        assert photo is not None
        progressive = raw.types.PhotoSizeProgressive
        largest = [max(s.sizes) for s in photo.sizes if isinstance(s, progressive)]
        smaller = {s.type: s.size for s in photo.sizes if isinstance(s, raw.types.PhotoSize)}
        assert largest == [item.file.size_bytes]
        for letter, size in smaller.items():
            record = world.file("photo", item.file.file_id, letter)
            assert record is not None
            assert record.size_bytes == size < item.file.size_bytes
            assert record.read(0, 1000) != item.file.read(0, 1000)
        assert world.file("photo", item.file.file_id, "y") == item.file
        places.add([isinstance(s, progressive) for s in photo.sizes].index(True))
    assert len(places) > 1


def test_a_web_pages_photo_is_served_but_is_no_file_of_the_message() -> None:
    world = worlds.mixed()
    previews = {m.id: _preview(m) for m in _all_messages(world.source)}
    found = {message_id: photo for message_id, photo in previews.items() if photo is not None}
    assert found
    for message_id, photo in found.items():
        assert world.file("photo", photo.id) is not None
        assert world.source.item(message_id) is None


def test_unknown_file_ids_have_no_file() -> None:
    world = worlds.mixed()
    document = next(i for i in world.source.items() if i.kind == "document").file
    assert world.file("photo", document.file_id) is None
    assert world.file("document", document.file_id + 1) is None
    assert world.file("document", 0) is None
    assert world.file("document", -5) is None
    missing = FilePlace(channel_number=0, message_id=10_000, is_photo=False).file_id()
    assert world.file("document", missing) is None


def test_another_epoch_makes_other_references() -> None:
    world = worlds.mixed()
    old = world.reference(1)
    world.file_reference_epoch += 1
    assert world.reference(1) != old


# Searching


def test_filters_find_and_count_what_the_history_holds() -> None:
    channel = worlds.mixed(messages=400).source
    channel.delete([i.message_id for i in channel.items() if i.kind == "voice"][:2])
    channel.append(file=FilePlan("voice", 100, None, "audio/ogg", 2))
    kinds = {item.message_id: item.kind for item in channel.items()}
    counts = channel.counters()
    for known, wanted in FILTER_KINDS.items():
        if not wanted <= set(FILE_KINDS):
            continue
        messages, total = channel.search(known, 0, 0, 100, 0, 0)
        expected = sorted((i for i, kind in kinds.items() if kind in wanted), reverse=True)
        assert [message.id for message in messages] == expected[:100]
        assert counts[known] == total == len(expected)
    links = [
        m.id
        for m in _all_messages(channel)
        if any(
            isinstance(e, raw.types.MessageEntityUrl) for e in getattr(m, "entities", None) or []
        )
    ]
    assert counts[raw.types.InputMessagesFilterUrl] == len(links) > 0


def test_words_are_found_by_their_start_whatever_stands_around_them() -> None:
    saved = worlds.mixed().saved_messages
    wanted = saved.append("\U0001f4ca TDL Progress\n{}")
    saved.append("tdl, but no prog")
    messages, total = saved.search(raw.types.InputMessagesFilterEmpty, 0, 0, 10, 0, 0, "tdl progr")
    assert ([message.id for message in messages], total) == ([wanted], 1)


def test_pinned_messages_are_found_until_they_are_unpinned_or_deleted() -> None:
    saved = worlds.mixed().saved_messages
    ids = [saved.append(f"state {n}") for n in range(3)]
    for message_id in ids:
        saved.pin(message_id, on=True)
    assert saved.pinned_ids() == ids[::-1]
    saved.pin(ids[0], on=False)
    saved.delete([ids[1]])
    messages, total = saved.search(raw.types.InputMessagesFilterPinned, 0, 0, 10, 0, 0)
    assert ([m.id for m in messages], total) == ([ids[2]], 1)
    assert isinstance(messages[0], raw.types.Message)
    assert messages[0].pinned
    assert saved.counters()[raw.types.InputMessagesFilterPinned] == 1


# Changes


def test_a_history_grows_at_its_end() -> None:
    channel = worlds.files(sizes=[1, 2]).source
    message_id = channel.append("caption", file=FilePlan("video", 77, "x", "video/mp4", 2))
    assert message_id == channel.newest_id() == 3
    assert [i.file.size_bytes for i in channel.items()] == [1, 2, 77]
    assert _ids(channel, offset_id=3, add_offset=-1, limit=1) == [3]
    assert channel.delete([3, 3, 99]) == [3]
    assert channel.message(3) is None
    assert channel.newest_id() == 2
    assert channel.append("later") == 4


def test_an_edit_shows_and_an_edit_that_changes_nothing_says_so() -> None:
    saved = worlds.mixed().saved_messages
    message_id = saved.append("before")
    assert saved.edit(message_id, "after")
    assert not saved.edit(message_id, "after")
    message = saved.message(message_id)
    assert isinstance(message, raw.types.Message)
    assert message.message == "after"
    assert message.edit_date is not None
    with pytest.raises(KeyError):
        saved.edit(10_000, "nothing there")


def test_a_deleted_message_is_gone_but_its_file_is_not_yet() -> None:
    world = worlds.files(sizes=[10])
    item = next(world.source.items())
    world.source.delete([1])
    assert list(world.source.items()) == []
    assert world.file("document", item.file.file_id) == item.file


# A file that is posted again


def test_a_file_that_is_posted_again_or_forwarded_keeps_its_id_and_its_bytes() -> None:
    world = worlds.files(sizes=[50_000])
    source, saved = world.source, world.saved_messages
    first = source.item(1)
    assert first is not None
    again = source.item(source.append("again", file_of=(source, 1)))
    third = source.item(source.append(file_of=(source, 2)))
    forwarded = saved.item(saved.append(file_of=(source, 3)))
    for copy in (again, third, forwarded):
        assert copy is not None
        assert copy.file == first.file
        assert copy.file_name == first.file_name
    source.delete([1])
    assert world.file("document", first.file.file_id) == first.file
