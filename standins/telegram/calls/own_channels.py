"""A channel of one's own: made, filled, renamed, emptied, deleted.

https://core.telegram.org/api/channel. Whoever makes a channel may post there; what others have made
is theirs, and nothing here writes to it.
"""

from __future__ import annotations

import time

from pyrogram import raw

from ..mtproto.wire import TlObject
from ..world.channel import CHANNEL_ID_SHIFT, Channel
from ..world.content import derived_number
from ..world.plan import Envelope, FilePlan
from .entities import channel_by_input, chat, own_user
from .input_media import posted
from .rpc import Call, RpcError, handles
from .saved import new_message, writable

_MOST_TITLE_LENGTH = 128
_LEAST_ALBUM, _MOST_ALBUM = 2, 10


@handles(raw.functions.channels.CreateChannel)
def create_channel(call: Call, request: raw.functions.channels.CreateChannel) -> TlObject:
    if not 1 <= len(request.title) <= _MOST_TITLE_LENGTH:
        raise RpcError(400, "CHAT_TITLE_EMPTY")
    if not (request.broadcast or request.megagroup):
        raise RpcError(400, "CHANNEL_INVALID")
    number = 1_500_000_000 + derived_number("own", len(call.world.channels), bits=28)
    channel = call.world.add(
        chat_id=-(CHANNEL_ID_SHIFT + number),
        kind="channel" if request.broadcast else "supergroup",
        title=request.title,
    )
    channel.owned = True
    message_id = channel.append(kind="service", by=call.session)
    made = raw.types.UpdateChannel(channel_id=channel.raw_id)
    return _updates(call, channel, [made, new_message(call, channel, message_id)])


@handles(raw.functions.channels.DeleteChannel)
def delete_channel(call: Call, request: raw.functions.channels.DeleteChannel) -> TlObject:
    """From then on whoever names it is told that it is private."""
    channel = _owned(call, request.channel)
    channel.private = True
    gone = raw.types.ChannelForbidden(
        id=channel.raw_id,
        access_hash=channel.access_hash,
        title=channel.title,
        broadcast=channel.kind == "channel" or None,
        megagroup=channel.kind == "supergroup" or None,
    )
    return raw.types.Updates(
        updates=[raw.types.UpdateChannel(channel_id=channel.raw_id)],
        users=[],
        chats=[gone],
        date=int(time.time()),
        seq=0,
    )


@handles(raw.functions.channels.EditTitle)
def edit_title(call: Call, request: raw.functions.channels.EditTitle) -> TlObject:
    channel = _owned(call, request.channel)
    if channel.title == request.title:
        raise RpcError(400, "CHAT_NOT_MODIFIED")
    channel.title = request.title
    message_id = channel.append(request.title, kind="service", by=call.session)
    return _updates(call, channel, [new_message(call, channel, message_id)])


@handles(raw.functions.channels.DeleteMessages)
def delete_messages(call: Call, request: raw.functions.channels.DeleteMessages) -> TlObject:
    channel = _owned(call, request.channel)
    deleted = channel.delete(request.id)
    return raw.types.messages.AffectedMessages(pts=channel.newest_id() + 1, pts_count=len(deleted))


@handles(raw.functions.messages.SendMedia)
def send_media(call: Call, request: raw.functions.messages.SendMedia) -> TlObject:
    channel = _of_one_s_own(call, request.peer)
    _check_random_id(call, request.random_id)
    message_id = _append(call, channel, posted(call, request.media), request.message)
    sent = raw.types.UpdateMessageID(id=message_id, random_id=request.random_id)
    return _updates(call, channel, [sent, new_message(call, channel, message_id)])


@handles(raw.functions.messages.SendMultiMedia)
def send_multi_media(call: Call, request: raw.functions.messages.SendMultiMedia) -> TlObject:
    """An album, of what was uploaded before (https://core.telegram.org/api/files#albums)."""
    channel = _of_one_s_own(call, request.peer)
    if not _LEAST_ALBUM <= len(request.multi_media) <= _MOST_ALBUM:
        raise RpcError(400, "MULTI_MEDIA_TOO_LONG")
    grouped_id = derived_number("album", channel.chat_id, channel.newest_id())
    updates: list[raw.base.Update] = []
    for single in request.multi_media:
        assert isinstance(single, raw.types.InputSingleMedia)
        if isinstance(
            single.media, (raw.types.InputMediaUploadedPhoto, raw.types.InputMediaUploadedDocument)
        ):
            raise RpcError(400, "MEDIA_INVALID")
        _check_random_id(call, single.random_id)
        file = posted(call, single.media)
        message_id = _append(call, channel, file, single.message, grouped_id)
        updates.append(raw.types.UpdateMessageID(id=message_id, random_id=single.random_id))
        updates.append(new_message(call, channel, message_id))
    return _updates(call, channel, updates)


def _append(
    call: Call, channel: Channel, what: FilePlan | Envelope, text: str, album: int | None = None
) -> int:
    if isinstance(what, FilePlan):
        return channel.append(text, file=what, grouped_id=album, by=call.session)
    return channel.append(text, envelope=what, grouped_id=album, by=call.session)


def _owned(call: Call, named: raw.base.InputChannel) -> Channel:
    channel = channel_by_input(call.world, named)
    if not channel.owned:
        raise RpcError(400, "CHAT_ADMIN_REQUIRED")
    return channel


def _of_one_s_own(call: Call, peer: raw.base.InputPeer) -> Channel:
    """Media is posted to a channel of one's own, and nowhere else."""
    channel = writable(call, peer)
    if not channel.owned:
        raise RpcError(403, "CHAT_SEND_MEDIA_FORBIDDEN")
    return channel


def _check_random_id(call: Call, random_id: int) -> None:
    if random_id in call.service.used_random_ids:
        raise RpcError(500, "RANDOM_ID_DUPLICATE")
    call.service.used_random_ids.add(random_id)


def _updates(call: Call, channel: Channel, updates: list[raw.base.Update]) -> TlObject:
    return raw.types.Updates(
        updates=updates,
        users=[own_user(call.world)],
        chats=[chat(channel)],
        date=int(time.time()),
        seq=0,
    )
