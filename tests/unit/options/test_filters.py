"""Filters judge an item alone, and their scope's text is the same however they are written."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime, timedelta, timezone

import pytest

from tdl_sync.core.model import HistoryPage, MediaType, MessageDetails, SkippedItem
from tdl_sync.options.expressions import Expression, ExpressionTooSlow
from tdl_sync.options.file_filter import FileFilter
from tdl_sync.options.filters import (
    ALL_BUT_STICKERS,
    MOST_SEARCHED_CHARACTERS,
    Filters,
    Moment,
    parse_extensions,
    parse_since,
    parse_types,
    parse_until,
    without_posts,
)
from tests.fakes.chat import FIRST_DATE, item_of

NOW = datetime(2024, 5, 31, 12, tzinfo=timezone.utc)


def test_without_filters_all_but_stickers_pass_and_the_scope_has_no_name() -> None:
    assert ALL_BUT_STICKERS.rule_against(item_of(1, 10)) is None
    sticker = replace(item_of(1, 10), media_type=MediaType.STICKER)
    assert ALL_BUT_STICKERS.rule_against(sticker) == "sticker"
    assert Filters(types=frozenset({MediaType.STICKER})).rule_against(sticker) is None
    assert ALL_BUT_STICKERS.canonical_text == ""


def test_each_filter_names_the_scope_and_spelling_does_not() -> None:
    texts = {
        Filters(types=parse_types("video,photo")).canonical_text,
        Filters(included_extensions=parse_extensions("mp4")).canonical_text,
        Filters(excluded_extensions=parse_extensions("mp4")).canonical_text,
        Filters(least_bytes=0).canonical_text,
        Filters(most_bytes=0).canonical_text,
        Filters(since=parse_since("30d", NOW)).canonical_text,
        Filters(until=parse_until("30d", NOW)).canonical_text,
        Filters(since=parse_since("2024-01-31", NOW)).canonical_text,
        Filters(until=parse_until("2024-01-31", NOW)).canonical_text,
        Filters(expression=FileFilter.parse("views > 1")).canonical_text,
        Filters(expression=FileFilter.parse("views > 2")).canonical_text,
        Filters(to_id=7).canonical_text,
        Filters(name=Expression.parse("a")).canonical_text,
        Filters(caption=Expression.parse("a")).canonical_text,
    }
    assert len(texts) == 14
    same = Filters(types=parse_types(" Photo,VIDEO,photo"))
    assert same.canonical_text == Filters(types=parse_types("video,photo")).canonical_text
    assert parse_extensions(".MP4, mkv") == parse_extensions("mkv,mp4")


def test_an_age_is_the_same_scope_on_every_day_and_another_moment() -> None:
    today, tomorrow = (parse_since("30d", NOW + timedelta(days=days)) for days in (0, 1))
    assert today.text == tomorrow.text == parse_since("720h", NOW).text
    assert tomorrow.at - today.at == timedelta(days=1)
    assert today.at == NOW - timedelta(days=30)


def test_a_day_counts_from_its_beginning_and_to_its_end_in_utc() -> None:
    day = datetime(2024, 1, 31, tzinfo=timezone.utc)
    assert parse_since("2024-01-31", NOW).at == day
    assert parse_until("2024-01-31", NOW).at == day + timedelta(days=1)
    assert parse_until("2024-01-31T12:30", NOW).at == day + timedelta(hours=12, minutes=30)
    filters = Filters(since=parse_since("2024-01-31", NOW), until=parse_until("2024-01-31", NOW))
    judged = [
        filters.rule_against(item_of(1, 10, date=day + timedelta(seconds=seconds)))
        for seconds in (-1, 0, 86_399, 86_400)
    ]
    assert judged == ["date", None, None, "date"]


@pytest.mark.parametrize(
    "text", ["30", "yesterday", "2024-13-01", "2024-1-1", "d", "-3d", "9" * 12 + "d", "", "3y"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a date such as"):
        parse_since(text, NOW)


@pytest.mark.parametrize("text", ["(", "[", "a" * 501, "*"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a regular expression"):
        Expression.parse(text)


def test_only_the_beginning_of_a_hostile_caption_is_searched() -> None:
    found = Filters(caption=Expression.parse("x$"))
    short = replace(item_of(1, 1), details=MessageDetails(caption="a" * 50 + "x"))
    long = replace(
        item_of(1, 1), details=MessageDetails(caption="a" * MOST_SEARCHED_CHARACTERS + "x")
    )
    assert found.rule_against(short) is None
    assert found.rule_against(long) == "caption"


def test_an_albums_caption_is_that_of_each_of_its_files() -> None:
    item = replace(item_of(1, 1), details=MessageDetails(album_id=7, album_caption="The Beach"))
    assert Filters(caption=Expression.parse("beach")).rule_against(item) is None


LEFT_OUT: dict[str, Filters] = {
    "types": Filters(types=frozenset({MediaType.PHOTO})),
    "included_extensions": Filters(included_extensions=frozenset({"mp4"})),
    "excluded_extensions": Filters(excluded_extensions=frozenset({"bin"})),
    "least_bytes": Filters(least_bytes=11),
    "most_bytes": Filters(most_bytes=9),
    "since": Filters(since=Moment("later", FIRST_DATE + timedelta(seconds=1))),
    "until": Filters(until=Moment("now", FIRST_DATE)),
    "to_id": Filters(to_id=6),
    "name": Filters(name=Expression.parse("x")),
    "caption": Filters(caption=Expression.parse("x")),
    "expression": Filters(expression=FileFilter.parse("views > 1")),
}


@pytest.mark.parametrize("name", [each.name for each in fields(Filters)])
def test_each_filter_leaves_something_out(name: str) -> None:
    """Who adds one says here what it leaves out."""
    item = replace(item_of(7, 10), details=MessageDetails(caption="a"))
    assert ALL_BUT_STICKERS.rule_against(item) is None
    assert LEFT_OUT[name].rule_against(item) is not None
    assert replace(LEFT_OUT[name], **{name: getattr(ALL_BUT_STICKERS, name)}) == ALL_BUT_STICKERS


def test_sizes_and_ids_include_their_bounds() -> None:
    filters = Filters(least_bytes=10, most_bytes=20, to_id=5)
    judged = [filters.rule_against(item_of(1, size_bytes)) for size_bytes in (9, 10, 20, 21)]
    assert judged == ["size", None, None, "size"]
    assert [filters.rule_against(item_of(id_, 10)) for id_ in (5, 6)] == [None, "id"]


@pytest.mark.parametrize("name", ["clip.mp4", "clip.MP4", "clip.old.mp4"])
def test_an_extension_is_what_follows_a_dot(name: str) -> None:
    wanted = Filters(included_extensions=parse_extensions("mp4"))
    unwanted = Filters(excluded_extensions=parse_extensions("mp4"))
    item = replace(item_of(1, 1), file_name=name)
    assert wanted.rule_against(item) is None
    assert unwanted.rule_against(item) == "extension"
    for other in ("clipmp4", "clip.xmp4", "mp4", "clip.mp4.part"):
        item = replace(item_of(1, 1), file_name=other)
        assert wanted.rule_against(item) == "extension"
        assert unwanted.rule_against(item) is None


def test_of_a_discussion_only_the_channels_own_posts_are_left_out() -> None:
    """What somebody forwards there from the channel, or the channel from elsewhere, is theirs."""
    channel, member, elsewhere = -1005, 77, -1006
    post, by_member, from_elsewhere, comment = (
        replace(item, details=MessageDetails(sender_id=sender_id, forwarded_from_id=from_id))
        for item, sender_id, from_id in (
            (item_of(1, 10), channel, channel),
            (item_of(2, 10), member, channel),
            (item_of(3, 10), channel, elsewhere),
            (item_of(4, 10), member, None),
        )
    )
    page = HistoryPage((post, by_member, from_elsewhere, comment), 5, 9)
    skipped = SkippedItem(post.key, "the post itself")
    assert without_posts(page, channel) == replace(
        page, entries=(skipped, by_member, from_elsewhere, comment)
    )


def test_what_is_left_out_of_a_page_is_skipped_by_its_rule_and_the_rest_stays_as_it_is() -> None:
    gone = SkippedItem(item_of(3, 1).key, "deleted")
    small, large = item_of(1, 10), item_of(2, 1000)
    page = Filters(least_bytes=100).page(HistoryPage((small, large, gone), 5, 9))
    assert page == HistoryPage((SkippedItem(small.key, "size"), large, gone), 5, 9)


def test_an_expression_that_takes_too_long_for_a_hostile_text_is_an_error_that_names_both() -> None:
    """Neither a verdict that is a guess nor a run that hangs."""
    slow = Expression.parse(r"(?:(a|aa)\1?)+$")
    with pytest.raises(ExpressionTooSlow, match=r"took more than 0\.01 s .* message 7;"):
        slow.is_in("a" * 200 + "!", 7, seconds=0.01)
    assert not Expression.parse("(a+)+$").is_in("a" * 142 + "!", 7)
