"""What the names say that other programs give to what they move, and how far that is proof.

tdl (https://docs.iyear.me/tdl/guide/template/): ``<chat>_<message>_<name>``, the chat's id without
a mark; nameless files are called by Telegram's id of them.

telegram_media_downloader, the fork by tangyoha: ``<title>/<year>_<month>/<message> - <name>``, or
the message alone; nameless photos are called by their unique id.

telegram_media_downloader itself, by Dineshkarthik: ``<chat>/<kind>/<name>`` without the message;
nameless files are called ``<kind>_<id>``, and of one name the second is ``<name>-copy1``.

Signs that a system does not take in names each program replaces in its own way, and all may have
cut a name: so of names only letters and digits are compared.
"""

from __future__ import annotations

import base64
import re
import struct
import unicodedata
from dataclasses import dataclass

from tdl_sync.core.model import (
    Chat,
    ListedFile,
    MediaItem,
    MediaType,
    path_at,
)
from tdl_sync.core.naming import chat_id_of_folder, number_of, path_of, portable_folder
from tdl_sync.options.adopt_template import AdoptTemplate
from tdl_sync.remote.remnants import is_under_way

BY_IDS = "ids of chat and message in its name"
BY_NAME_AND_ID = "message id and file name"
BY_ID_IN_FOLDER = "message id in its name, in the chat's folder"
BY_TEMPLATE = "message id by the template, in the chat's folder"
BY_TEMPLATE_AND_NAME = "message id by the template, and file name"
BY_TEMPLATE_AND_CHAT = "ids of chat and message by the template"
BY_FILE_ID = "Telegram's id of the file in its name"
BY_FILE_NAME = "file name, which one file has here and one in the chat"

_UNFINISHED = re.compile(r".*\.(?:tmp|temp|part|partial|crdownload|download)", re.IGNORECASE)
_OF_TDL = re.compile(r"([1-9][0-9]{0,18})_([1-9][0-9]{0,9})_(?=.)", re.DOTALL)
_OF_THE_FORK = re.compile(r"([1-9][0-9]{0,9})(?: - (.+)|(?:\.\w{1,16})?)", re.DOTALL)
_FILE_ID = re.compile(
    r"(?:(?:photo|video|audio|document|animation|sticker)_([0-9]{5,20})|([0-9]{15,20}))"
    r"(?:-copy[0-9]+| \([0-9]+\))?(?:\.\w{1,16})?"
)
_COPY = re.compile(r"(?:-copy[0-9]{1,4}| \([0-9]{1,4}\))+\Z")
_OF_ANOTHER_CHAT = re.compile(r"-[1-9][0-9]{4,18}")
_NAMED_BY_THE_PROGRAM = re.compile(r"(?:voice|video_note)_[0-9]{4}-")
_TELLS_NOTHING = re.compile(r"[0-9]{0,9}")
"""A number may be any message's id, in any chat."""

_LEAST_OF_A_CUT_NAME = 32
_LEAST_OF_AN_END = 5

_OF_A_FILE = 2
"""The kind in unique ids of photos and documents alike."""

NameKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Claim:
    """A file's name says that it is this message's. ``index`` is which of its files, ``None`` where
    the program does not say. ``rest`` is what it says of the file's own name, ``None`` for nothing.
    ``names_chat``: by an id, in the name or in a folder's."""

    message_id: int
    index: int | None
    rest: str | None
    names_chat: bool
    by_template: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """All that a path says. ``refusal`` is why it is not looked at any further."""

    claims: tuple[Claim, ...] = ()
    in_chats_folder: bool = False
    file_id: int | None = None
    name_keys: tuple[NameKey, ...] = ()
    refusal: str | None = None


class Names:
    """Reads the paths below one place, for one chat."""

    def __init__(self, chat: Chat, source: str, template: AdoptTemplate | None = None) -> None:
        self._chat = chat
        self._template = template
        self._bare_id = str(-chat.id - 10**12 if chat.id < -(10**12) else abs(chat.id))
        self._ids = (self._bare_id, str(chat.id))
        titles = {chat.title, _as_the_fork_writes(chat.title), portable_folder(chat.title)}
        names = {*titles, *self._ids, chat.username or ""} - {"", "_"}
        self._folder_names = {unicodedata.normalize("NFC", each) for each in names}
        self._last_of_place = source.rstrip("/").rpartition("/")[2].rpartition(":")[2]

    def said(self, file: ListedFile) -> Said:
        name, folders = file.name, [self._last_of_place, *file.subfolder.split("/")]
        if is_under_way(name) or _UNFINISHED.fullmatch(name):
            return Said(refusal="may be unfinished, by the end of its name")
        if any(self._is_anothers(each) for each in folders):
            return Said(refusal="in a folder of another chat")
        claims = self._claims_of(file, name, folders)
        return Said(
            claims,
            any(map(self._is_the_chats, folders)),
            None if self._template else _file_id_in(name),
            () if self._template else _keys_of(name),
        )

    def _claims_of(self, file: ListedFile, name: str, folders: list[str]) -> tuple[Claim, ...]:
        if self._template is not None:
            ids = self._template.message_ids(path_of(file), self._ids)
            of_chat = self._template.names_chat
            return tuple(Claim(each, None, name, of_chat, by_template=True) for each in sorted(ids))
        claims = []
        if (match := _OF_TDL.match(name)) and match[1] == self._bare_id:
            claims.append(Claim(int(match[2]), None, name[match.end() :], names_chat=True))
        if match := _OF_THE_FORK.fullmatch(name):
            claims.append(Claim(int(match[1]), None, match[2], names_chat=False))
        number = number_of(name)
        if number is not None and any(chat_id_of_folder(each) is not None for each in folders):
            rest = name.partition("_")[2]
            claims.append(Claim(number.message_id, number.index, rest, names_chat=True))
        return tuple(claims)

    def _is_the_chats(self, folder: str) -> bool:
        return (
            unicodedata.normalize("NFC", folder) in self._folder_names
            or chat_id_of_folder(folder) == self._chat.id
        )

    def _is_anothers(self, folder: str) -> bool:
        of_ours = chat_id_of_folder(folder)
        if of_ours is not None:
            return of_ours != self._chat.id
        return _OF_ANOTHER_CHAT.fullmatch(folder) is not None and folder != str(self._chat.id)


def evidence(claim: Claim, said: Said, item: MediaItem) -> str | None:
    """Why the claim is believed of an item of this message, whose size the file has; ``None``: it
    is not. An id of the message alone is that of messages in other chats, too."""
    if claim.names_chat:
        return BY_TEMPLATE_AND_CHAT if claim.by_template else BY_IDS
    if claim.rest is not None and _names(claim.rest, item):
        return BY_TEMPLATE_AND_NAME if claim.by_template else BY_NAME_AND_ID
    if claim.by_template:
        fits = True
    elif claim.rest is None:
        fits = not item.file_name
    else:
        fits = _NAMED_BY_THE_PROGRAM.match(claim.rest) is not None
    if said.in_chats_folder and fits:
        return BY_TEMPLATE if claim.by_template else BY_ID_IN_FOLDER
    return None


def name_keys(item: MediaItem) -> tuple[NameKey, ...]:
    """What a file is called that is called by its own name alone, by letters and digits."""
    if item.file_name:
        return _keys_of(item.file_name)[:1]
    if item.media_type in (MediaType.VOICE, MediaType.VIDEO_NOTE):
        ending = item.mime_type.rpartition("/")[2]
        return _keys_of(f"{item.media_type.value}_{item.date.isoformat()}.{ending}")[:1]
    return ()


def where(source: str, file: ListedFile) -> str:
    """For people."""
    return path_at(source, path_of(file))


def _keys_of(name: str) -> tuple[NameKey, ...]:
    stem, _, ending = name.rpartition(".")
    if not stem:
        stem, ending = name, ""
    stems = dict.fromkeys((stem, _COPY.sub("", stem)))
    keys = ((letters(each), letters(ending)) for each in stems)
    return tuple(dict.fromkeys(key for key in keys if not _TELLS_NOTHING.fullmatch(key[0])))


def letters(text: str) -> str:
    """The letters and digits of a text, in one form and case."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(sign for sign in folded if sign.isalnum())


def _file_id_in(name: str) -> int | None:
    match = _FILE_ID.fullmatch(name)
    return int(match[1] or match[2]) if match else None


def _names(rest: str, item: MediaItem) -> bool:
    """Whether this is, or ends with, what the item is called; or, where names are long, begins so,
    since it may have been cut."""
    stem = rest.rpartition(".")[0] or rest
    said = letters(stem)
    for name in _called(item):
        known = letters(name)
        ends_so = len(known) >= _LEAST_OF_AN_END and said.endswith(known)
        is_cut = len(said) >= _LEAST_OF_A_CUT_NAME and known.startswith(said)
        if (known and said == known) or ends_so or is_cut:
            return True
    return False


def _called(item: MediaItem) -> list[str]:
    """What it may be called, without an ending."""
    file_id = item.location.file_id
    called = [str(file_id), unique_id(item)]
    if item.file_name:
        called.append(item.file_name.rpartition(".")[0] or item.file_name)
    return called


def unique_id(item: MediaItem) -> str:
    """What Bot API and Pyrogram call a file's unique id: the kind and Telegram's id, with each run
    of zeros as a zero and its length, in base64 without padding."""
    packed = struct.pack("<iq", _OF_A_FILE, _signed(item.location.file_id))
    short = bytearray()
    zeros = 0
    for byte in packed:
        if byte == 0:
            zeros += 1
            continue
        if zeros:
            short += bytes((0, zeros))
            zeros = 0
        short.append(byte)
    if zeros:
        short += bytes((0, zeros))
    return base64.urlsafe_b64encode(bytes(short)).decode().rstrip("=")


def _signed(file_id: int) -> int:
    return (file_id + 2**63) % 2**64 - 2**63


def _as_the_fork_writes(title: str) -> str:
    return re.sub(r'[/\\:*?"<>|\n]', "_", title)
