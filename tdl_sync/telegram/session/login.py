"""Signing in: phone number, code and password, or a code that the phone's app scans.

https://core.telegram.org/api/auth and https://core.telegram.org/api/qr-login.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from pyrogram import raw
from pyrogram.errors import (
    AuthTokenExpired,
    BadRequest,
    PasswordHashInvalid,
    PhoneCodeEmpty,
    PhoneCodeInvalid,
    RPCError,
    SessionPasswordNeeded,
)

from tdl_sync.core.errors import CredentialsRefused, NetworkUnreachable
from tdl_sync.core.program import PROGRAM
from tdl_sync.telegram.session.answers import error_name, flood_wait_seconds, translated
from tdl_sync.telegram.session.client import TelegramClient
from tdl_sync.telegram.session.library import Client, QRLogin

TRIES = 3
CONNECT_SECONDS = 60.0
QR_TRIES = 20
ASK_AGAIN = f"Run {PROGRAM} login again"


class Prompter(Protocol):
    """The person who signs in. Called from a worker thread; may block."""

    def ask(self, question: str) -> str: ...

    def ask_secret(self, question: str) -> str: ...

    def show(self, text: str) -> None: ...

    def show_qr(self, link: str) -> None:
        """Show a code to scan; called again whenever the last one has ended."""


class Login:
    """Signs the client's session in. Blocks; any thread but the loop's.

    The session file is written by then, with what the process's umask leaves of its mode.
    """

    def __init__(self, telegram: TelegramClient, prompter: Prompter) -> None:
        self._telegram = telegram
        self._prompter = prompter

    def sign_in(self, by_qr: bool) -> str:
        """Returns the account's name, empty where Telegram does not say it. If the session is
        signed in already, nothing is asked.

        Raises ``CredentialsRefused`` or ``NetworkUnreachable``.
        """
        try:
            return self._telegram.loop.call(self._sign_in, by_qr)
        except (RPCError, OSError, asyncio.TimeoutError) as error:
            seconds = flood_wait_seconds(error)
            if seconds is not None:
                raise CredentialsRefused(
                    "Telegram",
                    f"too many tries to sign in, it asks for a pause of {seconds} s",
                    f"{ASK_AGAIN} after that",
                ) from error
            if isinstance(error, BadRequest):
                raise _refused(error_name(error)) from error
            raise translated(error, "signing in") from error

    def session_string(self) -> str:
        """The whole session as a text. Whoever has it has the account."""
        return self._telegram.loop.call(self._export)

    async def _export(self) -> str:
        exporting: Any = self._telegram.client.export_session_string()
        return str(await exporting)

    async def _sign_in(self, by_qr: bool) -> str:
        # QR login waits for an update, so this client wants updates.
        client = await self._telegram.make_client(no_updates=False)
        await self._telegram.guarded(client.connect(), "connecting", CONNECT_SECONDS)
        storage: Any = client.storage
        is_new = await storage.user_id() is None
        if is_new:
            await (self._by_qr(client) if by_qr else self._by_phone(client))
        await storage.save()
        try:
            return await self._own_name(client)
        except (RPCError, OSError) as error:
            # Whether a session that was there is still taken is what is asked; a new one is.
            if not is_new:
                raise
            self._prompter.show(f"(Telegram does not say whose account it is: {error})")
            return ""

    @staticmethod
    async def _own_name(client: Client) -> str:
        """Of the user alone: the library's own way asks for what is pinned in Saved Messages, too,
        and fails where it can't read that."""
        query = raw.functions.users.GetUsers(id=[raw.types.InputUserSelf()])
        users: Any = await client.invoke(query, retries=TRIES)
        return " ".join(filter(None, (users[0].first_name, users[0].last_name)))

    async def _by_phone(self, client: Client) -> None:
        phone = await self._asked("Phone number, with the country code (+49…): ")
        sent = await client.send_phone_number_code(phone)
        for _ in range(TRIES):
            code = await self._asked("Code that Telegram sent you: ")
            try:
                signed_in = await client.sign_in(phone, sent.phone_code_hash, code.strip())
            except (PhoneCodeInvalid, PhoneCodeEmpty):
                self._prompter.show("That is not the code.")
                continue
            except SessionPasswordNeeded:
                await self._with_password(client)
                return
            if isinstance(signed_in, bool) or not hasattr(signed_in, "first_name"):
                raise _refused("this phone number has no Telegram account")
            return
        raise _refused(f"{TRIES} wrong codes")

    async def _with_password(self, client: Client) -> None:
        hint = await client.get_password_hint()
        question = f"Two-step password (hint: {hint}): " if hint else "Two-step password: "
        for _ in range(TRIES):
            password = await asyncio.to_thread(self._prompter.ask_secret, question)
            try:
                await client.check_password(password)
            except PasswordHashInvalid:
                self._prompter.show("That is not the password.")
                continue
            return
        raise _refused(f"{TRIES} wrong passwords")

    async def _by_qr(self, client: Client) -> None:
        qr_login: Any = QRLogin(client)
        for _ in range(QR_TRIES):
            await qr_login.recreate()
            self._prompter.show_qr(qr_login.url)
            try:
                await qr_login.wait()
            except (asyncio.TimeoutError, AuthTokenExpired):
                continue
            except SessionPasswordNeeded:
                await self._with_password(client)
            return
        raise NetworkUnreachable(f"nobody scanned the code. {ASK_AGAIN}")

    async def _asked(self, question: str) -> str:
        return await asyncio.to_thread(self._prompter.ask, question)


def _refused(why: str) -> CredentialsRefused:
    return CredentialsRefused("Telegram", f"signing in was refused: {why}", ASK_AGAIN)
