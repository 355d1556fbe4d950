"""Raw users and chats as Telegram describes them, and which chat a client means."""

from __future__ import annotations

from collections.abc import Iterable

from pyrogram import raw

from ..world.channel import CHANNEL_ID_SHIFT, Channel, Message
from ..world.content import derived_number
from ..world.world import World
from .rpc import RpcError


def own_user(world: World) -> raw.types.User:
    account = world.account
    return raw.types.User(
        id=account.user_id,
        is_self=True,
        access_hash=account.access_hash,
        first_name=account.first_name,
        username=account.username,
        phone=account.phone.lstrip("+"),
        premium=account.premium or None,
        status=raw.types.UserStatusRecently(),
    )


def user(world: World, user_id: int) -> raw.types.User | None:
    """The account itself, a user with a dialog, or the nameless author of others' messages."""
    if user_id == world.account.user_id:
        return own_user(world)
    dialog = world.channels.get(user_id)
    if dialog is None and user_id != world.other_user_id:
        return None
    if dialog is not None and dialog.is_deleted:
        return raw.types.User(
            id=user_id, access_hash=user_access_hash(world, user_id), deleted=True
        )
    return raw.types.User(
        id=user_id,
        access_hash=user_access_hash(world, user_id),
        first_name=dialog.title if dialog else "Somebody",
        username=dialog.username if dialog else None,
        usernames=_bought_usernames(dialog) if dialog else None,
        bot=(dialog is not None and dialog.is_bot) or None,
        bot_info_version=1 if dialog is not None and dialog.is_bot else None,  # one flag for both
        status=raw.types.UserStatusRecently(),
    )


def _bought_usernames(channel: Channel) -> list[raw.base.Username] | None:
    """Telegram names all that lead to it in this list, once one of them was bought."""
    if not channel.bought_usernames:
        return None
    names = [(channel.username, True), *((name, None) for name in channel.bought_usernames)]
    return [
        raw.types.Username(username=name, editable=is_own, active=True)
        for name, is_own in names
        if name is not None
    ]


def user_access_hash(world: World, user_id: int) -> int:
    if user_id == world.account.user_id:
        return world.account.access_hash
    dialog = world.channels.get(user_id)
    return dialog.access_hash if dialog else derived_number("chat", world.seed, user_id)


def chat(channel: Channel) -> raw.base.Chat:
    """A channel, supergroup or basic group; not for dialogs with users."""
    if channel.banned or (channel.migrated_to is not None and not channel.joined):
        return _forbidden(channel)
    if channel.kind == "group":
        moved_to = channel.migrated_to
        return raw.types.Chat(
            id=channel.raw_id,
            title=channel.title,
            photo=raw.types.ChatPhotoEmpty(),
            participants_count=3,
            date=channel.created_date,
            version=1,
            left=not channel.joined or None,
            noforwards=channel.protected or None,
            deactivated=moved_to is not None or None,
            migrated_to=None if moved_to is None else _input_channel(moved_to),
        )
    return raw.types.Channel(
        id=channel.raw_id,
        title=channel.title,
        photo=raw.types.ChatPhotoEmpty(),
        date=channel.created_date,
        broadcast=channel.kind == "channel" or None,
        megagroup=channel.kind in ("supergroup", "monoforum") or None,
        monoforum=channel.kind == "monoforum" or None,
        left=not channel.joined or None,
        creator=channel.owned or None,
        noforwards=channel.protected or None,
        access_hash=channel.access_hash,
        username=channel.username,
        usernames=_bought_usernames(channel),
        participants_count=3,
    )


def _input_channel(channel: Channel) -> raw.types.InputChannel:
    return raw.types.InputChannel(channel_id=channel.raw_id, access_hash=channel.access_hash)


def _forbidden(channel: Channel) -> raw.base.Chat:
    if channel.kind == "group":
        return raw.types.ChatForbidden(id=channel.raw_id, title=channel.title)
    return raw.types.ChannelForbidden(
        id=channel.raw_id,
        access_hash=channel.access_hash,
        title=channel.title,
        broadcast=channel.kind == "channel" or None,
        megagroup=channel.kind in ("supergroup", "monoforum") or None,
    )


def is_readable(channel: Channel) -> bool:
    """A private chat that the account is no member of shows nothing."""
    barred = channel.private or channel.banned
    return not barred and (channel.joined or channel.username is not None)


def chats_and_users(
    world: World, channels: Iterable[Channel], messages: Iterable[Message] = ()
) -> tuple[list[raw.base.Chat], list[raw.base.User]]:
    """What goes with an answer: its chats, and every user that its messages name."""
    chats: list[raw.base.Chat] = []
    user_ids: dict[int, None] = {}
    for channel in channels:
        if channel.kind in ("saved", "user"):
            user_ids[channel.raw_id] = None
        else:
            chats.append(chat(channel))
    for message in messages:
        for peer in (message.from_id, message.peer_id):
            if isinstance(peer, raw.types.PeerUser):
                user_ids[peer.user_id] = None
    users = [user(world, user_id) for user_id in user_ids]
    return chats, [found for found in users if found is not None]


def channel_by_input(
    world: World, channel: raw.base.InputChannel | raw.types.InputPeerChannel
) -> Channel:
    """Raises RpcError for a wrong id or access hash, or a chat that the account can't read."""
    if not isinstance(channel, (raw.types.InputChannel, raw.types.InputPeerChannel)):
        raise RpcError(400, "CHANNEL_INVALID")
    found = world.channels.get(-(CHANNEL_ID_SHIFT + channel.channel_id))
    if found is None or found.access_hash != channel.access_hash:
        raise RpcError(400, "CHANNEL_INVALID")
    if not is_readable(found):
        raise RpcError(400, "CHANNEL_PRIVATE")
    return found


def chat_by_peer(world: World, peer: raw.base.InputPeer) -> Channel:
    """The chat that an InputPeer names. Raises RpcError."""
    match peer:
        case raw.types.InputPeerSelf():
            return world.saved_messages
        case raw.types.InputPeerChannel():
            return channel_by_input(world, peer)
        case raw.types.InputPeerChat():
            found = world.channels.get(-peer.chat_id)
            if found is None or found.kind != "group" or not found.joined:
                raise RpcError(400, "PEER_ID_INVALID")
            return found
        case raw.types.InputPeerUser():
            found = world.channels.get(peer.user_id)
            if found is None or user_access_hash(world, peer.user_id) != peer.access_hash:
                raise RpcError(400, "PEER_ID_INVALID")
            return found
        case _:
            raise RpcError(400, "PEER_ID_INVALID")
