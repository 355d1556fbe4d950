"""Calls that read messages: by page, by id, by search."""

from __future__ import annotations

from collections.abc import Sequence

from pyrogram import raw

from ..mtproto.wire import TlObject
from ..world.channel import Channel, Message, Shown
from ..world.history import FILTER_KINDS
from .entities import channel_by_input, chat_by_peer, chats_and_users
from .rpc import Answer, Call, RpcError, handles

_MOST_IDS = 100


@handles(raw.functions.messages.GetHistory)
def get_history(call: Call, request: raw.functions.messages.GetHistory) -> TlObject:
    channel = chat_by_peer(call.world, request.peer)
    messages, total = channel.page(
        request.offset_id,
        request.offset_date or 0,
        request.add_offset,
        request.limit,
        request.max_id,
        request.min_id,
    )
    return _messages(call, channel, messages, total)


@handles(raw.functions.messages.GetReplies)
def get_replies(call: Call, request: raw.functions.messages.GetReplies) -> TlObject:
    """Of a forum's topic only; comments are read in their group."""
    channel = chat_by_peer(call.world, request.peer)
    if channel.kind != "supergroup" or channel.message(request.msg_id) is None:
        raise RpcError(400, "MSG_ID_INVALID")
    messages, total = channel.replies(
        request.msg_id,
        request.offset_id,
        request.offset_date or 0,
        request.add_offset,
        request.limit,
        request.max_id,
        request.min_id,
    )
    return _messages(call, channel, messages, total)


@handles(raw.functions.messages.GetForumTopicsByID)
def get_forum_topics_by_id(
    call: Call, request: raw.functions.messages.GetForumTopicsByID
) -> TlObject:
    channel = chat_by_peer(call.world, request.peer)
    if not channel.topics:
        raise RpcError(400, "CHANNEL_FORUM_MISSING")
    chats, users = chats_and_users(call.world, [channel], [])
    return raw.types.messages.ForumTopics(
        count=len(request.topics),
        topics=[_topic(channel, topic_id) for topic_id in request.topics],
        messages=[],
        chats=chats,
        users=users,
        pts=channel.newest_id() + 1,
    )


def _topic(channel: Channel, topic_id: int) -> raw.base.ForumTopic:
    """Of a topic that is gone its id alone is told."""
    title = channel.topics.get(topic_id)
    if title is None:
        return raw.types.ForumTopicDeleted(id=topic_id)
    return raw.types.ForumTopic(
        id=topic_id,
        date=channel.created_date,
        peer=channel.peer,
        title=title,
        icon_color=0x6FB9F0,
        top_message=topic_id,
        read_inbox_max_id=0,
        read_outbox_max_id=0,
        unread_count=0,
        unread_mentions_count=0,
        unread_reactions_count=0,
        unread_poll_votes_count=0,
        from_id=channel.peer,
        notify_settings=raw.types.PeerNotifySettings(),
    )


@handles(raw.functions.messages.Search)
def search(call: Call, request: raw.functions.messages.Search) -> TlObject:
    channel = chat_by_peer(call.world, request.peer)
    if isinstance(request.filter, raw.types.InputMessagesFilterEmpty) and not request.q:
        raise RpcError(400, "SEARCH_QUERY_EMPTY")
    if not _is_known(request.filter):
        raise RpcError(400, "FILTER_NOT_SUPPORTED")
    messages, total = channel.search(
        type(request.filter),
        request.offset_id,
        request.add_offset,
        request.limit,
        request.max_id,
        request.min_id,
        request.q,
        request.top_msg_id,
    )
    return _messages(call, channel, messages, total)


@handles(raw.functions.messages.GetSearchCounters)
def get_search_counters(call: Call, request: raw.functions.messages.GetSearchCounters) -> Answer:
    chat = chat_by_peer(call.world, request.peer)
    counts = chat.counters(request.top_msg_id)
    for wanted in request.filters:
        if type(wanted) not in counts:
            raise RpcError(400, "FILTER_NOT_SUPPORTED")
    return [
        raw.types.messages.SearchCounter(
            filter=wanted,
            count=counts[type(wanted)],
            inexact=type(wanted) in chat.inexact_counters or None,
        )
        for wanted in request.filters
        if type(wanted) not in chat.uncounted
    ]


@handles(raw.functions.channels.GetMessages)
def get_channel_messages(call: Call, request: raw.functions.channels.GetMessages) -> TlObject:
    channel = channel_by_input(call.world, request.channel)
    ids = _ids(request.id, pinned=channel.pinned_ids())
    return _by_ids(call, channel, ids, [channel.message(message_id) for message_id in ids])


@handles(raw.functions.messages.GetMessages)
def get_messages(call: Call, request: raw.functions.messages.GetMessages) -> TlObject:
    """For all chats but channels: their messages share one sequence of ids."""
    messages: list[Message | None] = []
    ids = _ids(request.id)
    for message_id in ids:
        channel = call.world.shared_chat(message_id)
        messages.append(channel.message(message_id) if channel else None)
    return _by_ids(call, None, ids, messages)


@handles(raw.functions.messages.GetRichMessage)
def get_rich_message(call: Call, request: raw.functions.messages.GetRichMessage) -> TlObject:
    channel = chat_by_peer(call.world, request.peer)
    message = channel.whole_message(request.id)
    if getattr(message, "rich_message", None) is None:
        raise RpcError(400, "MESSAGE_ID_INVALID")
    return _by_ids(call, channel if channel.is_channel else None, [request.id], [message])


def _is_known(wanted: raw.base.MessagesFilter) -> bool:
    own = (raw.types.InputMessagesFilterEmpty, raw.types.InputMessagesFilterPinned)
    return isinstance(wanted, own) or type(wanted) in FILTER_KINDS


def _ids(wanted: Sequence[raw.base.InputMessage], pinned: Sequence[int] = ()) -> list[int]:
    """The ids that are meant; `InputMessagePinned` is the latest pinned one, 0 if there is none."""
    if not wanted:
        raise RpcError(400, "MESSAGE_IDS_EMPTY")
    if len(wanted) > _MOST_IDS:
        raise RpcError(400, "MSG_ID_INVALID")
    ids = []
    for one in wanted:
        match one:
            case raw.types.InputMessageID():
                ids.append(one.id)
            case raw.types.InputMessagePinned():
                ids.append(pinned[0] if pinned else 0)
            case _:
                raise RpcError(400, "MSG_ID_INVALID")
    return ids


def _by_ids(
    call: Call, channel: Channel | None, ids: list[int], messages: list[Message | None]
) -> TlObject:
    there = [message for message in messages if message is not None]
    chats, users = chats_and_users(call.world, [channel] if channel else [], there)
    if channel is None:
        peers = [message.peer_id for message in there]
        groups = {peer.chat_id for peer in peers if isinstance(peer, raw.types.PeerChat)}
        chats, users = chats_and_users(
            call.world, [call.world.channels[-group] for group in groups], there
        )
    filled: list[raw.base.Message] = [
        raw.types.MessageEmpty(id=message_id, peer_id=channel.peer if channel else None)
        if message is None
        else message
        for message_id, message in zip(ids, messages, strict=True)
    ]
    if channel is None:
        return raw.types.messages.Messages(messages=filled, topics=[], chats=chats, users=users)
    return raw.types.messages.ChannelMessages(
        pts=channel.newest_id() + 1,
        count=len(filled),
        messages=filled,
        topics=[],
        chats=chats,
        users=users,
    )


def _messages(call: Call, channel: Channel, messages: list[Shown], total: int) -> TlObject:
    real = [each for each in messages if not isinstance(each, raw.types.MessageEmpty)]
    chats, users = chats_and_users(call.world, [channel], real)
    found: list[raw.base.Message] = list(messages)
    if channel.is_channel:
        return raw.types.messages.ChannelMessages(
            pts=channel.newest_id() + 1,
            count=total,
            messages=found,
            topics=[],
            chats=chats,
            users=users,
        )
    if len(found) == total:
        return raw.types.messages.Messages(messages=found, topics=[], chats=chats, users=users)
    return raw.types.messages.MessagesSlice(
        count=total, messages=found, topics=[], chats=chats, users=users
    )
