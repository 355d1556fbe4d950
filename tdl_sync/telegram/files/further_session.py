"""A further session of the library's with a key that another one has already."""

from __future__ import annotations

from typing import Any

from pyrogram import Client
from pyrogram.session import Session


async def opened_beside(client: Client, session: Session, host: str, port: int) -> Session:
    """Another session with the key of ``session``, for media; on the loop.

    It is opened as the library's ``get_session`` does, but with the salt that the key has got
    already. Without one its first request is refused, which costs a round trip
    (https://core.telegram.org/mtproto/service_messages_about_messages#notice-of-ignored-error-message).
    """
    other = Session(
        client, session.dc_id, host, port, session.auth_key, session.test_mode, is_media=True
    )
    other.salt = session.salt
    starting: Any = other.start
    await starting()
    return other
