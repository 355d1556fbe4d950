"""What a call names: the chats that it is about, and a user name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyrogram import raw

from ..mtproto.wire import TlObject
from ..world.channel import CHANNEL_ID_SHIFT
from ..world.world import World


def chats_named(world: World, request: TlObject, file_id: int | None) -> frozenset[int]:
    """The marked ids of the chats that a call is about, whether they are there or not."""
    found = set(_ids_in(world, request))
    if file_id is not None and (chat := world.chat_of_file(file_id)) is not None:
        found.add(chat.chat_id)
    if isinstance(request, raw.functions.messages.GetMessages):
        wanted = (getattr(each, "id", 0) for each in request.id)
        chats = (world.shared_chat(message_id) for message_id in wanted)
        found.update(chat.chat_id for chat in chats if chat is not None)
    return frozenset(found)


def username_in(request: TlObject) -> str | None:
    name = getattr(request, "username", None)
    return name.lower() if isinstance(name, str) else None


def _ids_in(world: World, request: Any) -> Iterator[int]:
    several = getattr(request, "id", None)
    named = [getattr(request, "peer", None), getattr(request, "channel", None)]
    named += several if isinstance(several, list) else [several]
    for each in named:
        if isinstance(each, (raw.types.InputPeerChannel, raw.types.InputChannel)):
            yield -(CHANNEL_ID_SHIFT + each.channel_id)
        elif isinstance(each, raw.types.InputPeerChat):
            yield -each.chat_id
        elif isinstance(each, (raw.types.InputPeerUser, raw.types.InputUser)):
            yield each.user_id
        elif isinstance(each, raw.types.InputPeerSelf):
            yield world.account.user_id
    if isinstance(request, raw.functions.messages.GetChats):
        yield from (-chat_id for chat_id in request.id)
    if isinstance(request, raw.functions.messages.GetFullChat):
        yield -request.chat_id
