"""``adopt`` takes no wrong file for done, whatever lies there and whatever the chat holds."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyrogram.file_id import FileUniqueId, FileUniqueType

from tdl_sync.commands.adopt_matching import (
    DONE_ALREADY,
    LEFT_OUT,
    NO_MESSAGE,
    OTHER_CONTENT,
    SIZE_UNKNOWN,
    TWO_OF_ITS_PATH,
    Matching,
    Outcome,
)
from tdl_sync.commands.adopt_names import (
    BY_FILE_ID,
    BY_FILE_NAME,
    BY_ID_IN_FOLDER,
    BY_IDS,
    BY_NAME_AND_ID,
    BY_TEMPLATE,
    Names,
    unique_id,
)
from tdl_sync.core.model import (
    Chat,
    ChatKind,
    ListedFile,
    MediaItem,
    MediaType,
)
from tdl_sync.core.naming import path_of
from tdl_sync.options.adopt_template import parse_adopt_template
from tests.fakes.chat import further_of, item_of

BARE = 1234567890
CHAT = Chat(-(10**12) - BARE, "Holidays: 2024", ChatKind.CHANNEL, "holidays")


def an_item(
    message_id: int,
    size_bytes: int = 1000,
    name: str | None = "a.mp4",
    file_id: int | None = None,
    kind: MediaType = MediaType.VIDEO,
) -> MediaItem:
    item = item_of(message_id, size_bytes=size_bytes, file_name=name, chat_id=CHAT.id)
    file_id = 5_000_000_000_000_000_000 + message_id if file_id is None else file_id
    location = replace(item.location, file_id=file_id)
    return replace(item, location=location, media_type=kind)


def listed(path: str, size_bytes: int = 1000, sha256: str | None = None) -> ListedFile:
    subfolder, _, name = path.rpartition("/")
    return ListedFile(name, size_bytes, subfolder, sha256)


def outcome(
    files: Sequence[ListedFile],
    items: Sequence[MediaItem],
    source: str = "box:old",
    template: str | None = None,
    hashes: dict[int, str] | None = None,
) -> Outcome:
    parsed = None if template is None else parse_adopt_template(template)
    known = hashes or {}
    matching = Matching(files, Names(CHAT, source, parsed), lambda item: known.get(item.message_id))
    for item in items:
        matching.take(item)
    return matching.outcome()


def why(found: Outcome) -> str:
    """Of the one file."""
    (one,) = [*(each.why for each in found.taken), *(each.why for each in found.left)]
    return one.removesuffix(", and size")


@pytest.mark.parametrize(
    ("path", "item", "reason"),
    [
        (f"{BARE}_7_a.mp4", an_item(7), BY_IDS),
        (f"x/{BARE}_7_any!thing.mkv", an_item(7), BY_IDS),
        ("7 - a.mp4", an_item(7), BY_NAME_AND_ID),
        ("Any/2024_05/7 - My caption - a?b long.mp4", an_item(7, name="a:b  long.mp4"),
         BY_NAME_AND_ID),
        ("Holidays_ 2024/2024_05/7.mp4", an_item(7, name=None), BY_ID_IN_FOLDER),
        ("holidays/7.mp4", an_item(7, name=None), BY_ID_IN_FOLDER),
        ("-1001234567890/7 - voice_2024-05-01T10_00_00.ogg",
         an_item(7, name=None, kind=MediaType.VOICE), BY_ID_IN_FOLDER),
        (f"7 - {unique_id(an_item(7))}.jpg", an_item(7, name=None), BY_NAME_AND_ID),
        (f"photo/photo_{an_item(7).location.file_id}.jpg", an_item(7, name=None), BY_FILE_ID),
        (f"{an_item(7).location.file_id}-copy2.jpg", an_item(7, name=None), BY_FILE_ID),
        ("video/a.mp4", an_item(7), BY_FILE_NAME),
        ("video/a-copy12.mp4", an_item(7), BY_FILE_NAME),
        ("video/A (1).MP4", an_item(7), BY_FILE_NAME),
        ("video/a_b_.txt", an_item(7, name="a/b?.txt"), BY_FILE_NAME),
        (f"Old title [{CHAT.id}]/7_a.mp4", an_item(7), BY_IDS),
    ],
)  # fmt: skip
def test_a_name_that_says_for_certain_whose_file_it_is_is_taken(
    path: str, item: MediaItem, reason: str
) -> None:
    found = outcome([listed(path)], [item, an_item(8, 999, "other")])
    assert (why(found), [each.item for each in found.taken]) == (reason, [item])


@pytest.mark.parametrize(
    ("path", "item", "reason"),
    [
        (f"{BARE + 1}_7_b.mp4", an_item(7), NO_MESSAGE),
        ("7.mp4", an_item(7, name=None), "its name says which message, and nothing says"),
        ("holidays/7.mp4", an_item(7), "its name says which message, and nothing says"),
        ("7 - other.mp4", an_item(7), "its name says which message, and nothing says"),
        ("holidays/7 - other.mp4", an_item(7), "its name says which message, and nothing says"),
        ("-1009999999999/7.mp4", an_item(7, name=None), "in a folder of another chat"),
        ("Title [-1009999999999]/a.mp4", an_item(7), "in a folder of another chat"),
        (f"{BARE}_7_a.mp4.tmp", an_item(7), "may be unfinished"),
        ("a.mp4.temp", an_item(7), "may be unfinished"),
        (f"{BARE}_7_a.mp4.0a1b2c3d.partial", an_item(7), "may be unfinished"),
        ("video.mp4", an_item(7, name=None), NO_MESSAGE),
        ("...", an_item(7, name="..."), NO_MESSAGE),
    ],
)
def test_a_name_that_may_be_anothers_is_left(path: str, item: MediaItem, reason: str) -> None:
    found = outcome([listed(path)], [item])
    assert not found.taken
    assert why(found).startswith(reason)


def test_of_another_size_nothing_is_taken_and_the_size_is_told() -> None:
    for path in (f"{BARE}_7_a.mp4", "7 - a.mp4", f"{an_item(7).location.file_id}.mp4"):
        found = outcome([listed(path, 1001)], [an_item(7)])
        assert why(found) == "its size differs: message 7 declares 1000 bytes"
    assert why(outcome([listed("a.mp4", 1001)], [an_item(7)])) == NO_MESSAGE
    assert why(outcome([listed(f"{BARE}_7_a.mp4", -1)], [an_item(7)])) == SIZE_UNKNOWN


def test_two_files_for_a_message_are_left_unless_they_are_known_to_be_the_same() -> None:
    paths = (f"a/{BARE}_7_a.mp4", f"b/{BARE}_7_a.mp4")
    found = outcome([listed(each) for each in paths], [an_item(7)])
    assert (len(found.taken), len(found.left)) == (0, 2)
    found = outcome([listed(each, sha256="0a") for each in paths], [an_item(7)])
    assert [path_of(each.file) for each in found.taken] == [paths[0]]
    assert found.left[0].why == f"it is the same as another, which is taken: {paths[0]}"
    found = outcome([listed("a/a.mp4"), listed("b/a.mp4")], [an_item(7)])
    assert not found.taken
    # One that its id names is no second one.
    found = outcome([listed("a.mp4"), listed(f"{BARE}_7_x.mp4")], [an_item(7)])
    assert [path_of(each.file) for each in found.taken] == [f"{BARE}_7_x.mp4"]
    found = outcome([listed("a.mp4"), listed("a.mp4")], [an_item(7)])
    assert {each.why for each in found.left} == {TWO_OF_ITS_PATH}


def test_a_name_is_there_twice_even_where_one_of_its_files_may_be_another_messages() -> None:
    files = [listed("x/3 - a.mp4"), listed("y/3 - a-copy1.mp4")]
    assert not outcome(files, [an_item(3), an_item(9, name="3 - a.mp4")]).taken


def test_two_messages_for_a_file_are_told_unless_they_hold_the_same_one() -> None:
    found = outcome([listed("a.mp4")], [an_item(7), an_item(8)])
    assert why(found) == "several messages hold different files of its name and size: 7, 8"
    found = outcome([listed("a.mp4")], [an_item(8, file_id=1), an_item(7, file_id=1)])
    assert [each.item.message_id for each in found.taken] == [7]
    found = outcome([listed("7 - a.mp4")], [an_item(7), an_item(9, name="7 - a.mp4")])
    assert why(found) == "several messages' files fit: 7, 9"
    both = [an_item(7), further_of(an_item(7), 2, file_name="b.mp4")]
    same_size = [both[0], replace(both[1], size_bytes=1000)]
    found = outcome([listed(f"{BARE}_7_a.mp4")], same_size)
    assert why(found) == "several messages' files fit: 7, 7.2"


def test_what_is_done_or_left_out_is_told_and_still_stands_against_a_name() -> None:
    for is_done, reason in ((True, DONE_ALREADY), (False, LEFT_OUT)):
        matching = Matching([listed("a.mp4"), listed(f"{BARE}_9_b")], Names(CHAT, "box:"))
        matching.take(an_item(7), is_done=is_done, is_wanted=is_done)
        matching.take(an_item(9, name="b"), is_done=is_done, is_wanted=is_done)
        assert [each.why for each in matching.outcome().left] == [reason] * 2
    matching = Matching([listed("a.mp4")], Names(CHAT, "box:"))
    matching.take(an_item(7))
    matching.take(an_item(8), is_wanted=False)
    assert not matching.outcome().taken


def test_a_hash_that_is_known_decides() -> None:
    file = listed(f"{BARE}_7_a.mp4", sha256="0a")
    assert why(outcome([file], [an_item(7)], hashes={7: "0b"})) == OTHER_CONTENT
    found = outcome([file], [an_item(7)], hashes={7: "0a"})
    assert found.taken[0].why == f"{BY_IDS}, and size and SHA-256"
    found = outcome([listed("a.mp4", sha256="0a")], [an_item(7), an_item(8)], hashes={8: "0b"})
    assert [each.item.message_id for each in found.taken] == [7]


def test_with_a_template_names_are_read_by_it_alone() -> None:
    template = "{caption}/{message_id}.{ext}"
    files = [listed("holidays/x/7.mp4"), listed("holidays/x/a.mp4"), listed(f"{BARE}_9_x.mp4")]
    items = [an_item(7), an_item(9)]
    found = outcome(files, items, template=template)
    assert [(path_of(each.file), each.why) for each in found.taken] == [
        ("holidays/x/7.mp4", f"{BY_TEMPLATE}, and size")
    ]
    assert not outcome([listed("x/7.mp4")], items, template=template).taken
    assert outcome([listed("x/7.mp4")], items, "box:Holidays_ 2024", template).taken
    several = outcome([listed("1-2-3.mp4")], items, template="{any}-{message_id}-{any}")
    assert not several.taken


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_unique_id_is_what_pyrogram_makes_of_it(file_id: int) -> None:
    by_pyrogram = FileUniqueId(file_unique_type=FileUniqueType.DOCUMENT, media_id=file_id).encode()  # type: ignore[no-untyped-call]
    assert unique_id(an_item(1, file_id=file_id)) == by_pyrogram


@dataclass(frozen=True)
class World:
    """What a chat holds, and what lies there: of each path whose bytes these are, by the id of
    Telegram's file; 0 for something else."""

    items: list[MediaItem]
    content: dict[str, tuple[int, int]]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Few names and sizes, so that much collides; several programs have moved parts of it."""
    count = draw(st.integers(1, 8))
    names = st.sampled_from([None, "a.mp4", "b.mp4", "a b.mp4", "7.mp4", "3 - a.mp4"])
    sizes = st.sampled_from([0, 10, 11, 12])
    items = [
        an_item(number, draw(sizes), draw(names), draw(st.sampled_from([100, 101, 100 + number])))
        for number in range(1, count + 1)
    ]
    # One file has one size.
    size_of: dict[int, int] = {}
    items = [
        replace(each, size_bytes=size_of.setdefault(each.location.file_id, each.size_bytes))
        for each in items
    ]
    content: dict[str, tuple[int, int]] = {}
    for item in items:
        for way in draw(st.lists(st.sampled_from(WAYS), max_size=2)):
            file_id, size_bytes = item.location.file_id, item.size_bytes
            if draw(st.integers(0, 9)) == 0:
                file_id, size_bytes = 0, size_bytes + 100  # it was cut, or is another's
            content.setdefault(way(item), (file_id, size_bytes))
    for number in draw(st.lists(st.integers(1, 9), max_size=3)):
        # Another chat's of the same id and size, as the same programs would have moved them.
        folder = draw(st.sampled_from(["-1009999999999/", "Other/2024_05/", "Other [-77777]/"]))
        path = f"{folder}{number}.mp4"
        content.setdefault(path, (0, draw(sizes)))
    return World(items, content)


def _by_tdl(item: MediaItem) -> str:
    return f"tdl/{BARE}_{item.message_id}_{item.file_name or item.location.file_id}"


def _by_the_fork(item: MediaItem) -> str:
    rest = f" - {item.file_name}" if item.file_name else ".mp4"
    return f"holidays/2024_05/{item.message_id}{rest}"


def _by_the_other(item: MediaItem) -> str:
    name = item.file_name or f"video_{item.location.file_id}.mp4"
    return f"plain/{name}"


WAYS = (_by_tdl, _by_the_fork, _by_the_other)


@given(worlds(), st.randoms(use_true_random=False))
@settings(max_examples=400)
def test_no_file_is_taken_for_another_and_no_order_changes_anything(
    world: World, shuffling: random.Random
) -> None:
    files = [listed(path, size) for path, (_, size) in world.content.items()]
    found = outcome(files, world.items)
    identities: defaultdict[tuple[int, str], set[int]] = defaultdict(set)
    for each in world.items:
        if each.file_name:
            identities[each.size_bytes, each.file_name].add(each.location.file_id)
    for taken in found.taken:
        file_id, size_bytes = world.content[path_of(taken.file)]
        assert size_bytes == taken.item.size_bytes
        assert file_id == taken.item.location.file_id
        if taken.why.startswith(BY_FILE_NAME):
            assert len(identities[size_bytes, str(taken.item.file_name)]) == 1
    assert len({each.item.number for each in found.taken}) == len(found.taken)
    told = [path_of(each.file) for each in found.taken]
    told += [path_of(each.file) for each in found.left]
    assert sorted(told) == sorted(world.content)
    shuffling.shuffle(files)
    items = list(world.items)
    shuffling.shuffle(items)
    again = outcome(files, items)
    assert {path_of(each.file): each.item.number for each in again.taken} == {
        path_of(each.file): each.item.number for each in found.taken
    }
