"""A generated world is the same for one seed and knows its books; the seeds have every shape."""

from __future__ import annotations

from collections import Counter

from pyrogram import raw

from standins.telegram.world import recipes, worlds
from standins.telegram.world.generated import LeftOut, generated

SEEDS = range(1, 61)


def test_a_seed_always_makes_the_same_world() -> None:
    def told(seed: int) -> list[object]:
        chats = generated(seed).chats
        return [
            (list(each.channel.items()), each.left_out(), each.channel.withheld) for each in chats
        ]

    assert told(3) == told(3)
    assert told(3) != told(4)


def test_among_a_few_seeds_every_shape_is_there() -> None:
    kinds: Counter[str] = Counter()
    left_out: Counter[LeftOut] = Counter()
    found: Counter[str] = Counter()
    for seed in SEEDS:
        drawn = generated(seed)
        found["two chats"] += len(drawn.chats) == 2
        for chat in drawn.chats:
            channel = chat.channel
            items = list(channel.items())
            kinds[channel.kind] += 1
            left_out.update(chat.left_out())
            found["messages of several files"] += sum(item.index == 2 for item in items)
            found["files of no bytes"] += sum(not item.file.size_bytes for item in items)
            found["files that are there twice"] += len(items) - len({i.file for i in items})
            found["larger than any disk"] += len(chat.too_large_ids)
            shown = {message.id for message in chat.shown()}
            found["pages that are too short"] += len(channel.withheld) > 0 and len(shown) > 100
            found["the newest is withheld"] += channel.newest_id() in channel.withheld
            found["withheld and empty"] += bool(channel.withheld) and channel.withheld_as_empty
            found["inexact counts"] += bool(channel.inexact_counters)
            found["no counts"] += bool(channel.uncounted)
    assert all(kinds[each] for each in ("channel", "supergroup", "group", "saved"))
    assert all(left_out[why] for why in LeftOut), left_out
    assert all(found.values()), found


def test_what_is_bought_is_in_the_books_as_it_is_then() -> None:
    chat, message_id = next(
        (chat, message_id)
        for seed in SEEDS
        for chat in generated(seed).chats
        for message_id in chat.locked_ids
        if chat.channel.message(message_id) is not None
    )
    before = chat.left_out()[LeftOut.LOCKED]
    chat.channel.buy(message_id)
    files = chat.channel.items_of(message_id)
    assert files
    assert chat.left_out()[LeftOut.LOCKED] == before - len(files)


def test_a_message_that_was_edited_is_counted_as_what_it_holds_now() -> None:
    channel = worlds.files(sizes=[10, 20], file_kind="photo").source
    channel.append(file=recipes.listed_file("photo", 30, None, dc_id=2))
    photos, documents = raw.types.InputMessagesFilterPhotos, raw.types.InputMessagesFilterDocument
    assert channel.ids_of(photos) == [1, 2, 3]
    for message_id in (1, 3):
        channel.replace_file(message_id, recipes.listed_file("document", 40, "a.pdf", dc_id=2))
    assert (channel.ids_of(photos), channel.ids_of(documents)) == ([2], [1, 3])
