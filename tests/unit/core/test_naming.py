"""Whatever a chat calls its files, what lies on the remote has a safe name of its own."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tdl_sync.core.model import (
    Chat,
    ChatKind,
    FileLocation,
    FileNumber,
    LocationKind,
    MediaItem,
    MediaType,
    MessageKey,
)
from tdl_sync.core.naming import (
    MAX_NAME_BYTES,
    chat_id_of_folder,
    file_name,
    folder_name,
    number_of,
)
from tdl_sync.core.text import printable

HOSTILE = [
    "../../x",
    "/tmp/x",
    "..\\..\\x",
    ".",
    "..",
    "",
    "   ",
    "-rf",
    "CON",
    "nul.txt",
    "COM¹.x",
    "a\0b",
    "a\nb",
    "\x1b[31mred\x1b]0;title\x07",
    "\x9b31m",
    "invoice\u202egpj.exe",
    "\ud83d broken \udc00",
    "\ufffe\ufdd0",
    "$(touch x)`touch y`;'\"",
    "a／b␊c‛d",
    "dots and spaces. . .",
    "x" * 300 + ".mp4",
    "е" * 200,
    "👨‍👩‍👧‍👦" * 40 + ".tar.gz",
    "e" + "\u0301" * 300,
    "." + "x" * 300,
    "e\u200b\u0301",
    "\u200d\u200c",
    "x\u200d.\u200d.",
    "a." * 150,
    "\U000e0041tagged",
]


def item(
    name: str | None = None,
    message_id: int = 7,
    media_type: MediaType = MediaType.DOCUMENT,
    mime_type: str = "",
) -> MediaItem:
    return MediaItem(
        key=MessageKey(-1001234567890, 0, message_id),
        media_type=media_type,
        file_name=name,
        mime_type=mime_type,
        size_bytes=1,
        date=datetime(2024, 5, 1, 12, 30, 5, tzinfo=timezone.utc),
        location=FileLocation(LocationKind.DOCUMENT, 2, 1, 1, b""),
    )


def chat(title: str, chat_id: int = -1001234567890) -> Chat:
    return Chat(chat_id, title, ChatKind.CHANNEL)


texts = st.text(st.characters(exclude_categories=()), max_size=300) | st.sampled_from(HOSTILE)
message_ids = st.integers(1, 2**31 - 1)
chat_ids = st.integers(-1_997_852_516_352, -1) | st.integers(1, 2**52)


def assert_safe_on_every_remote(name: str) -> None:
    assert 0 < len(name.encode()) <= MAX_NAME_BYTES <= 143
    assert not set(name) & set('<>:"/\\|?*／‛')
    assert not any(0x2400 <= ord(character) <= 0x2426 for character in name)
    for character in name:
        assert unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")
        assert unicodedata.category(character) != "Cf" or character in "\u200c\u200d"
    assert unicodedata.is_normalized("NFC", name)
    assert name not in (".", "..")
    assert not name.startswith((" ", "."))
    assert not name.endswith((" ", "."))
    assert not any(ord(c) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(c) <= 0xFDEF for c in name)
    device = name.partition(".")[0].rstrip().casefold()
    assert device not in {"con", "prn", "aux", "nul", "com1", "com¹", "lpt9"}


@given(texts, message_ids)
@example("a.b" * 100, 2**31 - 1)
def test_a_file_name_is_safe_on_every_remote(name: str, message_id: int) -> None:
    made = file_name(item(name, message_id))
    assert_safe_on_every_remote(made)
    assert made.startswith(f"{message_id}_")
    assert len(made) > len(f"{message_id}_")


@pytest.mark.parametrize("name", HOSTILE)
def test_each_known_trick_ends_as_a_safe_name(name: str) -> None:
    assert_safe_on_every_remote(file_name(item(name)))
    assert_safe_on_every_remote(folder_name(chat(name)))


@given(texts, chat_ids)
def test_a_folder_name_is_safe_on_every_remote(title: str, chat_id: int) -> None:
    made = folder_name(chat(title, chat_id))
    assert_safe_on_every_remote(made)
    assert made.endswith(f" [{chat_id}]")
    assert len(made) > len(f" [{chat_id}]")


def as_the_least_careful_remote_sees_it(name: str) -> str:
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())


@given(texts, message_ids, texts, message_ids)
@example("a.mp4", 1, "A.MP4", 2)
@example("1_x", 1, "x", 11)
@example("é", 1, "e\u0301", 12)
@example("\u0660x", 1, "x", 10)
def test_two_items_never_get_one_name_not_even_in_another_case_or_form(
    name: str, message_id: int, other_name: str, other_id: int
) -> None:
    if message_id == other_id:
        other_id += 1
    one, other = file_name(item(name, message_id)), file_name(item(other_name, other_id))
    assert as_the_least_careful_remote_sees_it(one) != as_the_least_careful_remote_sees_it(other)


@given(texts, message_ids)
def test_a_file_on_the_remote_is_known_by_its_message_id(name: str, message_id: int) -> None:
    assert number_of(file_name(item(name, message_id))) == FileNumber(message_id)


@given(texts, message_ids, st.integers(2, 999))
def test_a_further_file_of_a_message_is_known_by_its_number(
    name: str, message_id: int, index: int
) -> None:
    first = item(name, message_id)
    further = replace(first, key=replace(first.key, index=index))
    assert file_name(further).startswith(f"{message_id}.{index}_")
    assert number_of(file_name(further)) == FileNumber(message_id, index)


@given(texts, chat_ids)
def test_a_folder_on_the_remote_is_known_by_its_chat_id(title: str, chat_id: int) -> None:
    assert chat_id_of_folder(folder_name(chat(title, chat_id))) == chat_id


def test_what_is_not_ours_has_no_id() -> None:
    for name in (
        "",
        "notes.txt",
        "_7",
        "7",
        "07_x",
        "-7_x",
        "٧_x",
        "9" * 40 + "_x",
        " 7_x",
        "7.1_x",
        "7.02_x",
        "7.1000_x",
        "7.2x",
        "7.2.3_x",
    ):
        assert number_of(name) is None
    for name in ("", "[7]", "x [7] y", "x [٧]", "x[7]", "x [--7]", "x [0]", f"x [{'9' * 40}]"):
        assert chat_id_of_folder(name) is None


def test_ordinary_names_stay_as_they_are() -> None:
    for name in (
        "Lecture 01 (final).mp4",
        "Лекция №1.pdf",
        "映画？.mkv",
        "a'b;c$d&e.txt",
        "می\u200cخواهم.pdf",
    ):
        assert file_name(item(name)) == f"7_{name}"
    assert folder_name(chat("Films & Séries 🎬")) == "Films & Séries 🎬 [-1001234567890]"


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("../../etc/passwd", "7_.._.._etc_passwd"),
        ('12:30 <a|b> "c"?*.txt', "7_12_30 _a_b_ _c___.txt"),
        ("line\nbreak\x1b[31m.txt", "7_line_break_[31m.txt"),
        ("invoice\u202egpj.exe", "7_invoicegpj.exe"),
        ("e\u0301.txt", "7_é.txt"),
        ("a\u00a0b\u3000c", "7_a b c"),
        (" end. . ", "7_end"),
        (".htaccess", "7_.htaccess"),
        ("a\ufdd0b\ufdefc\ufffed\U0010ffff.txt", "7_a_b_c_d_.txt"),
        ("\ufdcf\ufdf0\ufffd.txt", "7_\ufdcf\ufdf0\ufffd.txt"),
    ],
)
def test_what_cannot_stay_becomes_an_underscore_or_goes(name: str, made: str) -> None:
    assert file_name(item(name)) == made


@pytest.mark.parametrize(
    ("stem", "extension"),
    [("x" * 300, ".mp4"), ("я" * 300, ".tar.gz"), ("x" * 300, ".part01.rar"), ("y. " * 99, ".7z")],
)
def test_a_long_name_keeps_its_extension(stem: str, extension: str) -> None:
    made = file_name(item(stem + extension, 2**31 - 1))
    assert made.endswith(extension)
    assert MAX_NAME_BYTES - 4 < len(made.encode()) <= MAX_NAME_BYTES


def test_a_long_name_has_no_blank_or_dot_before_its_extension() -> None:
    for length in range(3):
        made = file_name(item("x" * length + "y. " * 99 + ".mp4"))
        assert made.startswith("7_" + "x" * length + "y. y. ")
        assert made.endswith("y.mp4")


@pytest.mark.parametrize("character", ["é\u0323", "👨‍👩‍👧‍👦", "🇩🇪", "👍🏽", "நி", "❤️"])
def test_a_long_name_is_not_cut_inside_a_visible_character(character: str) -> None:
    character = unicodedata.normalize("NFC", character)
    for length in range(4):
        made = file_name(item("x" * length + character * 60 + ".mp4"))
        middle = made.removeprefix("7_" + "x" * length).removesuffix(".mp4")
        assert middle.strip(character) == ""
        assert len(middle) % len(character) == 0
        assert len(made.encode()) > MAX_NAME_BYTES - len(character.encode())


@pytest.mark.parametrize(
    ("media_type", "mime_type", "made"),
    [
        (MediaType.PHOTO, "image/jpeg", "7_photo_2024-05-01_12-30-05.jpg"),
        (MediaType.VOICE, "audio/ogg", "7_voice_2024-05-01_12-30-05.ogg"),
        (MediaType.VIDEO_NOTE, "video/mp4", "7_video_note_2024-05-01_12-30-05.mp4"),
        (MediaType.VIDEO, "video/quicktime", "7_video_2024-05-01_12-30-05.mov"),
        (MediaType.AUDIO, "AUDIO/MPEG; x=y", "7_audio_2024-05-01_12-30-05.mp3"),
        (MediaType.DOCUMENT, "application/pdf", "7_document_2024-05-01_12-30-05.pdf"),
        (MediaType.DOCUMENT, "../../x", "7_document_2024-05-01_12-30-05.bin"),
        (MediaType.ANIMATION, "", "7_animation_2024-05-01_12-30-05.mp4"),
        (MediaType.STICKER, "application/x-tgsticker", "7_sticker_2024-05-01_12-30-05.tgs"),
    ],
)
def test_nameless_media_are_named_by_type_and_date(
    media_type: MediaType, mime_type: str, made: str
) -> None:
    for nothing in (None, "", "..", " \u202e\u200d "):
        assert file_name(item(nothing, media_type=media_type, mime_type=mime_type)) == made


@given(st.sampled_from(MediaType), texts)
def test_no_mime_type_makes_a_name_unsafe(media_type: MediaType, mime_type: str) -> None:
    assert_safe_on_every_remote(file_name(item(None, media_type=media_type, mime_type=mime_type)))


def test_a_folder_always_has_a_title_that_can_be_seen() -> None:
    assert folder_name(chat("..")) == "channel [-1001234567890]"
    assert folder_name(chat(". hidden")) == "hidden [-1001234567890]"
    assert folder_name(chat("aux.mp4")) == "aux_.mp4 [-1001234567890]"
    assert folder_name(chat("fake [-1009999999999]")) == "fake [-1009999999999] [-1001234567890]"
    assert folder_name(chat("я" * 200)).startswith("я" * 60)


@given(texts)
@example("\x1b]52;c;aGk=\x07")
@example("result: status=complete\r\nresult: status=failed\u2028\x85")
def test_printed_text_is_one_line_that_cannot_drive_a_terminal(text: str) -> None:
    shown = printable(text)
    shown.encode()
    assert len(shown.splitlines()) <= 1
    for character in shown:
        assert unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
    assert printable(shown) == shown


def test_ordinary_text_is_printed_as_it_is() -> None:
    for text in ("Lecture 01 (final).mp4", "Лекция №1", "映画？", "🎬 e\u0301", ""):
        assert printable(text) == text
    assert printable("a\tb\nc\u202ed\x1be") == "a b cd�e"
