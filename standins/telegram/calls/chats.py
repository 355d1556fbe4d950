"""Calls that find and describe chats: by user name, invite link, id, or the list of dialogs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyrogram import raw

from ..mtproto.wire import TlObject
from ..world.channel import CHANNEL_ID_SHIFT, Channel
from ..world.content import derived_number
from ..world.world import Community
from .entities import (
    channel_by_input,
    chat,
    chat_by_peer,
    chats_and_users,
    is_readable,
)
from .rpc import Call, RpcError, handles

_USERNAME = re.compile(r"[a-z](?:_?[a-z0-9])*", re.IGNORECASE)
_INVITE_HASH = re.compile(r"[A-Za-z0-9_-]{16,32}")
_MOST_DIALOGS = 100


@handles(raw.functions.contacts.ResolveUsername)
def resolve_username(call: Call, request: raw.functions.contacts.ResolveUsername) -> TlObject:
    name = request.username
    if not _USERNAME.fullmatch(name) or not 3 <= len(name) <= 32:
        raise RpcError(400, "USERNAME_INVALID")
    account = call.world.account
    channels = [*call.world.channels.values()]
    for channel in channels:
        own_name = account.username if channel.kind == "saved" else channel.username
        names = [own_name or "", *channel.bought_usernames]
        if name.casefold() in map(str.casefold, names):
            chats, users = chats_and_users(call.world, [channel])
            return raw.types.contacts.ResolvedPeer(peer=channel.peer, chats=chats, users=users)
    raise RpcError(400, "USERNAME_NOT_OCCUPIED")


@handles(raw.functions.messages.CheckChatInvite)
def check_chat_invite(call: Call, request: raw.functions.messages.CheckChatInvite) -> TlObject:
    if not request.hash:
        raise RpcError(400, "INVITE_HASH_EMPTY")
    if not _INVITE_HASH.fullmatch(request.hash):
        raise RpcError(400, "INVITE_HASH_INVALID")
    for channel in call.world.channels.values():
        if channel.invite_hash == request.hash:
            return _invite(channel)
    raise RpcError(400, "INVITE_HASH_EXPIRED")


def _invite(channel: Channel) -> TlObject:
    if channel.joined:
        return raw.types.ChatInviteAlready(chat=chat(channel))
    return raw.types.ChatInvite(
        title=channel.title,
        photo=raw.types.PhotoEmpty(id=0),
        participants_count=3,
        color=0,
        channel=channel.is_channel or None,
        broadcast=channel.kind == "channel" or None,
        megagroup=channel.kind == "supergroup" or None,
        public=channel.username is not None or None,
    )


@handles(raw.functions.channels.GetChannels)
def get_channels(call: Call, request: raw.functions.channels.GetChannels) -> TlObject:
    found = [channel_by_input(call.world, wanted) for wanted in request.id]
    return raw.types.messages.Chats(chats=[chat(channel) for channel in found])


@handles(raw.functions.messages.GetChats)
def get_chats(call: Call, request: raw.functions.messages.GetChats) -> TlObject:
    found = [
        chat_by_peer(call.world, raw.types.InputPeerChat(chat_id=wanted)) for wanted in request.id
    ]
    return raw.types.messages.Chats(chats=[chat(channel) for channel in found])


@handles(raw.functions.channels.GetFullChannel)
def get_full_channel(call: Call, request: raw.functions.channels.GetFullChannel) -> TlObject:
    """Of a supergroup that was a group, that too (https://core.telegram.org/api/channel)."""
    channel = channel_by_input(call.world, request.channel)
    older = call.world.older_part_of(channel)
    newest_id = channel.newest_id()
    pinned = channel.pinned_ids()
    return raw.types.messages.ChatFull(
        full_chat=raw.types.ChannelFull(
            id=channel.raw_id,
            about="",
            read_inbox_max_id=newest_id,
            read_outbox_max_id=newest_id,
            unread_count=0,
            chat_photo=raw.types.PhotoEmpty(id=0),
            notify_settings=raw.types.PeerNotifySettings(),
            bot_info=[],
            pts=newest_id + 1,
            participants_count=3,
            pinned_msg_id=pinned[0] if pinned else None,
            linked_chat_id=channel.discussion.raw_id if channel.discussion else None,
            migrated_from_chat_id=older.raw_id if older else None,
            migrated_from_max_id=older.newest_id() if older else None,
        ),
        chats=[chat(each) for each in (channel, channel.discussion, older) if each is not None],
        users=[],
    )


@handles(raw.functions.messages.GetFullChat)
def get_full_chat(call: Call, request: raw.functions.messages.GetFullChat) -> TlObject:
    channel = chat_by_peer(call.world, raw.types.InputPeerChat(chat_id=request.chat_id))
    return raw.types.messages.ChatFull(
        full_chat=raw.types.ChatFull(
            id=channel.raw_id,
            about="",
            participants=raw.types.ChatParticipants(
                chat_id=channel.raw_id, participants=[], version=1
            ),
            notify_settings=raw.types.PeerNotifySettings(),
        ),
        chats=[chat(channel)],
        users=[],
    )


@handles(raw.functions.messages.GetDialogs)
def get_dialogs(call: Call, request: raw.functions.messages.GetDialogs) -> TlObject:
    """Joined chats that hold a message, the latest first, from the one after `offset_peer` on.

    https://core.telegram.org/api/offsets (dialogs are paged by the last one of the page before)
    https://core.telegram.org/api/folders#peer-folders (folder 1 is the archive; without a folder
    both are listed)
    """
    everything = _dialogs(call)
    dialogs = [
        dialog
        for dialog in everything
        if request.folder_id is None or dialog.channel.archived == (request.folder_id == 1)
    ]
    start = 0
    if not isinstance(request.offset_peer, raw.types.InputPeerEmpty):
        offset_id = _marked_id(request.offset_peer)
        position = [dialog.channel.chat_id == offset_id for dialog in dialogs]
        start = position.index(True) + 1 if True in position else 0
    elif request.offset_date:
        start = sum(dialog.date >= request.offset_date for dialog in dialogs)
    limit = min(request.limit or _MOST_DIALOGS, _MOST_DIALOGS)
    page = dialogs[start : start + limit]
    archived = [dialog for dialog in everything if dialog.channel.archived]
    rows = archived[:1] if request.folder_id == 0 and start == 0 else []
    raw_dialogs: list[raw.base.Dialog] = [_archive(row) for row in rows]
    communities = call.world.communities if request.folder_id == 0 and start == 0 else []
    raw_dialogs += [_community_row(community) for community in communities]
    raw_dialogs += [_raw_dialog(dialog) for dialog in page]
    shown = [*rows, *page]
    tops = [dialog.channel.message(dialog.top_id) for dialog in shown]
    there = [message for message in tops if message is not None]
    messages: list[raw.base.Message] = list(there)
    chats, users = chats_and_users(call.world, [dialog.channel for dialog in shown], there)
    chats += [_community(community) for community in communities]
    if len(page) == len(dialogs):
        return raw.types.messages.Dialogs(
            dialogs=raw_dialogs, messages=messages, chats=chats, users=users
        )
    return raw.types.messages.DialogsSlice(
        count=len(dialogs), dialogs=raw_dialogs, messages=messages, chats=chats, users=users
    )


@dataclass(frozen=True)
class _Dialog:
    """`top_id` and `date` are of the newest message, which need not be shown."""

    channel: Channel
    top_id: int
    date: int


def _dialogs(call: Call) -> list[_Dialog]:
    found = []
    for channel in call.world.channels.values():
        if channel.banned or (channel.joined and is_readable(channel)):
            top_id, date = channel.top()
            if top_id:
                found.append(_Dialog(channel, top_id, date))
    return sorted(found, key=lambda dialog: (dialog.date, dialog.channel.chat_id), reverse=True)


def _raw_dialog(dialog: _Dialog) -> raw.types.Dialog:
    channel = dialog.channel
    return raw.types.Dialog(
        peer=channel.peer,
        top_message=dialog.top_id,
        read_inbox_max_id=dialog.top_id,
        read_outbox_max_id=dialog.top_id,
        unread_count=0,
        unread_mentions_count=0,
        unread_reactions_count=0,
        unread_poll_votes_count=0,
        notify_settings=raw.types.PeerNotifySettings(),
        pts=dialog.top_id + 1 if channel.is_channel else None,
        folder_id=1 if channel.archived else None,
    )


def _community(community: Community) -> raw.types.Community:
    return raw.types.Community(
        id=community.community_id,
        title=community.title,
        photo=raw.types.ChatPhotoEmpty(),
        date=0,
        access_hash=derived_number("community", community.community_id),
    )


def _community_row(community: Community) -> raw.types.DialogCommunity:
    """A row of the list that is no chat: it has no peer and no message."""
    return raw.types.DialogCommunity(
        community_id=community.community_id, notify_settings=raw.types.PeerNotifySettings()
    )


def _archive(dialog: _Dialog) -> raw.types.DialogFolder:
    """The archive as one row of the main list, named by its latest chat."""
    return raw.types.DialogFolder(
        folder=raw.types.Folder(id=1, title="Archive"),
        peer=dialog.channel.peer,
        top_message=dialog.top_id,
        unread_muted_peers_count=0,
        unread_unmuted_peers_count=0,
        unread_muted_messages_count=0,
        unread_unmuted_messages_count=0,
    )


def _marked_id(peer: raw.base.InputPeer) -> int:
    """Of a chat that need not be readable: dialogs are paged by any of them."""
    match peer:
        case raw.types.InputPeerChannel():
            return -(CHANNEL_ID_SHIFT + peer.channel_id)
        case raw.types.InputPeerChat():
            return -peer.chat_id
        case raw.types.InputPeerUser():
            return peer.user_id
        case _:
            raise RpcError(400, "PEER_ID_INVALID")
