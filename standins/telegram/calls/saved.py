"""Calls that write: a message of one's own, sent, edited, pinned, deleted, in Saved Messages or in
a channel that the account has made."""

from __future__ import annotations

import time

from pyrogram import raw

from ..mtproto.wire import TlObject
from ..world.channel import Channel, Message
from ..world.plan import FilePlan
from . import input_media
from .connection import MESSAGE_LENGTH_MAX
from .entities import chat_by_peer, own_user
from .rpc import Call, RpcError, handles


@handles(raw.functions.messages.SendMessage)
def send_message(call: Call, request: raw.functions.messages.SendMessage) -> TlObject:
    saved = writable(call, request.peer)
    _check_text(request.message)
    if request.random_id in call.service.used_random_ids:
        raise RpcError(500, "RANDOM_ID_DUPLICATE")
    call.service.used_random_ids.add(request.random_id)
    message_id = saved.append(request.message, entities=request.entities or (), by=call.session)
    sent = raw.types.UpdateMessageID(id=message_id, random_id=request.random_id)
    return updates_of(call, [sent, new_message(call, saved, message_id)])


@handles(raw.functions.messages.EditMessage)
def edit_message(call: Call, request: raw.functions.messages.EditMessage) -> TlObject:
    saved = writable(call, request.peer)
    text = request.message
    if saved.owned and request.media is not None:
        return edit_media(call, saved, request)
    if text is None:
        raise RpcError(400, "MESSAGE_NOT_MODIFIED")
    _check_text(text)
    try:
        changed = saved.edit(request.id, text, request.entities or ())
    except KeyError:
        raise RpcError(400, "MESSAGE_ID_INVALID") from None
    if not changed:
        raise RpcError(400, "MESSAGE_NOT_MODIFIED")
    return updates_of(call, [edited_message(call, saved, request.id)])


@handles(raw.functions.messages.UpdatePinnedMessage)
def update_pinned_message(
    call: Call, request: raw.functions.messages.UpdatePinnedMessage
) -> TlObject:
    saved = writable(call, request.peer)
    pin = not request.unpin
    try:
        if (request.id in saved.pinned_ids()) == pin and saved.message(request.id):
            raise RpcError(400, "CHAT_NOT_MODIFIED")
        saved.pin(request.id, pin)
    except KeyError:
        raise RpcError(400, "MESSAGE_ID_INVALID") from None
    pinned = raw.types.UpdatePinnedMessages(
        peer=saved.peer,
        messages=[request.id],
        pts=call.service.next_pts(),
        pts_count=1,
        pinned=pin or None,
    )
    return updates_of(call, [pinned])


@handles(raw.functions.messages.DeleteMessages)
def delete_messages(call: Call, request: raw.functions.messages.DeleteMessages) -> TlObject:
    """By id alone, so never in a channel; ids that are not there are passed over."""
    deleted = 0
    for message_id in request.id:
        chat = call.world.shared_chat(message_id)
        deleted += len(chat.delete([message_id])) if chat else 0
    call.service.pts += deleted
    return raw.types.messages.AffectedMessages(pts=call.service.pts, pts_count=deleted)


@handles(raw.functions.messages.ForwardMessages)
def forward_messages(call: Call, request: raw.functions.messages.ForwardMessages) -> TlObject:
    """Into Saved Messages, as every other call that writes. From a chat whose content is protected
    nothing is forwarded (https://core.telegram.org/method/messages.forwardMessages)."""
    saved = writable(call, request.to_peer)
    origin = chat_by_peer(call.world, request.from_peer)
    if origin.protected:
        raise RpcError(400, "CHAT_FORWARDS_RESTRICTED")
    updates: list[raw.base.Update] = []
    for message_id, random_id in zip(request.id, request.random_id, strict=True):
        copy_id = saved.append(
            file_of=(origin, message_id),
            forward=raw.types.MessageFwdHeader(
                date=message_of(origin, message_id).date,
                from_id=origin.peer,
                channel_post=message_id,
            ),
            by=call.session,
        )
        updates.append(raw.types.UpdateMessageID(id=copy_id, random_id=random_id))
        updates.append(
            raw.types.UpdateNewMessage(
                message=message_of(saved, copy_id), pts=call.service.next_pts(), pts_count=1
            )
        )
    return updates_of(call, updates)


def writable(call: Call, peer: raw.base.InputPeer) -> Channel:
    """Saved Messages: nothing else is written by the program, so nothing else may be, but a channel
    that the account has made here."""
    channel = chat_by_peer(call.world, peer)
    if channel.owned:
        return channel
    if channel.kind == "channel":
        raise RpcError(400, "CHAT_ADMIN_REQUIRED")
    if channel.kind != "saved":
        raise RpcError(403, "CHAT_WRITE_FORBIDDEN")
    return channel


def message_of(chat: Channel, message_id: int) -> Message:
    message = chat.message(message_id)
    if message is None:
        raise RpcError(400, "MESSAGE_ID_INVALID")
    return message


def _check_text(text: str) -> None:
    """Telegram counts UTF-16 units, and trims what it counts."""
    if not text.strip():
        raise RpcError(400, "MESSAGE_EMPTY")
    if len(text.strip().encode("utf-16-le")) // 2 > MESSAGE_LENGTH_MAX:
        raise RpcError(400, "MESSAGE_TOO_LONG")


def new_message(call: Call, channel: Channel, message_id: int) -> raw.base.Update:
    message = message_of(channel, message_id)
    if channel.is_channel:
        return raw.types.UpdateNewChannelMessage(message=message, pts=message_id + 1, pts_count=1)
    return raw.types.UpdateNewMessage(message=message, pts=call.service.next_pts(), pts_count=1)


def edited_message(call: Call, channel: Channel, message_id: int) -> raw.base.Update:
    message = message_of(channel, message_id)
    if channel.is_channel:
        pts = channel.newest_id() + 1
        return raw.types.UpdateEditChannelMessage(message=message, pts=pts, pts_count=1)
    return raw.types.UpdateEditMessage(message=message, pts=call.service.next_pts(), pts_count=1)


def edit_media(
    call: Call, channel: Channel, request: raw.functions.messages.EditMessage
) -> TlObject:
    """The message holds another file from now on."""
    assert request.media is not None
    file = input_media.posted(call, request.media)
    if not isinstance(file, FilePlan):
        raise RpcError(400, "MEDIA_NEW_INVALID")
    try:
        channel.replace_file(request.id, file)
    except KeyError:
        raise RpcError(400, "MESSAGE_ID_INVALID") from None
    return updates_of(call, [edited_message(call, channel, request.id)])


def updates_of(call: Call, updates: list[raw.base.Update]) -> TlObject:
    return raw.types.Updates(
        updates=updates,
        users=[own_user(call.world)],
        chats=[],
        date=int(time.time()),
        seq=0,
    )
