"""What a run, ``status`` and ``verify`` must say of a generated world once all of it is moved.

How the program is called is left to the caller, who may have it in a process or not.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyrogram import raw

from standins.demonstration import expected_items
from standins.telegram.world.channel import Channel, ItemKey, WorldItem
from standins.telegram.world.generated import Generated, GeneratedChat, LeftOut

RULES = {
    LeftOut.LOCKED: "paid media that is not bought",
    LeftOut.UNREADABLE: "a kind of media that this version can't read",
    LeftOut.EXPIRED: "media expired",
    LeftOut.STORY: "story",
    LeftOut.CHAT_PICTURE: "picture of the chat",
    LeftOut.STICKER: "sticker",
}
"""How the program calls them (docs/media.md)."""

FILTERS = {
    "photo": raw.types.InputMessagesFilterPhotos,
    "video": raw.types.InputMessagesFilterVideo,
    "document": raw.types.InputMessagesFilterDocument,
    "audio": raw.types.InputMessagesFilterMusic,
    "voice": raw.types.InputMessagesFilterVoice,
    "video_note": raw.types.InputMessagesFilterRoundVideo,
    "animation": raw.types.InputMessagesFilterGif,
}
"""The kinds of messages that Telegram counts, by the program's names for them."""

STATE = "\N{BAR CHART} TDL Progress\n"
"""How a state message begins."""


@dataclass(frozen=True)
class Told:
    """What a call of the program came to."""

    exit_status: int
    stdout: str
    stderr: str

    @property
    def result(self) -> dict[str, str]:
        """The words of the last line."""
        last = ["", *self.stdout.splitlines()]
        return dict(word.split("=", 1) for word in last[-1].split() if "=" in word)

    @property
    def numbers(self) -> dict[str, int]:
        return {name: int(text) for name, text in self.result.items() if name != "status"}


Call = Callable[[Sequence[str]], Told]
"""Runs the program with these words, for the world's chats."""


class Books:
    """Of one world. ``refused`` are the files that Telegram will not give. ``gone`` are the files
    of messages that were there, and are deleted: of those nothing is certain any more."""

    def __init__(self, generated: Generated, refused: Collection[ItemKey]) -> None:
        self.gone: set[ItemKey] = set()
        self._generated = generated
        self._refused = frozenset(refused)
        self._deleted_in: set[int] = set()

    def delete(self, chat: GeneratedChat, message_id: int) -> None:
        """As others do while a run is on, or between two."""
        channel = chat.channel
        self.gone |= {item.key for item in channel.items_of(message_id)}
        self._deleted_in.add(channel.chat_id)
        channel.delete([message_id])

    @property
    def channels(self) -> list[Channel]:
        return [chat.channel for chat in self._generated.chats]

    def movable(self, *chats: GeneratedChat) -> dict[ItemKey, WorldItem]:
        """The files that have to be there, of all chats unless some are named."""
        chosen = chats or self._generated.chats
        items = expected_items(*chosen)
        failed = self.failed(*chosen)
        return {key: item for key, item in items.items() if key not in failed}

    def failed(self, *chats: GeneratedChat) -> frozenset[ItemKey]:
        """Those that can't be there, and are given up."""
        chosen = chats or self._generated.chats
        large = {(each.channel.chat_id, id_) for each in chosen for id_ in each.too_large_ids}
        keys = expected_items(*chosen)
        return frozenset(
            key for key in keys if key in self._refused or (key.chat_id, key.message_id) in large
        )

    def skipped(self, chat: GeneratedChat) -> dict[str, int]:
        return {RULES[why]: count for why, count in chat.left_out().items() if count}

    def balance(self, chat: GeneratedChat) -> dict[str, Any]:
        """What is to be told of Telegram's count, in the words of ``status --json``."""
        channel, seen = chat.channel, self.seen(chat)
        counted = {each: len(chat.counted(each)) for each in FILTERS.values()}
        vague = channel.inexact_counters | channel.uncounted
        fewer: list[dict[str, Any]] = [
            {"kind": kind, "counted": counted[each], "seen": seen.get(kind, 0)}
            for kind, each in FILTERS.items()
            if each not in vague and seen.get(kind, 0) < counted[each]
        ]
        return {
            "unseen": sum(each["counted"] - each["seen"] for each in fewer),
            "fewer": _by_kind(fewer),
            "not_compared": sorted(kind for kind, each in FILTERS.items() if each in vague),
        }

    def seen(self, chat: GeneratedChat) -> Counter[str]:
        """The messages that are shown, by the kind as which Telegram counts them."""
        shown_ids = {message.id for message in chat.shown()}
        return Counter(
            {
                kind: sum(each in shown_ids for each in chat.counted(filter_type))
                for kind, filter_type in FILTERS.items()
            }
        )

    # --- what the program says -----------------------------------------------------------------

    def problems_before(self, call: Call) -> Iterator[str]:
        """In what a dry run differs from the world, of which nothing is moved or known to be
        refused."""
        told = call(["sync", "--dry-run"])
        skipped = sum(sum(self.skipped(chat).values()) for chat in self._generated.chats)
        movable, failed = len(self.movable()), len(self.failed())
        expected = {
            "status": "more" if movable else "complete",
            "seen": str(movable + failed + skipped),
            "done": "0",
            "skipped": str(skipped),
            "failed": str(failed),
            "bytes": "0",
        }
        yield from _differs("a dry run", told.result, expected)

    def problems(self, call: Call, *, all_moves_known: bool) -> Iterator[str]:
        """In what the program's words differ from the world, all of which is moved.

        ``all_moves_known``: no disk was lost or rolled back, so that every move is on record.
        """
        yield from self._of_states()
        # First, for it tells what all runs together have seen.
        yield from self._of_status(call(["status", "--json"]), all_moves_known=all_moves_known)
        yield from self._of_a_run(call(["sync", "--restart"]))
        yield from self._of_verify(call(["verify", "--json"]))

    def _of_states(self) -> Iterator[str]:
        """One message for each chat, which says what was seen of each kind."""
        saved = self._generated.world.saved_messages
        messages = (saved.message(number) for number in range(1, saved.highest_id_ever() + 1))
        texts = (str(getattr(message, "message", "")) for message in messages)
        states = [json.loads(text.split("\n")[1]) for text in texts if text.startswith(STATE)]
        ids = sorted(int(state["channel_id"]) for state in states)
        yield from _differs("the state messages' chats", ids, self._chat_ids())
        for chat in self._generated.chats:
            for state in states:
                if int(state["channel_id"]) == chat.channel.chat_id:
                    seen = {kind: n for kind, n in state.get("seen", {}).items() if kind in FILTERS}
                    expected = {kind: n for kind, n in self.seen(chat).items() if n}
                    of = f"what the state of {chat.channel.chat_id} has seen"
                    if chat.channel.chat_id not in self._deleted_in:
                        yield from _differs(of, seen, expected)
                    elif any(seen.get(kind, 0) < count for kind, count in expected.items()):
                        yield f"{of}: {seen}, expected {expected} at least"

    def _of_a_run(self, told: Told) -> Iterator[str]:
        """Of one that has read everything once more."""
        chats = self._generated.chats
        skipped = sum(sum(self.skipped(chat).values()) for chat in chats)
        done, failed = len(self.movable()), len(self.failed())
        expected = {
            "status": "complete",
            "seen": str(done + failed + skipped),
            "done": str(done),
            "skipped": str(skipped),
            "failed": str(failed),
            "bytes": "0",
            **self._unseen_words(),
        }
        yield from _differs("a run from the start", told.exit_status, 0)
        yield from _differs("its result line", told.result, expected)
        if ("Telegram counts" in told.stderr) is not ("unseen" in expected):
            yield f"it says of what was not seen: {told.stderr[-1000:]}"

    def _of_verify(self, told: Told) -> Iterator[str]:
        if not told.stdout.startswith("["):
            yield f"verify said {told.stdout!r} {told.stderr[-500:]!r}"
            return
        records = {each["chat"]["id"]: each for each in json.loads(told.stdout)}
        yield from _differs("verify's exit status", told.exit_status, 3 if self.failed() else 0)
        yield from _differs("verify's chats", sorted(records), self._chat_ids())
        for chat in self._generated.chats:
            record = records.get(chat.channel.chat_id, {})
            of = f"verify of {chat.channel.chat_id}: "
            given_up = [
                ItemKey(chat.channel.chat_id, each["message_id"], each.get("index", 1))
                for each in record.get("given_up", ())
            ]
            yield from _differs(f"{of}there", record.get("there"), len(self.movable(chat)))
            yield from _differs(f"{of}given up", set(given_up), self.failed(chat))
            yield from _differs(f"{of}skipped", record.get("skipped"), self.skipped(chat))
            for empty in ("missing", "wrong", "double"):
                yield from _differs(of + empty, record.get(empty), [])
            gone = sum(key.chat_id == chat.channel.chat_id for key in self.gone)
            if len(record.get("unknown", ())) > gone:
                yield f"{of}unknown {record['unknown']!r}, and {gone} are gone"
            yield from _differs(f"{of}balance", _sorted(record.get("balance")), self.balance(chat))

    def _of_status(self, told: Told, *, all_moves_known: bool) -> Iterator[str]:
        if told.exit_status != 0:
            yield f"status ended with {told.exit_status} and said {told.stderr[-500:]!r}"
            return
        records = {each["chat_id"]: each for each in json.loads(told.stdout)}
        yield from _differs("status' chats", sorted(records), self._chat_ids())
        for chat in self._generated.chats:
            record = records.get(chat.channel.chat_id, {})
            problems = self._of_status_of(chat, record, all_moves_known)
            yield from (f"status of {chat.channel.chat_id}: {problem}" for problem in problems)

    def _of_status_of(
        self, chat: GeneratedChat, record: Mapping[str, Any], all_moves_known: bool
    ) -> Iterator[str]:
        failed = self.failed(chat)
        yield from _differs("activity", record.get("activity"), "complete")
        last_id, newest_id = record.get("last_message_id"), record.get("newest_message_id")
        # A chat without any message is in no list of chats.
        is_empty = newest_id is None and not chat.channel.newest_id()
        is_part = chat.topic_id is not None  # it has a newest message of its own
        is_read = last_id is not None and newest_id is not None and newest_id <= last_id
        if not (is_read or is_part or is_empty):
            yield f"read up to {last_id}, and the newest is {newest_id}"
        items = self.movable(chat).values()
        moved = (record.get("files_moved", -1), record.get("bytes_moved", -1))
        all_moved = (len(items), sum(item.file.size_bytes for item in items))
        if chat.channel.chat_id in self._deleted_in:
            return
        failed_ids = sorted({key.message_id for key in failed})
        yield from _differs("failed", record.get("failed"), len(failed))
        yield from _differs("failed messages", record.get("failed_message_ids"), failed_ids)
        yield from _differs("balance", _sorted(record.get("balance")), self.balance(chat))
        if all_moves_known:
            yield from _differs("files and bytes moved", moved, all_moved)
        elif not 0 <= moved[0] <= all_moved[0]:
            yield f"{moved} moved of {all_moved}"

    def _chat_ids(self) -> list[int]:
        return sorted(channel.chat_id for channel in self.channels)

    def _unseen_words(self) -> dict[str, str]:
        balances = [self.balance(chat) for chat in self._generated.chats]
        unseen = sum(each["unseen"] for each in balances)
        words = {"unseen": str(unseen)} if unseen else {}
        vague = any(each["not_compared"] for each in balances)
        return {**words, "uncompared": "1"} if vague else words


def _sorted(balance: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if balance is None:
        return None
    return {
        **balance,
        "fewer": _by_kind(balance["fewer"]),
        "not_compared": sorted(balance["not_compared"]),
    }


def _by_kind(fewer: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(fewer, key=lambda each: str(each["kind"]))


def _differs(what: str, found: object, expected: object) -> Iterator[str]:
    if found != expected:
        yield f"{what}: {found!r}, expected {expected!r}"
