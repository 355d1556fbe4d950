"""What Telegram tells a client by itself about a new message.

https://core.telegram.org/api/updates. A text in a private chat or a basic group comes in a short
form of its own, everything else with the chats and users that it names.
"""

from __future__ import annotations

import time

from pyrogram import raw

from ..mtproto.wire import TlObject
from ..service.service import Service
from ..world.channel import Channel
from .entities import chats_and_users, is_readable


def edited_message_update(service: Service, channel: Channel, message_id: int) -> TlObject | None:
    """Of paid media, that it was bought. None for what the account is not told of."""
    message = channel.message(message_id)
    if message is None or not channel.joined or not is_readable(channel):
        return None
    update: raw.base.Update
    media = message.media if isinstance(message, raw.types.Message) else None
    if isinstance(media, raw.types.MessageMediaPaidMedia):
        update = raw.types.UpdateMessageExtendedMedia(
            peer=channel.peer, msg_id=message_id, extended_media=media.extended_media
        )
    elif channel.is_channel:
        update = raw.types.UpdateEditChannelMessage(
            message=message, pts=channel.newest_id() + 1, pts_count=1
        )
    else:
        update = raw.types.UpdateEditMessage(message=message, pts=service.next_pts(), pts_count=1)
    chats, users = chats_and_users(service.world, [channel], [message])
    return raw.types.Updates(
        updates=[update], users=users, chats=chats, date=int(time.time()), seq=0
    )


def new_message_update(service: Service, channel: Channel, message_id: int) -> TlObject | None:
    """None for what the account is not told of: a chat that it is no member of."""
    message = channel.message(message_id)
    if message is None or not channel.joined or not is_readable(channel):
        return None
    if isinstance(message, raw.types.Message) and message.media is None:
        match channel.kind:
            case "user":
                return raw.types.UpdateShortMessage(
                    id=message_id,
                    user_id=channel.raw_id,
                    message=message.message,
                    pts=service.next_pts(),
                    pts_count=1,
                    date=message.date,
                    out=message.out,
                )
            case "group":
                return raw.types.UpdateShortChatMessage(
                    id=message_id,
                    from_id=service.world.account.user_id,
                    chat_id=channel.raw_id,
                    message=message.message,
                    pts=service.next_pts(),
                    pts_count=1,
                    date=message.date,
                    out=message.out,
                )
    update: raw.base.Update
    if channel.is_channel:
        # Each channel counts its own events; all of them are messages here.
        update = raw.types.UpdateNewChannelMessage(message=message, pts=message_id + 1, pts_count=1)
    else:
        update = raw.types.UpdateNewMessage(message=message, pts=service.next_pts(), pts_count=1)
    chats, users = chats_and_users(service.world, [channel], [message])
    return raw.types.Updates(
        updates=[update], users=users, chats=chats, date=int(time.time()), seq=0
    )
