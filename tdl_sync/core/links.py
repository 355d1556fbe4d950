"""Links to messages, where Telegram has them: https://core.telegram.org/api/links#message-links"""

from __future__ import annotations

import re

_CHANNEL_PREFIX = "-100"


def message_link(chat_id: int, username: str | None, message_id: int) -> str | None:
    """Of a channel or a supergroup; other chats' messages have none. Whatever comes in as a name,
    the link leads to Telegram and nowhere else."""
    marked = str(chat_id)
    if not marked.startswith(_CHANNEL_PREFIX) or message_id <= 0:
        return None
    if username is not None and re.fullmatch(r"[A-Za-z0-9_]{1,64}", username):
        return f"https://t.me/{username}/{message_id}"
    return f"https://t.me/c/{marked.removeprefix(_CHANNEL_PREFIX)}/{message_id}"
