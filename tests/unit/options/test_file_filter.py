"""``--filter``: what an expression may say, what holds for which file, and that it always ends."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdl_sync.core.model import MediaItem, MediaType, MessageDetails, Shape
from tdl_sync.options import expressions
from tdl_sync.options.expressions import ExpressionTooSlow
from tdl_sync.options.file_filter import EXAMPLE, FIELDS, FileFilter, Kind
from tests.fakes.chat import item_of

PLAIN = item_of(7, 0)
ITEM = replace(
    item_of(4711, 60_000_000, date=datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc)),
    media_type=MediaType.VIDEO,
    file_name="A Film.MKV",
    shape=Shape(1920, 1080, 61.5),
    details=MessageDetails(
        caption="The Film (2024)\nsecond line",
        album_caption="of an album",
        album_id=5,
        sender_id=-1001,
        sender_name="Ann",
        reply_to_id=3,
        topic_id=9,
        topic_name="News",
        forwarded_from_id=-1002,
        views=2000,
        forwards=30,
    ),
)


def holds(text: str, item: MediaItem = ITEM) -> bool:
    return FileFilter.parse(text).passes(item)


@pytest.mark.parametrize(
    "text",
    [
        EXAMPLE.replace('"film"', '"film|movie"'),
        "views > 1000 and duration > 60 and forwarded",
        'type == "video" and ext == "mkv" and name == "A Film.MKV"',
        'type in ("photo", "video")',
        'type not in ["photo"]',
        "message_id in (1, 4711)",
        "1000 < views <= 2000",
        "size > 50 * MB and size < 0.1 * GB and size != 3 * kB + 1 and size > 20 * MiB",
        f"not {'9' * 400} * 1.5 > size and not {'9' * 400} * 1.5 <= size",
        "width >= 1920 or height * 2 > width",
        'date >= "2024-05" and date < "2024-05-07"',
        '"FILM" in caption and "album" in caption',
        '"teaser" not in caption',
        'matches(caption, "second")',
        'not matches(caption, "film$")',
        'lower(sender) == "ann"',
        "sender_id == -1001 and forwarded_from == -1002 and reply_to == 3",
        'topic == 9 and topic_name == "News" and album == 5 and forwards >= 30',
        "forwarded == True",
        "(views > 1\n and not False)",
        r'matches(name, "\.mkv$") and matches(caption, r"\bfilm\b")',
    ],
)
def test_it_holds_for_what_the_message_says(text: str) -> None:
    assert holds(text)
    assert not holds(f"not ({text})")


def test_what_a_message_does_not_say_is_nothing() -> None:
    for name, field in FIELDS.items():
        value = field.of(PLAIN)
        assert isinstance(value, {Kind.TEXT: str, Kind.FLAG: bool}.get(field.kind, (int, float)))
        if name not in ("message_id", "type", "name", "ext", "date"):
            assert not value, name
        assert field.changes == (name in ("views", "forwards"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "an expression such as views > 1000"),
        ("views >", "an expression such as"),
        ("views > 5 && forwarded", "(write and, or, not)"),
        ("!forwarded", "(write and, or, not)"),
        ("views = 5", "(write == to compare)"),
        ("size > 5 * Mb", "or of kB, MB, GB, TB, KiB"),
        ("type == 'Video'", "one of the types document, video, audio"),
        ("'videos' != type", "one of the types document, video, audio"),
        ("type in ('photo', 'film')", "one of the types document, video, audio"),
        ("ext == '.mp4'", "an ending in small letters and without its dot ('mp4')"),
        ("ext not in ('mkv', 'MP4')", "an ending in small letters and without its dot ('mp4')"),
        ("views", "an expression that is true or false"),
        ("view > 5", "one of the fields message_id, type"),
        ("__import__ > 5", "one of the fields"),
        ('views > "5"', "a number beside 'views'; \"'5'\" is a text"),
        ('size > "50 MB"', "a number beside 'size'"),
        ("caption > 5", "a text beside 'caption'"),
        ("views and forwarded", "true or false beside 'and'; 'views' is a number"),
        ("not views", "true or false beside 'not'"),
        ("forwarded > False", "a number or a text to compare"),
        ("caption is 'x'", "== to compare"),
        ("views in 5", "a list such as (1, 2) behind in"),
        ("views in ('a',)", "a number beside 'views'"),
        ("5 in caption", "a list such as (1, 2) behind in"),
        ("caption.startswith('a')", "fields (message_id"),
        ("name[0] == 'a'", "fields (message_id"),
        ("().__class__ == 1", "fields (message_id"),
        ("(lambda: True)()", "fields (message_id"),
        ("[x for x in (1, 2)] == 1", "fields (message_id"),
        ("views ** views > 1", "fields (message_id"),
        ("size / duration > 1", "fields (message_id"),
        ("f'{views}' == '1'", "fields (message_id"),
        ("caption * 9 == 'a'", "a number beside '+ - *'"),
        ("matches(caption)", 'matches(field, "regular expression")'),
        ("matches(caption, name)", 'matches(field, "regular expression")'),
        ("matches(views, 'x')", "a text beside 'matches'"),
        ("matches(caption, '(')", "a regular expression of Python"),
        (r"matches(caption, '\bfilm')", 'r"…" for a regular expression with backslashes'),
        ("open('x') == 1", "there are no other functions"),
        ("eval(caption)", "there are no other functions"),
        ("lower(caption=name) == 'x'", "fields (message_id"),
        ("(x := views) > 1", "fields (message_id"),
        ("views = 5", "an expression such as"),
        ("None == views", "fields (message_id"),
        ("1j == views", "fields (message_id"),
        ("1 if forwarded else 2", "fields (message_id"),
        ("views > " + "1" * 1000, "at most 1000 characters"),
        ("views > " + "-" * 900 + "1", "an expression"),
        ("(" * 400 + "forwarded" + ")" * 400, "an expression"),
        ("views > 5\0", "an expression such as"),
    ],
)
def test_what_is_none_is_refused_before_anything_is_read(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)) as caught:
        FileFilter.parse(text)
    assert len(str(caught.value)) < 700


def test_a_search_that_would_not_end_is_given_up_and_says_for_which_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(expressions.Expression.is_in, "__defaults__", (0.01,))
    item = replace(ITEM, details=replace(ITEM.details, caption="a" * 200 + "!", album_caption=""))
    with pytest.raises(ExpressionTooSlow) as caught:
        holds(r'matches(caption, r"(?:(a|aa)\1?)+$")', item)
    assert caught.value.message_id == 4711


@given(st.text(alphabet="views<>=()'\"and or not in caption1.,*-+[]{}\\", max_size=60))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        parsed = FileFilter.parse(text)
    except ValueError:
        return
    assert parsed.passes(ITEM) in (True, False)


@given(caption=st.text(), name=st.text() | st.none(), views=st.integers(0, 2**31) | st.none())
def test_it_is_true_or_false_of_whatever_is_posted(
    caption: str, name: str | None, views: int | None
) -> None:
    item = replace(ITEM, file_name=name, details=MessageDetails(caption=caption, views=views))
    text = 'views > 9 and ("x" in caption or matches(name, "[a-z]+$") or ext == "mkv")'
    assert holds(text, item) != holds(f"not ({text})", item)


def test_which_filters_change_and_which_need_topics() -> None:
    assert FileFilter.parse("views > 1").changes
    assert FileFilter.parse("forwarded or forwards > 1").changes
    assert not FileFilter.parse("forwarded").changes
    assert FileFilter.parse("topic_name == 'x'").names == {"topic_name"}
