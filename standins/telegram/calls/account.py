"""Calls about the account and its authorisation in other data centres."""

from __future__ import annotations

from pyrogram import raw
from pyrogram.raw.core.primitives import Bool

from ..mtproto.wire import TlObject
from ..service.data_centres import ADDRESSES
from .entities import own_user, user, user_access_hash
from .rpc import Answer, Call, RpcError, handles


@handles(raw.functions.auth.ExportAuthorization)
def export_authorization(call: Call, request: raw.functions.auth.ExportAuthorization) -> TlObject:
    if request.dc_id not in ADDRESSES or request.dc_id == call.dc_id:
        raise RpcError(400, "DC_ID_INVALID")
    token = call.service.export_authorization(request.dc_id)
    return raw.types.auth.ExportedAuthorization(id=call.world.account.user_id, bytes=token)


@handles(raw.functions.auth.ImportAuthorization, needs_login=False)
def import_authorization(call: Call, request: raw.functions.auth.ImportAuthorization) -> TlObject:
    """The bytes work once, and only in the data centre that they were exported for."""
    account = call.world.account
    dc_id = call.service.exported_authorizations.pop(request.bytes, None)
    if dc_id != call.dc_id or request.id != account.user_id:
        raise RpcError(400, "AUTH_BYTES_INVALID")
    call.auth_key.user_id = account.user_id
    return raw.types.auth.Authorization(user=own_user(call.world))


@handles(raw.functions.account.InitTakeoutSession)
def init_takeout_session(call: Call, request: raw.functions.account.InitTakeoutSession) -> TlObject:
    return raw.types.account.Takeout(id=call.service.takeout.begin())


@handles(raw.functions.account.FinishTakeoutSession)
def finish_takeout_session(
    call: Call, request: raw.functions.account.FinishTakeoutSession
) -> Answer:
    if not call.service.takeout.end(success=bool(request.success)):
        raise RpcError(403, "TAKEOUT_REQUIRED")
    return bytes(Bool(True))


@handles(raw.functions.users.GetUsers)
def get_users(call: Call, request: raw.functions.users.GetUsers) -> Answer:
    """Telegram leaves out users that the client can't know."""
    found = [_input_user(call, wanted) for wanted in request.id]
    return [one for one in found if one is not None]


@handles(raw.functions.users.GetFullUser)
def get_full_user(call: Call, request: raw.functions.users.GetFullUser) -> TlObject:
    found = _input_user(call, request.id)
    if found is None:
        raise RpcError(400, "USER_ID_INVALID")
    return raw.types.users.UserFull(
        full_user=raw.types.UserFull(
            id=found.id,
            settings=raw.types.PeerSettings(),
            notify_settings=raw.types.PeerNotifySettings(),
            common_chats_count=0,
        ),
        chats=[],
        users=[found],
    )


def _input_user(call: Call, wanted: raw.base.InputUser) -> raw.types.User | None:
    match wanted:
        case raw.types.InputUserSelf() | raw.types.InputPeerSelf():
            return own_user(call.world)
        case raw.types.InputUser() | raw.types.InputPeerUser():
            if wanted.access_hash == user_access_hash(call.world, wanted.user_id):
                return user(call.world, wanted.user_id)
    return None
