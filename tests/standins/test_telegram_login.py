"""Logging in: by phone and code, with a two-factor password, by QR code; and out again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pyrogram import Client, raw
from pyrogram.errors import (
    ApiIdInvalid,
    AuthKeyUnregistered,
    PasswordHashInvalid,
    PhoneCodeEmpty,
    PhoneCodeExpired,
    PhoneCodeInvalid,
    PhoneNumberInvalid,
    SessionPasswordNeeded,
)
from pyrogram.qrlogin import QRLogin

from standins.telegram.server import API_HASH, API_ID, StandIn
from standins.telegram.world import worlds
from tests.standins.conftest import Connect, StartStandIn, proxy_of
from tests.waiting import PATIENCE_SECONDS

PASSWORD = "correct horse \N{GRINNING FACE}"


@asynccontextmanager
async def stranger(telegram: StandIn, **settings: Any) -> AsyncIterator[Any]:
    """A connected client without a session: it makes its own key."""
    client = Client(
        "stranger",
        **{
            "api_id": API_ID,
            "api_hash": API_HASH,
            "in_memory": True,
            "proxy": proxy_of(telegram),
            **settings,
        },
    )
    await client.connect()
    try:
        yield client
    finally:
        await client.disconnect()


async def listening(client: Any) -> None:
    """Until the client has a handler for the update that tells of a scanned code."""
    while not any(client.dispatcher.groups.values()):
        await asyncio.sleep(0.01)


def telegram_with(start: StartStandIn, password: str | None = None, home_dc_id: int = 2) -> StandIn:
    return start(worlds.mixed(messages=5, password=password, home_dc_id=home_dc_id))


@pytest.mark.parametrize("home_dc_id", [2, 4])
def test_phone_and_code_make_a_session_that_works_again_later(
    home_dc_id: int, start_stand_in: StartStandIn, connect: Connect
) -> None:
    telegram = telegram_with(start_stand_in, home_dc_id=home_dc_id)
    account = telegram.world.account

    async def run() -> int:
        async with stranger(telegram) as client:
            sent = await client.send_phone_number_code(account.phone)
            user = await client.sign_in(account.phone, sent.phone_code_hash, account.login_code)
            assert user.id == account.user_id
            string = await client.export_session_string()
        async with connect(telegram, session_string=string) as client:
            return int((await client.get_me()).id)

    assert asyncio.run(run()) == account.user_id


def test_a_wrong_empty_or_used_code_is_refused(start_stand_in: StartStandIn) -> None:
    telegram = telegram_with(start_stand_in)
    account = telegram.world.account

    async def run() -> None:
        async with stranger(telegram) as client:
            sent = await client.send_phone_number_code(account.phone)
            for code, error in (("00000", PhoneCodeInvalid), ("", PhoneCodeEmpty)):
                with pytest.raises(error):
                    await client.sign_in(account.phone, sent.phone_code_hash, code)
            with pytest.raises(PhoneCodeExpired):
                await client.sign_in(account.phone, "another hash", account.login_code)
            await client.sign_in(account.phone, sent.phone_code_hash, account.login_code)
            with pytest.raises(PhoneCodeExpired):
                await client.sign_in(account.phone, sent.phone_code_hash, account.login_code)

    asyncio.run(run())


@pytest.mark.parametrize("phone", ["12", "not a number", "+" + "1" * 20])
def test_what_is_no_phone_number_is_refused(phone: str, start_stand_in: StartStandIn) -> None:
    telegram = telegram_with(start_stand_in)

    async def run() -> None:
        async with stranger(telegram) as client:
            with pytest.raises(PhoneNumberInvalid):
                await client.send_phone_number_code(phone)

    asyncio.run(run())


def test_a_number_without_an_account_would_have_to_sign_up(start_stand_in: StartStandIn) -> None:
    telegram = telegram_with(start_stand_in)

    async def run() -> Any:
        async with stranger(telegram) as client:
            sent = await client.send_phone_number_code("15550199")
            code = telegram.world.account.login_code
            return await client.sign_in("15550199", sent.phone_code_hash, code)

    assert asyncio.run(run()) is False


@pytest.mark.parametrize("settings", [{"api_hash": "not a hash"}, {"api_id": -1}])
def test_an_application_that_does_not_exist_is_refused(
    settings: dict[str, Any], start_stand_in: StartStandIn
) -> None:
    telegram = telegram_with(start_stand_in)

    async def run() -> None:
        async with stranger(telegram, **settings) as client:
            with pytest.raises(ApiIdInvalid):
                await client.send_phone_number_code(telegram.world.account.phone)

    asyncio.run(run())


def test_an_account_with_a_password_is_open_only_to_that_password(
    start_stand_in: StartStandIn,
) -> None:
    telegram = telegram_with(start_stand_in, password=PASSWORD)
    account = telegram.world.account

    async def run() -> int:
        async with stranger(telegram) as client:
            with pytest.raises(AuthKeyUnregistered):
                await client.check_password(PASSWORD)
            sent = await client.send_phone_number_code(account.phone)
            with pytest.raises(SessionPasswordNeeded):
                await client.sign_in(account.phone, sent.phone_code_hash, account.login_code)
            with pytest.raises(AuthKeyUnregistered):
                await client.get_me()
            assert await client.get_password_hint()
            with pytest.raises(PasswordHashInvalid):
                await client.check_password(PASSWORD + "x")
            return int((await client.check_password(PASSWORD)).id)

    assert asyncio.run(run()) == account.user_id


@pytest.mark.parametrize("home_dc_id", [2, 4])
def test_a_qr_code_that_a_phone_accepts_logs_in(
    home_dc_id: int, start_stand_in: StartStandIn
) -> None:
    telegram = telegram_with(start_stand_in, home_dc_id=home_dc_id)

    async def run() -> int:
        async with stranger(telegram) as client:
            login: Any = QRLogin(client)
            await login.recreate()
            waiting = asyncio.ensure_future(login.wait())
            await listening(client)
            await asyncio.to_thread(telegram.accept_login_token, login.url)
            user = await asyncio.wait_for(waiting, PATIENCE_SECONDS)
            assert (await client.get_me()).id == user.id
            return int(user.id)

    assert asyncio.run(run()) == telegram.world.account.user_id


def test_a_qr_code_of_an_account_with_a_password_still_asks_for_it(
    start_stand_in: StartStandIn,
) -> None:
    telegram = telegram_with(start_stand_in, password=PASSWORD)

    async def run() -> int:
        async with stranger(telegram) as client:
            login: Any = QRLogin(client)
            await login.recreate()
            await asyncio.to_thread(telegram.accept_login_token, login.url)
            with pytest.raises(SessionPasswordNeeded):
                await client.invoke(
                    raw.functions.auth.ExportLoginToken(
                        api_id=API_ID, api_hash=API_HASH, except_ids=[]
                    )
                )
            return int((await client.check_password(PASSWORD)).id)

    assert asyncio.run(run()) == telegram.world.account.user_id


def test_a_client_that_wants_no_updates_is_not_told_that_its_code_was_scanned(
    start_stand_in: StartStandIn,
) -> None:
    telegram = telegram_with(start_stand_in)

    async def run() -> None:
        async with stranger(telegram, no_updates=True) as client:
            login: Any = QRLogin(client)
            await login.recreate()
            waiting = asyncio.ensure_future(login.wait(timeout=0.5))
            await listening(client)
            await asyncio.to_thread(telegram.accept_login_token, login.url)
            with pytest.raises(asyncio.TimeoutError):
                await waiting

    asyncio.run(run())


def test_a_phone_accepts_only_tokens_that_a_client_shows(start_stand_in: StartStandIn) -> None:
    telegram = telegram_with(start_stand_in)
    with pytest.raises(ValueError, match="unknown or expired"):
        telegram.accept_login_token("tg://login?token=AAAA")


def test_after_a_log_out_the_key_is_unregistered(start_stand_in: StartStandIn) -> None:
    telegram = telegram_with(start_stand_in)
    account = telegram.world.account

    async def run() -> None:
        async with stranger(telegram) as client:
            sent = await client.send_phone_number_code(account.phone)
            await client.sign_in(account.phone, sent.phone_code_hash, account.login_code)
            await client.invoke(raw.functions.auth.LogOut())
            with pytest.raises(AuthKeyUnregistered):
                await client.get_me()

    asyncio.run(run())
