"""The table of chats is straight whatever they are called, and its JSON is what was documented."""

from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path

import pytest

from tdl_sync.commands.chats import Table, record_of
from tdl_sync.commands.output import NobodyReads, StandardOutput
from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.model import Chat, ChatKind
from tdl_sync.core.text import columns_of, cut_to_columns, padded, wrapped
from tdl_sync.telegram.messages.chat_list import ListedChat

HOSTILE = "\x1b[2J\x07Films\r\n\N{RIGHT-TO-LEFT OVERRIDE}gpj"
SAVED = ListedChat(Chat(7001, "Saved Messages", ChatKind.SAVED_MESSAGES, "ada"), 90, 12)
WIDE = ListedChat(
    Chat(-1001234567890, "日本語の講義 📚📚", ChatKind.CHANNEL, "films"), 123_456, 98_765
)
BOB = ListedChat(Chat(7002, HOSTILE, ChatKind.USER, "bob"), 80, 3)
NAMELESS = ListedChat(Chat(7003, "Eve", ChatKind.USER), 0, 0)
GONE = ListedChat(Chat(-42, "Family", ChatKind.GROUP), 70, unreadable="it has\nmoved")
ALL = (SAVED, WIDE, BOB, NAMELESS, GONE)


def lines_of(table: Table) -> list[str]:
    return [table.heading(), *(line for chat in ALL for line in table.lines(chat))]


@pytest.mark.parametrize(
    ("text", "columns"),
    [("abc", 3), ("日本", 4), ("📚", 2), ("e\N{COMBINING ACUTE ACCENT}", 1), ("ｶﾞ", 2), ("", 0)],
)
def test_a_text_is_as_wide_as_a_terminal_shows_it(text: str, columns: int) -> None:
    assert columns_of(text) == columns
    assert columns_of(padded(text, 9)) == columns_of(padded(text, 9, right=True)) == 9


def test_what_is_cut_fits_and_says_so() -> None:
    assert cut_to_columns("日本語", 6) == "日本語"
    assert cut_to_columns("日本語", 5) == "日本…"
    assert cut_to_columns("日本語", 4) == "日…"
    assert (cut_to_columns("abc", 1), cut_to_columns("abc", 0)) == ("…", "")


def test_words_are_wrapped_and_never_broken() -> None:
    assert wrapped(["one", "two", "three"], 7) == ["one two", "three"]
    assert wrapped(["日本", "日本", "x"], 6) == ["日本", "日本 x"]
    assert wrapped(["longer-than-that", "x"], 4) == ["longer-than-that", "x"]
    assert wrapped(["a", "b"], 4, between="   ") == ["a", "b"]
    assert wrapped([], 4) == []


def test_the_table_names_each_chat_as_u_takes_it() -> None:
    assert lines_of(Table(ALL, None)) == [
        "-u              KIND            MESSAGES  USER NAME  NAME",
        "me              saved messages        12  @ada       Saved Messages",
        "-1001234567890  channel           98,765  @films     日本語の講義 📚📚",
        "@bob            user                   3  @bob       �[2J�Films  gpj",
        "7003            user                   0             Eve",
        "-42             group                  -             Family",
        "  cannot be read: it has moved",
    ]


def test_rows_keep_their_columns_while_the_counts_are_not_known_yet() -> None:
    uncounted = [ListedChat(chat.chat, chat.newest_message_id) for chat in ALL]
    large = ListedChat(Chat(-1, "Large", ChatKind.GROUP), 12_345_678)
    counted = ListedChat(large.chat, large.newest_message_id, 12_345_678)
    table = Table([*uncounted, large], None)
    (row,) = table.lines(counted)
    assert row.index("Large") == table.heading().rindex("NAME")


def test_no_row_is_wider_than_the_terminal_if_that_is_wide_enough_for_the_others() -> None:
    lines = [line for line in lines_of(Table(ALL, 66)) if "cannot" not in line]
    assert max(map(columns_of, lines)) <= 66
    assert any(line.endswith("日本語の講義…") for line in lines), lines
    assert all("…" not in line for line in lines_of(Table(ALL, 200)))


def test_a_record_has_the_documented_keys_and_the_name_as_it_is() -> None:
    assert record_of(BOB) == {
        "spelling": "@bob",
        "id": 7002,
        "name": HOSTILE,
        "kind": "user",
        "username": "bob",
        "messages": 3,
        "newest_message_id": 80,
        "unreadable": None,
        "became": None,
    }
    spellings = ["me", "-1001234567890", "@bob", "7003", "-42"]
    assert [record_of(chat)["spelling"] for chat in ALL] == spellings
    assert (record_of(GONE)["messages"], record_of(GONE)["unreadable"]) == (None, "it has\nmoved")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_json_is_one_array_of_plain_ascii(count: int) -> None:
    stream = io.StringIO()
    StandardOutput(stream).json_array(record_of(chat) for chat in ALL[2 : 2 + count])
    assert json.loads(stream.getvalue()) == [record_of(chat) for chat in ALL[2 : 2 + count]]
    assert stream.getvalue().isascii()
    assert stream.getvalue().replace("\n", "").isprintable()


def test_a_sign_that_the_output_has_not_is_no_error() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    StandardOutput(stream).line("日本 x")
    assert raw.getvalue() == b"\\u65e5\\u672c x\n"


def test_a_reader_that_has_gone_ends_the_work() -> None:
    with pytest.raises(NobodyReads):
        StandardOutput(None)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        output = StandardOutput(stream)
        assert output.columns is None
        with pytest.raises(NobodyReads):
            output.line("x")
        output.line("what is flushed later goes nowhere, without an error")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_an_output_that_cannot_be_written_is_named() -> None:
    with open("/dev/full", "w") as stream:
        with pytest.raises(ConfigurationError, match="standard output cannot be written: No space"):
            StandardOutput(stream).line("x")
        stream.write("what is flushed later goes nowhere, without an error")


def test_every_key_has_its_row_in_the_documentation() -> None:
    text = (Path(__file__).parents[3] / "docs" / "looking.md").read_text("utf-8")
    (section,) = [part for part in text.split("\n### ") if part.startswith("`chats --json`")]
    table = section.partition("| key |")[2].partition("\n\n")[0]
    firsts = [line.split("|")[1] for line in table.splitlines()[2:]]
    documented = {key for first in firsts for key in re.findall("`(.*?)`", first)}
    assert documented == record_of(BOB).keys()
