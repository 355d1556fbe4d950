"""Calls that write: a message of one's own in Saved Messages, sent, edited, pinned, deleted."""

from __future__ import annotations

import time

from pyrogram import raw

from ..mtproto.wire import TlObject
from ..world.channel import Channel, Message
from .connection import MESSAGE_LENGTH_MAX
from .entities import chat_by_peer, own_user
from .rpc import Call, RpcError, handles


@handles(raw.functions.messages.SendMessage)
def send_message(call: Call, request: raw.functions.messages.SendMessage) -> TlObject:
    saved = _writable(call, request.peer)
    _check_text(request.message)
    if request.random_id in call.service.used_random_ids:
        raise RpcError(500, "RANDOM_ID_DUPLICATE")
    call.service.used_random_ids.add(request.random_id)
    message_id = saved.append(request.message, entities=request.entities or (), by=call.session)
    sent = raw.types.UpdateMessageID(id=message_id, random_id=request.random_id)
    new = raw.types.UpdateNewMessage(
        message=_message(saved, message_id), pts=call.service.next_pts(), pts_count=1
    )
    return _updates(call, [sent, new])


@handles(raw.functions.messages.EditMessage)
def edit_message(call: Call, request: raw.functions.messages.EditMessage) -> TlObject:
    saved = _writable(call, request.peer)
    text = request.message
    if text is None:
        raise RpcError(400, "MESSAGE_NOT_MODIFIED")
    _check_text(text)
    try:
        changed = saved.edit(request.id, text, request.entities or ())
    except KeyError:
        raise RpcError(400, "MESSAGE_ID_INVALID") from None
    if not changed:
        raise RpcError(400, "MESSAGE_NOT_MODIFIED")
    edited = raw.types.UpdateEditMessage(
        message=_message(saved, request.id), pts=call.service.next_pts(), pts_count=1
    )
    return _updates(call, [edited])


@handles(raw.functions.messages.UpdatePinnedMessage)
def update_pinned_message(
    call: Call, request: raw.functions.messages.UpdatePinnedMessage
) -> TlObject:
    saved = _writable(call, request.peer)
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
    return _updates(call, [pinned])


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
    saved = _writable(call, request.to_peer)
    origin = chat_by_peer(call.world, request.from_peer)
    if origin.protected:
        raise RpcError(400, "CHAT_FORWARDS_RESTRICTED")
    updates: list[raw.base.Update] = []
    for message_id, random_id in zip(request.id, request.random_id, strict=True):
        copy_id = saved.append(
            file_of=(origin, message_id),
            forward=raw.types.MessageFwdHeader(
                date=_message(origin, message_id).date,
                from_id=origin.peer,
                channel_post=message_id,
            ),
            by=call.session,
        )
        updates.append(raw.types.UpdateMessageID(id=copy_id, random_id=random_id))
        updates.append(
            raw.types.UpdateNewMessage(
                message=_message(saved, copy_id), pts=call.service.next_pts(), pts_count=1
            )
        )
    return _updates(call, updates)


def _writable(call: Call, peer: raw.base.InputPeer) -> Channel:
    """Saved Messages: nothing else is written by the program, so nothing else may be."""
    channel = chat_by_peer(call.world, peer)
    if channel.kind == "channel":
        raise RpcError(400, "CHAT_ADMIN_REQUIRED")
    if channel.kind != "saved":
        raise RpcError(403, "CHAT_WRITE_FORBIDDEN")
    return channel


def _message(chat: Channel, message_id: int) -> Message:
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


def _updates(call: Call, updates: list[raw.base.Update]) -> TlObject:
    return raw.types.Updates(
        updates=updates,
        users=[own_user(call.world)],
        chats=[],
        date=int(time.time()),
        seq=0,
    )
