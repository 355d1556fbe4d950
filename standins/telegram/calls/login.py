"""Calls of a login: phone and code, two-factor password, QR code, log-out.

https://core.telegram.org/api/auth and https://core.telegram.org/api/qr-login
"""

from __future__ import annotations

import os
import re

from pyrogram import raw

from ..mtproto.auth_keys import AuthKey
from ..mtproto.wire import TlObject
from ..service.logins import CodeWay, LoginToken
from ..service.password_check import is_valid_public
from .entities import own_user
from .rpc import Call, RpcError, handles

_PHONE = re.compile(r"\+?[0-9]{7,15}")
_API_HASH = re.compile(r"[0-9a-f]{32}")


@handles(raw.functions.auth.SendCode, needs_login=False)
def send_code(call: Call, request: raw.functions.auth.SendCode) -> TlObject:
    _check_application(request.api_id, request.api_hash)
    if not _PHONE.fullmatch(request.phone_number):
        raise RpcError(400, "PHONE_NUMBER_INVALID")
    if call.dc_id != call.world.home_dc_id:
        raise RpcError(303, f"PHONE_MIGRATE_{call.world.home_dc_id}")
    return _sent_code(call, request.phone_number)


@handles(raw.functions.auth.ResendCode, needs_login=False)
def resend_code(call: Call, request: raw.functions.auth.ResendCode) -> TlObject:
    _check_code_hash(call, request.phone_number, request.phone_code_hash)
    logins = call.service.logins
    if logins.resent + 1 >= len(logins.ways):
        raise RpcError(406, "SEND_CODE_UNAVAILABLE")
    logins.resent += 1
    return _sent_code(call, request.phone_number)


@handles(raw.functions.auth.SignIn, needs_login=False)
def sign_in(call: Call, request: raw.functions.auth.SignIn) -> TlObject:
    if not _PHONE.fullmatch(request.phone_number):
        raise RpcError(400, "PHONE_NUMBER_INVALID")
    code = request.phone_code
    if isinstance(_way(call).sent, raw.types.auth.SentCodeTypeEmailCode):
        # Which Telegram takes in a field of its own.
        verification = request.email_verification
        code = verification.code if verification is not None else ""
    if not code:
        raise RpcError(400, "PHONE_CODE_EMPTY")
    _check_code_hash(call, request.phone_number, request.phone_code_hash)
    account = call.world.account
    if code != account.login_code:
        raise RpcError(400, "PHONE_CODE_INVALID")
    if _digits(request.phone_number) != _digits(account.phone):
        return raw.types.auth.AuthorizationSignUpRequired()
    del call.service.logins.phones_by_code_hash[request.phone_code_hash]
    return _authorize(call)


@handles(raw.functions.account.GetPassword, needs_login=False)
def get_password(call: Call, _: raw.functions.account.GetPassword) -> TlObject:
    _check_password_is_due(call)
    password = call.world.account.password
    answer = raw.types.account.Password(
        new_algo=raw.types.PasswordKdfAlgoUnknown(),
        new_secure_algo=raw.types.SecurePasswordKdfAlgoUnknown(),
        secure_random=os.urandom(256),
    )
    if password is not None:
        verifier, check = call.service.logins.offer_check(password)
        answer.has_password = True
        answer.current_algo = verifier.algorithm
        answer.srp_B = check.public
        answer.srp_id = check.srp_id
        answer.hint = "the usual one"
    return answer


@handles(raw.functions.auth.CheckPassword, needs_login=False)
def check_password(call: Call, request: raw.functions.auth.CheckPassword) -> TlObject:
    _check_password_is_due(call)
    given = request.password
    if not isinstance(given, raw.types.InputCheckPasswordSRP):
        raise RpcError(400, "PASSWORD_HASH_INVALID")
    checks = call.service.logins.checks
    check = checks.get(given.srp_id)
    if check is None:
        raise RpcError(400, "SRP_ID_INVALID")
    if not is_valid_public(given.A):
        raise RpcError(400, "SRP_A_INVALID")
    del checks[given.srp_id]
    if not check.proves(given.A, given.M1):
        raise RpcError(400, "PASSWORD_HASH_INVALID")
    return _logged_in(call, call.auth_key)


@handles(raw.functions.auth.ExportLoginToken, needs_login=False)
def export_login_token(call: Call, request: raw.functions.auth.ExportLoginToken) -> TlObject:
    _check_application(request.api_id, request.api_hash)
    token = call.service.logins.token_for(call.auth_key)
    if not token.accepted:
        return raw.types.auth.LoginToken(expires=token.expires, token=token.token)
    if call.dc_id != call.world.home_dc_id:
        return raw.types.auth.LoginTokenMigrateTo(dc_id=call.world.home_dc_id, token=token.token)
    return _redeem(call, token)


@handles(raw.functions.auth.ImportLoginToken, needs_login=False)
def import_login_token(call: Call, request: raw.functions.auth.ImportLoginToken) -> TlObject:
    token = call.service.logins.tokens.get(request.token)
    if token is None or call.dc_id != call.world.home_dc_id:
        raise RpcError(400, "AUTH_TOKEN_INVALID")
    if not token.accepted:
        raise RpcError(400, "AUTH_TOKEN_EXPIRED" if token.is_expired() else "AUTH_TOKEN_INVALID")
    return _redeem(call, token)


@handles(raw.functions.auth.LogOut)
def log_out(call: Call, _: raw.functions.auth.LogOut) -> TlObject:
    call.auth_key.user_id = None
    return raw.types.auth.LoggedOut()


def _redeem(call: Call, token: LoginToken) -> TlObject:
    del call.service.logins.tokens[token.token]
    return raw.types.auth.LoginTokenSuccess(authorization=_authorize(call))


def _authorize(call: Call) -> raw.types.auth.Authorization:
    """Log the key in, unless the account has a password: then that comes first."""
    if call.world.account.password is not None:
        call.auth_key.password_pending = True
        raise RpcError(401, "SESSION_PASSWORD_NEEDED")
    return _logged_in(call, call.auth_key)


def _logged_in(call: Call, auth_key: AuthKey) -> raw.types.auth.Authorization:
    auth_key.user_id = call.world.account.user_id
    auth_key.password_pending = False
    return raw.types.auth.Authorization(user=own_user(call.world))


def _way(call: Call) -> CodeWay:
    logins = call.service.logins
    if logins.ways:
        return logins.ways[logins.resent]
    length = len(call.world.account.login_code)
    return CodeWay(raw.types.auth.SentCodeTypeApp(length=length), timeout_seconds=60)


def _sent_code(call: Call, phone: str) -> TlObject:
    way = _way(call)
    return raw.types.auth.SentCode(
        type=way.sent,
        phone_code_hash=call.service.logins.send_code(_digits(phone)),
        next_type=way.next,
        timeout=way.timeout_seconds,
    )


def _check_application(api_id: int, api_hash: str) -> None:
    """Any id will do; Telegram's hashes have 32 hexadecimal digits."""
    if api_id <= 0 or not _API_HASH.fullmatch(api_hash):
        raise RpcError(400, "API_ID_INVALID")


def _check_code_hash(call: Call, phone: str, code_hash: str) -> None:
    if not code_hash:
        raise RpcError(400, "PHONE_CODE_HASH_EMPTY")
    if call.service.logins.phones_by_code_hash.get(code_hash) != _digits(phone):
        raise RpcError(400, "PHONE_CODE_EXPIRED")


def _check_password_is_due(call: Call) -> None:
    if call.auth_key.user_id is None and not call.auth_key.password_pending:
        raise RpcError(401, "AUTH_KEY_UNREGISTERED")


def _digits(phone: str) -> str:
    return phone.lstrip("+")
