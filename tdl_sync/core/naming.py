r"""Hostile names from Telegram -> safe, unique names on the remote.

A name is read on systems that differ from the one where it is made, so it keeps to what all of
them take:

- ``<>:"/\|?*`` become ``_``. Google Drive would take most of them, but Drive's own client for
  Windows, OneDrive and others can't show such files. Look-alikes (``：``) were rejected: rclone
  uses them itself to spell these signs on some remotes, and would turn them back.
- For the same reason ``／``, the pictures of control characters (``␊``) and rclone's quote sign
  ``‛`` become ``_`` (https://rclone.org/overview/#restricted-characters).
- At most 143 bytes. File systems take 255, but a crypt remote pads a name to 16 bytes and writes
  it in base32: 143 become 231, one more becomes 256
  (https://rclone.org/crypt/#file-name-encryption). The remote's kind isn't asked for, so that a
  file has one name wherever it goes.
- Composed form (NFC), no control or format characters, no dot or space at the end, none of the
  names that Windows keeps for devices.

Two files of one chat never get one name, nor two that differ in case or Unicode form only: each
begins with the id of its message, and where that holds several, with its number there.
"""

from __future__ import annotations

import mimetypes
import re
import unicodedata

from tdl_sync.core.model import FIRST, Chat, FileNumber, ListedFile, MediaItem, MediaType
from tdl_sync.core.text import is_broken

MAX_NAME_BYTES = 143

_UNPORTABLE = frozenset('<>:"/\\|?*／‛') | {chr(code) for code in range(0x2400, 0x2427)}
# Format characters that words are spelled with: the joiners of Persian, Indic scripts and emoji.
_JOINERS = "\u200c\u200d"
_EXTENSION = re.compile(r"(?:\.\w{1,8}){1,2}\Z")
_WINDOWS_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(?=\.|\Z)", re.IGNORECASE
)
_FILE_NUMBER = re.compile(r"([1-9][0-9]{0,18})(?:\.([2-9]|[1-9][0-9]{1,2}))?_")
_FOLDER_ID = re.compile(r" \[(-?[1-9][0-9]{0,18})\]\Z")

_EXTENSION_OF_MIME_TYPE = {
    "application/x-tgsticker": ".tgs",
    "audio/flac": ".flac",
    "audio/mp4": ".m4a",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/wav": ".wav",
    "audio/x-wav": ".wav",
    "image/gif": ".gif",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "video/mp4": ".mp4",
    "video/mpeg": ".mpg",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
    "video/x-matroska": ".mkv",
}
_EXTENSION_OF_MEDIA_TYPE = {
    MediaType.DOCUMENT: ".bin",
    MediaType.VIDEO: ".mp4",
    MediaType.AUDIO: ".mp3",
    MediaType.VOICE: ".ogg",
    MediaType.VIDEO_NOTE: ".mp4",
    MediaType.ANIMATION: ".mp4",
    MediaType.PHOTO: ".jpg",
    MediaType.STICKER: ".webp",
}
# Only the standard library's own table: a machine's mime.types would name files differently.
_STANDARD_MIME_TYPES = mimetypes.MimeTypes()


def file_name(item: MediaItem) -> str:
    """``<message id>_<file name>``, or ``<message id>_<type>_<date>.<ext>`` for nameless media.
    A message's second file is ``<message id>.2_…``, and so on.

    A name with nothing usable in it (``..``, blanks) counts as none. The same item always gets
    the same name. What is too long loses the end of its stem and keeps its extension.
    """
    return portable_name(item, item.file_name or "")


def portable_name(item: MediaItem, text: str) -> str:
    """``<message id>_<text>`` by the rules of this module; a made-up name if nothing is left."""
    prefix = f"{item.number}_"
    name = _portable(text) or _made_up(item)
    return prefix + _shortened(name, MAX_NAME_BYTES - len(prefix))


def name_beside(item: MediaItem, name: str) -> str:
    """Another name for a file whose own ``name`` the message's file of before has: with the moment
    of the edit, or, where Telegram does not tell it, with the file's id."""
    prefix, _, rest = name.partition("_")
    match = _EXTENSION.search(rest)
    extension = match[0] if match else ""
    edited_at = item.details.edited_at
    when = f"{item.location.file_id:x}" if edited_at is None else f"{edited_at:%Y-%m-%d_%H-%M-%S}"
    end = f" {when}{extension}"
    stem = rest[: len(rest) - len(extension)]
    stem = _cut(stem, MAX_NAME_BYTES - len(f"{prefix}_{end}".encode())).rstrip(" .")
    return f"{prefix}_{stem}{end}"


def portable_folder(text: str) -> str:
    """``text`` as the name of a folder; ``_`` if nothing is left of it."""
    return _cut(_no_device(_portable(text).lstrip(" .")), MAX_NAME_BYTES).rstrip(" .") or "_"


def name_without_id(item: MediaItem) -> str:
    """``file_name`` without the message's id, and the file's number there, in front."""
    return file_name(item).partition("_")[2]


def folder_name(chat: Chat) -> str:
    """``<title> [<chat id>]``. Choose it once for a chat: titles change."""
    suffix = f" [{chat.id}]"
    title = _no_device(_portable(chat.title).lstrip(" .") or str(chat.kind.value))
    return _cut(title, MAX_NAME_BYTES - len(suffix)).rstrip(" .") + suffix


def number_of(name: str) -> FileNumber | None:
    """Which message's file a file on the remote is, and which of them; ``None`` if it isn't one of
    ours."""
    match = _FILE_NUMBER.match(name)
    return FileNumber(int(match[1]), int(match[2] or FIRST)) if match else None


def path_of(file: ListedFile) -> str:
    """Below the chat's folder."""
    return f"{file.subfolder}/{file.name}".lstrip("/")


def chat_id_of_folder(name: str) -> int | None:
    """The chat that a folder on the remote belongs to; ``None`` if it isn't one of ours."""
    match = _FOLDER_ID.search(name)
    return int(match[1]) if match else None


def _portable(text: str) -> str:
    """``text`` as a part of a name; empty if nothing of it can be used."""
    kept = "".join(
        character if character in _JOINERS else _portable_character(character)
        for character in unicodedata.normalize("NFC", text)
    )
    # Again: what stood between two characters that compose may be gone.
    return unicodedata.normalize("NFC", kept).strip(f" {_JOINERS}").rstrip(f" .{_JOINERS}")


def _portable_character(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Zs", "Zl", "Zp"):
        return " "
    if category == "Cf":
        return ""
    return "_" if character in _UNPORTABLE or is_broken(character, category) else character


def _no_device(name: str) -> str:
    device = _WINDOWS_DEVICE.match(name)
    return f"{name[: device.end()]}_{name[device.end() :]}" if device else name


def _made_up(item: MediaItem) -> str:
    return f"{item.media_type.value}_{item.date:%Y-%m-%d_%H-%M-%S}{_extension_of(item)}"


def _extension_of(item: MediaItem) -> str:
    mime_type = item.mime_type.partition(";")[0].strip().lower()
    return (
        _EXTENSION_OF_MIME_TYPE.get(mime_type)
        or _STANDARD_MIME_TYPES.guess_extension(mime_type)
        or _EXTENSION_OF_MEDIA_TYPE[item.media_type]
    )


def _shortened(name: str, max_bytes: int) -> str:
    if len(name.encode()) <= max_bytes:
        return name
    match = _EXTENSION.search(name)
    extension = match[0] if match else ""
    stem = name[: len(name) - len(extension)]
    return _cut(stem, max_bytes - len(extension.encode())).rstrip(" .") + extension


def _cut(text: str, max_bytes: int) -> str:
    """The longest beginning of ``text`` that fits and does not end inside a visible character."""
    if len(text.encode()) <= max_bytes:
        return text
    end = len(text.encode()[:max_bytes].decode(errors="ignore"))
    whole = end
    while whole > 0 and not _may_break_before(text, whole):
        whole -= 1
    return text[: whole or end]


def _may_break_before(text: str, index: int) -> bool:
    """The gist of https://unicode.org/reports/tr29/#Grapheme_Cluster_Boundaries, for cutting."""
    before, after = text[index - 1], text[index]
    if unicodedata.category(after).startswith("M") or after in _JOINERS or before == "\u200d":
        return False
    if (
        "\N{EMOJI MODIFIER FITZPATRICK TYPE-1-2}"
        <= after
        <= "\N{EMOJI MODIFIER FITZPATRICK TYPE-6}"
    ):
        return False
    # A flag is a pair of letters: count those that stand before.
    letters = len(text[:index]) - len(text[:index].rstrip(_FLAG_LETTERS))
    return not (after in _FLAG_LETTERS and letters % 2)


_FLAG_LETTERS = "".join(chr(code) for code in range(0x1F1E6, 0x1F200))
