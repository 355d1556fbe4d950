"""Small chats in every shape that Telegram has, drawn from a seed.

A generated world knows of each message what it holds beside the files that can be had, so that the
books of whoever reads it can be compared to the last message.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from pyrogram import raw

from . import envelopes, recipes, schema, worlds
from .channel import Channel, Message, WorldItem
from .content import derived_number
from .history import FILTER_KINDS
from .names import HOSTILE_NAMES
from .plan import FILE_KINDS, Envelope, FilePlan
from .world import World

TOO_LARGE_BYTES = 10**10
"""Of a file that no campaign's disk can take."""

_PIECES = (10, 60)
_FILLERS = (120, 320)
"""So many texts more in a long chat: its pages are not filled by what the dice have drawn."""

_SIZES = (0, 1, 700, 4000, 4000, 4000, 60_000, 150_000)
"""Of most files: two files of a message, or of two messages, often have one size."""

_LARGE_BYTES = (1_048_576, 1_300_000, 2_500_000)
_STEP_SECONDS = 600


class LeftOut(str, Enum):
    """Why nothing can be had of what a message holds, or of a part of it."""

    LOCKED = "for stars, not bought"
    UNREADABLE = "a kind of a later layer"
    EXPIRED = "its time is over"
    STORY = "a story that was passed on"
    CHAT_PICTURE = "the chat's new picture"
    STICKER = "a sticker"


@dataclass
class GeneratedChat:
    """``channel``, or a topic of it, and what its messages hold that can't be had, as it was when
    they were posted."""

    channel: Channel
    topic_id: int | None = None
    posted: dict[int, tuple[LeftOut, int]] = field(default_factory=dict)
    locked_ids: list[int] = field(default_factory=list)
    too_large_ids: list[int] = field(default_factory=list)

    def left_out(self) -> Counter[LeftOut]:
        """What is shown now and can't be had, or is a sticker."""
        found = Counter(LeftOut.STICKER for item in self.items() if item.kind == "sticker")
        for message in self.shown():
            if message.id in self.posted and not self.channel.items_of(message.id):
                why, count = self.posted[message.id]
                found[why] += count
        return found

    def items(self) -> Iterator[WorldItem]:
        for message in self.shown():
            yield from self.channel.items_of(message.id)

    def shown(self) -> list[Message]:
        ids = self.channel.ids_of(raw.types.InputMessagesFilterEmpty, self.topic_id)
        found = map(self.channel.message, ids)
        return [message for message in found if message is not None]

    def counted(self, filter_type: type) -> list[int]:
        """The messages that Telegram counts by this filter, shown or not."""
        return self.channel.ids_of(filter_type, self.topic_id)


@dataclass(frozen=True)
class Generated:
    """``words`` are how a user names the chats, all of them at once."""

    world: World
    chats: tuple[GeneratedChat, ...]
    words: tuple[str, ...]


def generated(seed: int) -> Generated:
    dice = random.Random(derived_number("generated", seed))
    kind = dice.choice(("channel", "channel", "supergroup", "supergroup", "group", "saved"))
    world = worlds.files(seed=seed, sizes=[], kind=kind)
    source = GeneratedChat(world.source)
    chats = [source]
    if kind == "supergroup" and dice.random() < 0.3:
        source.topic_id = world.source.append("a topic", kind="service", date=recipes.FIRST_DATE)
    elif kind == "supergroup" and dice.random() < 0.7:
        older = GeneratedChat(worlds.add_older_part(world, sizes=[]))
        # Nobody writes there any more. Its last word stays: a group without messages is none.
        _Author(older, dice, world.home_dc_id).write(dice.randint(3, 20), fillers=0)
        chats.append(older)
    fillers = dice.randint(*_FILLERS) if dice.random() < 0.4 else 0
    _Author(source, dice, world.home_dc_id).write(dice.randint(*_PIECES), fillers)
    for chat in chats:
        _delete_some(chat, dice)
        _withhold_some(chat, dice)
        _count_badly(chat.channel, dice)
    spelling = {"group": str(world.source.chat_id), "saved": "me"}.get(
        kind, f"@{worlds.SOURCE_USERNAME}"
    )
    topic = () if source.topic_id is None else ("--topic", str(source.topic_id))
    return Generated(world, tuple(chats), ("-u", spelling, *topic))


def post_more(chat: GeneratedChat, dice: random.Random, pieces: int) -> None:
    """What comes while others read."""
    _Author(chat, dice, home_dc_id=2).write(pieces, fillers=0)


class _Author:
    """Writes into one chat."""

    def __init__(self, chat: GeneratedChat, dice: random.Random, home_dc_id: int) -> None:
        self._chat = chat
        self._channel = chat.channel
        self._dice = dice
        self._home_dc_id = home_dc_id
        self._file_ids: list[int] = []
        self._pieces: Sequence[tuple[int, Callable[[], None]]] = (
            (30, self._file),
            (8, self._album),
            (8, self._text),
            (4, self._again),
            (10, self._several),
            (5, self._locked),
            (3, self._at_another_place),
            (2, self._expired),
            (2, self._unreadable),
            (2, self._edited),
            (2, self._sticker),
            (1, self._too_large),
        )

    def write(self, pieces: int, fillers: int) -> None:
        weights, makers = zip(*self._pieces, strict=True)
        plan = self._dice.choices(makers, weights, k=pieces)
        for _ in range(self._dice.randint(1, 3) if fillers else 0):
            # Talk comes in stretches.
            at = self._dice.randint(0, len(plan))
            plan[at:at] = [self._text] * (fillers // 2)
        for make in plan:
            make()

    def _post(self, text: str = "", **what: object) -> int:
        message: Callable[..., int] = self._channel.append
        date = recipes.FIRST_DATE + self._channel.highest_id_ever() * _STEP_SECONDS
        topic_id = self._chat.topic_id
        if topic_id is not None and self._dice.random() < 0.3:
            topic_id = None
        return message(text, date=date, topic_id=topic_id, **what)

    def _text(self) -> None:
        self._post("talk", kind=self._dice.choice(("text", "text", "text", "link", "service")))

    def _file(self) -> None:
        self._file_ids.append(self._post("a caption", file=self._plan()))

    def _sticker(self) -> None:
        self._post(file=self._plan("sticker"))

    def _album(self) -> None:
        grouped_id = self._dice.getrandbits(40) + 1
        for _ in range(self._dice.randint(2, 10)):
            kind = self._dice.choice(("photo", "video"))
            self._file_ids.append(self._post(file=self._plan(kind), grouped_id=grouped_id))

    def _again(self) -> None:
        """The very file of an earlier message."""
        if self._file_ids:
            self._post("again", file_of=(self._channel, self._dice.choice(self._file_ids)))

    def _edited(self) -> None:
        if self._file_ids:
            message_id = self._dice.choice(self._file_ids)
            self._channel.replace_file(message_id, self._plan("document"))

    def _too_large(self) -> None:
        plan = recipes.listed_file("document", TOO_LARGE_BYTES, "huge.bin", self._home_dc_id)
        self._chat.too_large_ids.append(self._post(file=plan))

    def _several(self) -> None:
        plan, visual, up_to = self._plan, self._visual, self._dice.randint
        makers: tuple[Callable[[], Envelope], ...] = (
            lambda: envelopes.paid(*visual(up_to(1, 10))),
            lambda: envelopes.invoice(plan("video")),
            lambda: envelopes.live_photo(plan("photo"), plan("video")),
            lambda: envelopes.with_cover(plan("video"), plan("photo")),
            lambda: envelopes.poll(plan("photo"), *visual(up_to(0, 4)), solution=plan("document")),
            lambda: envelopes.rich(*(plan() for _ in range(up_to(1, 5)))),
        )
        self._post("several", envelope=self._dice.choice(makers)())

    def _locked(self) -> None:
        if self._dice.random() < 0.3:
            envelope = envelopes.invoice(self._plan("photo"), locked=True)
        else:
            envelope = envelopes.paid(*self._visual(self._dice.randint(1, 10)), locked=True)
        message_id = self._without_files(envelope, LeftOut.LOCKED, len(envelope.files))
        self._chat.locked_ids.append(message_id)

    def _expired(self) -> None:
        envelope = envelopes.expired(is_photo=self._dice.random() < 0.5)
        self._without_files(envelope, LeftOut.EXPIRED)

    def _unreadable(self) -> None:
        self._without_files(envelopes.unsupported(), LeftOut.UNREADABLE)

    def _at_another_place(self) -> None:
        """What hangs on a message and is no file of it, or not one that is moved."""
        name, why = self._dice.choice(_ELSEWHERE)
        path = _path_through(name)
        file = self._plan("photo" if path[-1].leads_to == "Photo" else "document")
        envelope = envelopes.at(path, file, is_posted=False)
        self._without_files(envelope, why)

    def _without_files(self, envelope: Envelope, why: LeftOut | None, count: int = 1) -> int:
        message_id = self._post("a post", envelope=envelope)
        if why is not None:
            self._chat.posted[message_id] = (why, count)
        return message_id

    def _visual(self, count: int) -> list[FilePlan]:
        return [self._plan(self._dice.choice(("photo", "video"))) for _ in range(count)]

    def _plan(self, kind: str | None = None) -> FilePlan:
        dice = self._dice
        kind = kind or dice.choice([each for each in FILE_KINDS if each != "sticker"])
        size_bytes = dice.choice(_LARGE_BYTES if dice.random() < 0.08 else _SIZES)
        name = None
        if kind in recipes.NAMED_KINDS and dice.random() < 0.8:
            name = dice.choice((recipes.EQUAL_NAME, dice.choice(HOSTILE_NAMES), "clip.mp4"))
        if kind in ("photo", "sticker"):
            size_bytes = max(size_bytes, 1)
        dc_id = dice.choice(worlds.ALL_DC_IDS) if dice.random() < 0.1 else self._home_dc_id
        return recipes.listed_file(kind, size_bytes, name, dc_id)


_ELSEWHERE: tuple[tuple[str, LeftOut | None], ...] = (
    ("MessageMediaStory.story", LeftOut.STORY),
    ("MessageActionChatEditPhoto.photo", LeftOut.CHAT_PICTURE),
    ("MessageMediaWebPage.webpage", None),
    ("MessageMediaGame.game", None),
    ("MessageActionStarGift.gift", None),
)


def _path_through(name: str) -> schema.Path:
    """A short way to a file that leads through this field."""
    return min((path for path in schema.paths() if name in map(str, path)), key=len)


def _delete_some(chat: GeneratedChat, dice: random.Random) -> None:
    """Here and there, in one stretch, and at the end; but the last word of an older part, and
    what a topic begins with."""
    channel = chat.channel
    ids = range(1, channel.highest_id_ever() + 1)
    rate = dice.choice((0.0, 0.1, 0.3))
    gone = {each for each in ids if dice.random() < rate}
    if dice.random() < 0.2:
        start = dice.choice(ids)
        gone |= set(range(start, start + dice.randint(5, 130)))
    if dice.random() < 0.2:
        gone |= set(ids[-dice.randint(1, 5) :])
    if channel.migrated_to is not None:
        gone.discard(ids[-1])
    channel.delete(each for each in gone if each != chat.topic_id)


def _withhold_some(chat: GeneratedChat, dice: random.Random) -> None:
    if dice.random() < 0.4:
        return
    channel = chat.channel
    ids = range(1, channel.highest_id_ever() + 1)
    withheld = {each for each in ids if dice.random() < 0.06}
    if dice.random() < 0.2:
        start = dice.choice(ids)
        withheld |= set(range(start, start + dice.randint(5, 130)))
    if dice.random() < 0.25:
        withheld.add(channel.newest_id())
    withheld &= set(ids)  # what is yet to come is shown
    channel.withheld = frozenset(each for each in withheld if each != chat.topic_id)
    channel.withheld_as_empty = dice.random() < 0.4


def _count_badly(channel: Channel, dice: random.Random) -> None:
    if dice.random() < 0.25:
        channel.inexact_counters = frozenset(dice.sample(list(FILTER_KINDS), 3))
    if dice.random() < 0.25:
        channel.uncounted = frozenset(dice.sample(list(FILTER_KINDS), 3))
