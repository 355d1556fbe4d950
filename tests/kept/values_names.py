"""What Telegram may call a file or a chat, and the names that they get for it on the remote."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from standins.telegram.world.names import HOSTILE_NAMES
from tdl_sync.core.model import Chat, ChatKind, MediaType
from tdl_sync.core.naming import file_name, folder_name
from tdl_sync.options.name_template import parse_name_template
from tests.kept.values_sidecars import CHANNEL, EVERYTHING, NAMELESS, PLAIN

FILE_NAMES = [
    *HOSTILE_NAMES,
    *("", " ", "..", "a" * 300 + ".tar.gz", "ü" * 200 + ".mp4", "\U0001f468\u200d\U0001f469" * 40),
    *("con.txt", "COM¹", "LPT1 .x", "e\u0301.txt", "a.b.c.d", ".hidden", "name without dot", "1_2"),
    *("x.partial", "‛quoted", "a／b", "␊", "\ufdd0", "\u202egnp.exe", "tab\there", "dot. "),
]
MIME_TYPES = ["", "video/mp4", "video/x-matroska; a=b", "IMAGE/JPEG", "text/plain", "no/such"]
TITLES = [*HOSTILE_NAMES[:12], "", "...", "t" * 300, "\U0001f1e9\U0001f1ea" * 60, "nul", "A [1]"]
TEMPLATES = [
    "{file_name}",
    "{message_id}_{file_name}",
    "{date:%Y-%m}/{stem} ({type}).{ext}",
    "{chat}/{topic}/{album}/{caption:.20}/{stem}",
    "{date}/con/{message_id} {caption}",
]


def names(
    file_names: Iterable[str] = FILE_NAMES, titles: Iterable[str] = TITLES
) -> dict[str, dict[str, str]]:
    """By kind: what it was made of, and the name."""
    kinds = {
        f"{each.value} {mime_type}": file_name(
            replace(NAMELESS, media_type=each, mime_type=mime_type)
        )
        for each in MediaType
        for mime_type in MIME_TYPES
    }
    return {
        "files": {text: file_name(replace(PLAIN, file_name=text)) for text in file_names},
        "nameless": kinds,
        "folders": {text: folder_name(replace(CHANNEL, title=text)) for text in titles},
        "untitled": {
            each.value: folder_name(Chat(5000000001, "", each))
            for each in ChatKind
            if each is not ChatKind.DIRECT_MESSAGES  # that version could not read them
        },
        "templates": {
            f"{text} of {item.message_id}": parse_name_template(text).path(item, CHANNEL)
            for text in TEMPLATES
            for item in (PLAIN, EVERYTHING, NAMELESS)
        },
    }
