"""Calls that open and keep a connection, and those that ask for updates (there are none old)."""

from __future__ import annotations

import time

from pyrogram import raw

from ..mtproto.wire import TlObject
from ..service.data_centres import dc_options
from .rpc import Call, handles

MESSAGE_LENGTH_MAX = 4096


@handles(raw.functions.help.GetConfig, needs_login=False)
def get_config(call: Call, _: raw.functions.help.GetConfig) -> TlObject:
    now = int(time.time())
    return raw.types.Config(
        date=now,
        expires=now + 3600,
        test_mode=False,
        this_dc=call.dc_id,
        dc_options=dc_options(),
        dc_txt_domain_name="",
        chat_size_max=200,
        megagroup_size_max=200_000,
        forwarded_count_max=100,
        online_update_period_ms=210_000,
        offline_blur_timeout_ms=5000,
        offline_idle_timeout_ms=30_000,
        online_cloud_timeout_ms=300_000,
        notify_cloud_delay_ms=30_000,
        notify_default_delay_ms=1500,
        push_chat_period_ms=60_000,
        push_chat_limit=2,
        edit_time_limit=172_800,
        revoke_time_limit=2**31 - 1,
        revoke_pm_time_limit=2**31 - 1,
        rating_e_decay=2_419_200,
        stickers_recent_limit=200,
        channels_read_media_period=604_800,
        call_receive_timeout_ms=20_000,
        call_ring_timeout_ms=90_000,
        call_connect_timeout_ms=30_000,
        call_packet_timeout_ms=10_000,
        me_url_prefix="https://t.me/",
        caption_length_max=1024,
        message_length_max=MESSAGE_LENGTH_MAX,
        webfile_dc_id=4,
    )


@handles(raw.functions.help.GetNearestDc, needs_login=False)
def get_nearest_dc(call: Call, _: raw.functions.help.GetNearestDc) -> TlObject:
    return raw.types.NearestDc(country="DE", this_dc=call.dc_id, nearest_dc=call.world.home_dc_id)


@handles(raw.functions.updates.GetState)
def get_state(call: Call, _: raw.functions.updates.GetState) -> TlObject:
    return raw.types.updates.State(
        pts=call.service.pts, qts=0, date=int(time.time()), seq=1, unread_count=0
    )


@handles(raw.functions.updates.GetDifference)
def get_difference(_: Call, __: raw.functions.updates.GetDifference) -> TlObject:
    return raw.types.updates.DifferenceEmpty(date=int(time.time()), seq=1)


@handles(raw.functions.updates.GetChannelDifference)
def get_channel_difference(
    _: Call, request: raw.functions.updates.GetChannelDifference
) -> TlObject:
    return raw.types.updates.ChannelDifferenceEmpty(final=True, pts=request.pts)
