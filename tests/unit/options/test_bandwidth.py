"""A limit is read as rclone reads it, which ``tests/contract/remote/test_upload_limit.py`` asks."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdl_sync.options.bandwidth import UNLIMITED, Rates, parse_bandwidth

MONDAY = datetime(2024, 1, 1)
MIB = 1024 * 1024


def at(text: str, day: int = 0, hour: int = 0, minute: int = 0) -> Rates:
    return parse_bandwidth(text).at(MONDAY + timedelta(days=day, hours=hour, minutes=minute))


@pytest.mark.parametrize(
    ("text", "up", "down"),
    [
        ("10M", 10 * MIB, 10 * MIB),
        ("512", 512 * 1024, 512 * 1024),
        ("1.5M:off", MIB * 3 // 2, None),
        ("off:100k", None, 100 * 1024),
        ("0", None, None),
        ("1Gi:2GiB", 1024 * MIB, 2048 * MIB),
        ("4096B", 4096, 4096),
        ("5.", 5 * 1024, 5 * 1024),
        ("9999999E:1P", None, 2**50),
        ("00:00,1M:2M;", MIB, 2 * MIB),
    ],
)
def test_a_rate_is_for_each_leg_or_for_both(text: str, up: int | None, down: int | None) -> None:
    assert at(text) == Rates(up, down)
    assert parse_bandwidth(text).is_set


def test_without_a_limit_there_is_none() -> None:
    assert UNLIMITED.at(MONDAY) == Rates()
    assert not UNLIMITED.is_set


def test_a_timetable_without_days_holds_on_each_of_them_and_over_midnight() -> None:
    table = "08:00,512k 19:00,off"
    for day in range(7):
        assert at(table, day, 7, 59) == Rates()
        assert at(table, day, 8) == Rates(512 * 1024, 512 * 1024)
        assert at(table, day, 18, 59).up == 512 * 1024
        assert at(table, day, 19) == Rates()


def test_days_of_the_week_hold_until_the_next_time_and_over_the_week() -> None:
    table = "Mon-00:30,1M 12:00,2M:1M friday-23:59,off SUN-20:00,3M"
    assert at(table, 0, 0, 29).up == 3 * MIB
    assert at(table, 0, 0, 30).up == MIB
    assert at(table, 3, 12) == Rates(2 * MIB, MIB)
    assert at(table, 4, 23, 59) == Rates()
    assert at(table, 5, 11, 59) == Rates()
    assert at(table, 6, 23).up == 3 * MIB


@given(
    st.dictionaries(st.integers(0, 7 * 1440 - 1), st.integers(1, 900), min_size=1, max_size=6),
    st.integers(0, 7 * 1440 - 1),
)
def test_what_began_last_holds(rates: dict[int, int], minute: int) -> None:
    def time_of(slot: int) -> str:
        moment = MONDAY + timedelta(minutes=slot)
        return f"{moment:%a-%H:%M}"

    found = parse_bandwidth(" ".join(f"{time_of(slot)},{rate}k" for slot, rate in rates.items()))
    last = max(rates, key=lambda slot: (slot <= minute, slot))
    assert found.at(MONDAY + timedelta(minutes=minute)).up == rates[last] * 1024


@pytest.mark.parametrize(
    "text",
    [
        *"x 10MB -1M 1M:2M:3M 10B 8:00,1M 24:00,1M 08:60,1M 08:00, Any-08:00,1M".split(),
        *("08:00,1M,2M", "08:00 1M", ""),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="rate"):
        parse_bandwidth(text)
