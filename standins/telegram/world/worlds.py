"""Ready worlds, each made from a seed. `World.source` is the chat that a world is about."""

from __future__ import annotations

from collections.abc import Sequence

from . import recipes
from .channel import CHANNEL_ID_SHIFT, Channel
from .content import derived_number
from .plan import Recipe
from .world import Account, Community, World

SOURCE_TITLE = "Stand-in: all kinds"
SOURCE_USERNAME = "stand_in_source"
INVITE_JOINED = "JoinedInviteHash"
INVITE_NOT_JOINED = "StrangerInviteHash"
ALL_DC_IDS = (1, 2, 3, 4, 5)

_NEW_STYLE_CHANNEL_ID = (1 << 31) + 400_000_000
_OLD_STYLE_CHANNEL_ID = 1_234_000_000
_GROUP_ID = 4_000_000
_DAY_SECONDS = 86400


def mixed(
    *,
    seed: int = 7,
    messages: int = 150,
    mean_size_bytes: int = 20_000,
    too_large_bytes: int | None = 10**12,
    foreign_files: bool = True,
    kind: str = "channel",
    password: str | None = None,
    home_dc_id: int = 2,
) -> World:
    """A chat with every kind of message; from 150 messages on with every hostile name.

    About 0.82 files a message. All files together have about `mean_size_bytes` for each, beside
    the one of `too_large_bytes` (None leaves it out). `kind` is what the source is: "channel",
    "supergroup", "group" or "saved".
    """
    sizes = recipes.SizesAndPlaces(
        mean_bytes=mean_size_bytes,
        too_large_bytes=too_large_bytes,
        home_dc_id=home_dc_id,
        foreign_dc_ids=tuple(d for d in ALL_DC_IDS if d != home_dc_id) if foreign_files else (),
    )
    deck = recipes.shuffled_deck(seed, recipes.mixed_units())
    recipe = recipes.DeckRecipe(seed=seed, newest_id=messages, deck=deck, sizes=sizes)
    world = _world_with(recipe, seed=seed, kind=kind, password=password, home_dc_id=home_dc_id)
    if world.source.message(1) is not None:
        world.source.pin(1, on=True)
    return world


def sparse(
    *,
    seed: int = 7,
    messages: int = 100_000,
    media_every: int = 100,
    mean_size_bytes: int = 20_000,
    kind: str = "channel",
    home_dc_id: int = 2,
) -> World:
    """A long history of talk with a file in `media_every` messages."""
    sizes = recipes.SizesAndPlaces(
        mean_bytes=mean_size_bytes, too_large_bytes=None, home_dc_id=home_dc_id, foreign_dc_ids=()
    )
    deck = recipes.shuffled_deck(seed, recipes.sparse_units(media_every))
    recipe = recipes.DeckRecipe(seed=seed, newest_id=messages, deck=deck, sizes=sizes)
    return _world_with(recipe, seed=seed, kind=kind, home_dc_id=home_dc_id)


def files(
    *,
    seed: int = 7,
    sizes: Sequence[int],
    times: int = 1,
    names: Sequence[str | None] | None = None,
    file_kind: str = "document",
    apart: int = 1,
    dc_id: int | None = None,
    kind: str = "channel",
    home_dc_id: int = 2,
) -> World:
    """Exactly these files (so many times over) and nothing else: message 1 holds the first, and
    so many messages apart are the others, with talk between them.

    Sizes are in bytes. Names are "file-<n>.bin" unless given; photos, voice and round video have
    none. `dc_id` is the home data centre unless given.
    """
    sizes = list(sizes) * times
    if names is None:
        named = file_kind in recipes.NAMED_KINDS
        names = [f"file-{n}.bin" if named else None for n in range(1, len(sizes) + 1)]
    dc_id = home_dc_id if dc_id is None else dc_id
    plans = tuple(
        recipes.listed_file(file_kind, size, name, dc_id)
        for size, name in zip(sizes, names, strict=True)
    )
    recipe = recipes.ListedFiles(seed=seed, files=plans, apart=apart)
    return _world_with(recipe, seed=seed, kind=kind, home_dc_id=home_dc_id)


def add_older_part(world: World, *, sizes: Sequence[int]) -> Channel:
    """The group that the source, a supergroup, was before: ``older-<n>.bin`` of these sizes.

    Its message ids are of the sequence that all chats but channels share, and overlap the source's.
    """
    group = world.add(chat_id=-_GROUP_ID - 77, kind="group", title=f"{world.source.title} (before)")
    for number, size_bytes in enumerate(sizes, start=1):
        plan = recipes.listed_file("document", size_bytes, f"older-{number}.bin", world.home_dc_id)
        group.append(file=plan)
    group.append("It became a supergroup.", kind="service")
    group.migrated_to = world.source
    return group


def _world_with(
    recipe: Recipe, *, seed: int, kind: str, home_dc_id: int, password: str | None = None
) -> World:
    account = Account(
        user_id=5_000_000_000 + derived_number("account", seed, bits=20),
        access_hash=derived_number("account access", seed),
        first_name="Ada",
        username="ada_stand_in",
        phone="15550123456",
        password=password,
        login_code="24680",
        premium=False,
    )
    world = World(seed=seed, account=account, home_dc_id=home_dc_id)
    _add_source(world, recipe, kind)
    _add_surroundings(world)
    return world


def _add_source(world: World, recipe: Recipe, kind: str) -> None:
    own_id = derived_number("source", world.seed, bits=20)
    title, username = SOURCE_TITLE, SOURCE_USERNAME
    match kind:
        case "channel" | "supergroup":
            chat_id = -(CHANNEL_ID_SHIFT + _NEW_STYLE_CHANNEL_ID + own_id)
            world.add(chat_id=chat_id, kind=kind, title=title, recipe=recipe, username=username)
        case "group":
            world.add(chat_id=-(_GROUP_ID + own_id), kind=kind, title=title, recipe=recipe)
        case "saved":
            chat_id = world.account.user_id
            world.add(chat_id=chat_id, kind=kind, title="Saved Messages", recipe=recipe)
        case _:
            raise ValueError(f"no world has a source of kind {kind!r}")


def _add_surroundings(world: World) -> None:
    """What else an account has: other chats, an invite-only channel that is joined and one not."""
    account = world.account
    if account.user_id not in world.channels:
        world.add(chat_id=account.user_id, kind="saved", title="Saved Messages")
    channel_id = -(CHANNEL_ID_SHIFT + _OLD_STYLE_CHANNEL_ID)
    world.add(chat_id=channel_id, kind="channel", title="News", username="stand_in_news")
    world.add(chat_id=channel_id - 1, kind="supergroup", title="Talk", username="stand_in_talk")
    world.add(chat_id=-_GROUP_ID + 1, kind="group", title="Family")
    world.add(chat_id=world.other_user_id, kind="user", title="Bob", username="bob_stand_in")
    world.add(
        chat_id=channel_id - 2, kind="channel", title="By invitation", invite_hash=INVITE_JOINED
    )
    world.add(
        chat_id=channel_id - 3,
        kind="channel",
        title="Strangers",
        invite_hash=INVITE_NOT_JOINED,
        joined=False,
    )
    day = recipes.FIRST_DATE - _DAY_SECONDS
    for chat in list(world.channels.values())[1:]:
        for number in range(1, 4):
            chat.append(f"{chat.title} {number}", date=day + number)


def add_every_kind_of_dialog(world: World) -> None:
    """What the list of an account can hold beside the chats that each world has: a channel's direct
    messages, people and bots with one name, with others or with none, accounts that are no more,
    a group that has become a supergroup, a community."""
    first_monoforum_id = 10**12 + 2**31 + 1  # https://core.telegram.org/api/bots/ids
    last_monoforum_id = 3 * 10**12
    for raw_id in (first_monoforum_id, 1_500_000_000_000, last_monoforum_id):
        title = f"Direct messages {raw_id}"
        world.add(chat_id=-(CHANNEL_ID_SHIFT + raw_id), kind="monoforum", title=title)
    largest_channel_id = 10**12 - 2**31
    world.add(chat_id=-(CHANNEL_ID_SHIFT + largest_channel_id), kind="channel", title="Far away")
    world.add(chat_id=-999_999_999_999, kind="group", title="A high number")
    old = world.add(chat_id=-_GROUP_ID + 2, kind="group", title="It has moved")
    old.migrated_to = world.source if world.source.kind == "supergroup" else None
    eve = world.add(chat_id=2**40 - 1, kind="user", title="Eve")
    ann = world.add(chat_id=777_000, kind="user", title="Ann")
    ann.bought_usernames = ("ann_stand_in_bought",)
    gif = world.add(chat_id=140_267_078, kind="user", title="GIF search", username="gif")
    gif.is_bot = True
    gone = world.add(chat_id=42, kind="user", title="Gone")
    gone.is_deleted = True
    forum = world.add(chat_id=-(CHANNEL_ID_SHIFT + 1_777_000_000), kind="supergroup", title="Named")
    forum.bought_usernames = ("forum_stand_in_bought",)
    banned = world.add(
        chat_id=-(CHANNEL_ID_SHIFT + 1_777_000_001), kind="channel", title="Shut out"
    )
    banned.banned = True
    eve.archived = True
    day = recipes.FIRST_DATE - 2 * _DAY_SECONDS
    for number, chat in enumerate(world.channels.values()):
        if not chat.newest_id():
            chat.append(f"{chat.title} {number}", date=day + number)
    for community_id in (42, 777_000, 1_234_000_000):  # as ids of people and of channels
        world.communities.append(Community(community_id, f"Community {community_id}"))
