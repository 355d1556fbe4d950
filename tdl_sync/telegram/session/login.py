"""Signing in: phone number, code and password, or a code that the phone's app scans.

https://core.telegram.org/api/auth and https://core.telegram.org/api/qr-login.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any, Protocol

from pyrogram import raw
from pyrogram.errors import (
    ApiIdInvalid,
    AuthTokenExpired,
    BadRequest,
    PasswordHashInvalid,
    PhoneCodeEmpty,
    PhoneCodeExpired,
    PhoneCodeInvalid,
    PhoneNumberInvalid,
    RPCError,
    SendCodeUnavailable,
    SessionPasswordNeeded,
)
from pyrogram.types import SentCode

from tdl_sync.core.errors import CredentialsRefused, NetworkUnreachable
from tdl_sync.core.program import PROGRAM
from tdl_sync.telegram.session.answers import error_name, flood_wait_seconds, translated
from tdl_sync.telegram.session.client import TelegramClient
from tdl_sync.telegram.session.library import Client, QRLogin

TRIES = 3
CONNECT_SECONDS = 60.0
QR_TRIES = 20
ASK_AGAIN = f"Run {PROGRAM} login again"


WAYS = {
    "APP": "to the app on your devices: see its chat Telegram",
    "CALL": "by a phone call, which says it",
    "FLASH_CALL": "by a phone call: it is the number that calls",
    "MISSED_CALL": "by a phone call: it is the last digits of the number that calls",
    "SMS": "by SMS",
    "FIREBASE_SMS": "by SMS",
    "SMS_WORD": "by SMS: it is a word",
    "SMS_PHRASE": "by SMS: it is some words",
    "EMAIL_CODE": "by e-mail, to the address that this account signs in with",
    "FRAGMENT_SMS": "to Fragment, where this number is from: https://fragment.com/my/numbers",
}
"""Where a code goes, by the library's names for that (https://core.telegram.org/api/auth)."""

NEXT_WAYS = {
    "CALL": "by a phone call",
    "FLASH_CALL": "by a phone call",
    "MISSED_CALL": "by a phone call",
    "SMS": "by SMS",
    "FRAGMENT_SMS": "to Fragment",
}

_BY_THE_APP = f"Sign in without a code: {PROGRAM} login --qr"
WHAT_TO_DO = {
    "PHONE_NUMBER_BANNED": (
        "it has banned this phone number",
        "Its app says how to appeal; another number may sign in",
    ),
    "PHONE_NUMBER_FLOOD": ("too many codes were asked for with this number", "Try tomorrow"),
    "PHONE_PASSWORD_FLOOD": ("too many passwords were tried", "Try tomorrow"),
    "PHONE_NUMBER_UNOCCUPIED": (
        "this phone number has no Telegram account",
        f"Make one with a Telegram app, then {ASK_AGAIN[0].lower()}{ASK_AGAIN[1:]}",
    ),
    "API_ID_PUBLISHED_FLOOD": (
        "this api id is one that everybody knows, and it takes no sign-in by it",
        "Make your own at https://my.telegram.org/apps",
    ),
    "UPDATE_APP_TO_LOGIN": ("it sends no code to this program", _BY_THE_APP),
    "SEND_CODE_UNAVAILABLE": ("it has no way left to send a code", _BY_THE_APP),
}
"""What Telegram's refusals mean, and the way on."""


class AppRefused(CredentialsRefused):
    """Telegram does not know the api id and hash."""


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
            if isinstance(error, ApiIdInvalid):
                raise AppRefused(
                    "Telegram",
                    "it knows no app with this api id and hash",
                    "Copy both again from https://my.telegram.org/apps",
                ) from error
            if isinstance(error, RPCError) and error_name(error) in WHAT_TO_DO:
                raise CredentialsRefused("Telegram", *WHAT_TO_DO[error_name(error)]) from error
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
        return name_of(users[0])

    async def _by_phone(self, client: Client) -> None:
        phone, sent = await self._send_code(client)
        for _ in range(TRIES):
            code, sent = await self._code(client, phone, sent)
            try:
                account_is_there = await _signed_in_by(client, phone, sent, code)
            except (PhoneCodeInvalid, PhoneCodeEmpty):
                self._prompter.show("That is not the code.")
                continue
            except PhoneCodeExpired:
                self._prompter.show("That code has ended; Telegram sends a new one.")
                sent = await _asked_for_code(client, phone)
                self._say_where(sent)
                continue
            except SessionPasswordNeeded:
                await self._with_password(client)
                return
            if not account_is_there:
                raise _refused("this phone number has no Telegram account")
            return
        raise _refused(f"{TRIES} wrong codes")

    async def _send_code(self, client: Client) -> tuple[str, SentCode]:
        for _ in range(TRIES):
            phone = await self._phone()
            try:
                sent = await _asked_for_code(client, phone)
            except PhoneNumberInvalid:
                self._prompter.show(f"Telegram takes {phone} for no phone number.")
                continue
            self._say_where(sent)
            return phone, sent
        raise _refused(f"{TRIES} wrong phone numbers")

    async def _phone(self) -> str:
        """What may be one: digits, as written in a letter or a phone book."""
        while True:
            typed = await self._asked("Phone number, with the country code (+49…): ")
            phone = re.sub(r"[\s().\-/]", "", typed)
            phone = re.sub(r"^00", "+", phone)
            if re.fullmatch(r"\+?[1-9][0-9]{6,14}", phone):
                return phone
            self._prompter.show(
                "A phone number is 7 to 15 digits that begin with the country code, such as "
                "+49 170 1234567."
            )

    async def _code(self, client: Client, phone: str, sent: SentCode) -> tuple[str, SentCode]:
        """What was typed as the code, and which one that is: an empty line is none, and has it
        sent the next way where there is one and its time has come."""
        sent_at = time.monotonic()
        while True:
            typed = await asyncio.to_thread(self._prompter.ask, "Code that Telegram sent you: ")
            if typed.strip():
                # Words that are sent as a code have spaces between them.
                return re.sub(r"(?<=\d)[\s-]+(?=\d)", "", typed.strip()), sent
            if sent.next_type is None:
                continue
            left_seconds = sent_at + (sent.timeout or 0) - time.monotonic()
            if left_seconds > 0:
                way = NEXT_WAYS[sent.next_type.name]
                self._prompter.show(f"In {left_seconds:.0f} s an empty line has it sent {way}.")
                continue
            try:
                sent = await client.resend_phone_number_code(phone, sent.phone_code_hash)
            except SendCodeUnavailable:
                sent.next_type = None
                self._prompter.show("Telegram has no other way to send it.")
                continue
            self._say_where(sent)
            sent_at = time.monotonic()

    def _say_where(self, sent: SentCode) -> None:
        """Raises ``CredentialsRefused`` where Telegram has sent none."""
        if sent.type.name == "SETUP_EMAIL_REQUIRED":
            raise CredentialsRefused(
                "Telegram",
                "it wants an e-mail address for this account before it sends a code",
                "Add one in the Telegram app (Settings > Privacy and Security > Login Email), or "
                f"sign in without a code: {PROGRAM} login --qr",
            )
        self._prompter.show(f"Telegram has sent the code {WAYS.get(sent.type.name, 'to you')}.")
        if sent.next_type is not None:
            self._prompter.show(
                f"If it does not come: after {sent.timeout or 0} s an empty line has it sent "
                f"{NEXT_WAYS[sent.next_type.name]}."
            )

    async def _with_password(self, client: Client) -> None:
        hint = await client.get_password_hint()
        question = f"Two-step password (hint: {hint}): " if hint else "Two-step password: "
        for _ in range(TRIES):
            password = ""
            while not password:
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
        """What was typed, without spaces around it; an empty line is asked again."""
        while True:
            typed = (await asyncio.to_thread(self._prompter.ask, question)).strip()
            if typed:
                return typed


async def _asked_for_code(client: Client, phone: str) -> SentCode:
    try:
        return await client.send_phone_number_code(phone)
    except AttributeError as error:
        # What the library can't read: a code that has to be paid for, or none that is needed.
        raise CredentialsRefused(
            "Telegram",
            "it sends no code to this phone number through this program",
            f"Sign in without one: {PROGRAM} login --qr",
        ) from error


async def _signed_in_by(client: Client, phone: str, sent: SentCode, code: str) -> bool:
    """Whether the phone number has an account; if so, the session is that account's."""
    if sent.type.name != "EMAIL_CODE":
        signed_in = await client.sign_in(phone, sent.phone_code_hash, code)
        return not isinstance(signed_in, bool) and hasattr(signed_in, "first_name")
    # The library knows no field for it.
    answer: Any = await client.invoke(
        raw.functions.auth.SignIn(
            phone_number=phone.lstrip("+"),
            phone_code_hash=sent.phone_code_hash,
            email_verification=raw.types.EmailVerificationCode(code=code),
        )
    )
    if isinstance(answer, raw.types.auth.AuthorizationSignUpRequired):
        return False
    storage: Any = client.storage
    await storage.user_id(answer.user.id)
    await storage.is_bot(False)
    return True


def name_of(user: Any) -> str:
    return " ".join(filter(None, (user.first_name, user.last_name)))


def _refused(why: str) -> CredentialsRefused:
    return CredentialsRefused("Telegram", f"signing in was refused: {why}", ASK_AGAIN)
