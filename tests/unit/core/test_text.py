"""Sizes and times are shown as people write them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from tdl_sync.core.text import human_bytes, human_seconds, human_speed, utc_text


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9949, "9.9 kB"),
        (9960, "10 kB"),
        (999_499, "999 kB"),
        (999_999, "1.0 MB"),
        (50_000_000_000, "50 GB"),
        (3_200_000_000_000, "3.2 TB"),
        (5_000_000_000_000_000_000, "5000 PB"),
    ],
)
def test_sizes_are_decimal_with_at_least_two_digits(size_bytes: int, shown: str) -> None:
    assert human_bytes(size_bytes) == shown


def test_speeds_are_sizes_a_second() -> None:
    assert human_speed(5_234_000.7) == "5.2 MB/s"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, "0 s"),
        (0.4, "0 s"),
        (59.6, "1 min 00 s"),
        (312, "5 min 12 s"),
        (7500, "2 h 05 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_times_have_two_units_at_most(seconds: float, shown: str) -> None:
    assert human_seconds(seconds) == shown


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2024, 5, 6, 12, 0, 1, 999_999, timezone.utc), "2024-05-06T12:00:01Z"),
        (datetime(2024, 5, 6, 1, 0, tzinfo=timezone(timedelta(hours=2))), "2024-05-05T23:00:00Z"),
        (datetime(1, 1, 1, tzinfo=timezone.utc), "0001-01-01T00:00:00Z"),
    ],
)
def test_a_moment_is_told_in_utc_with_all_its_digits(moment: datetime, text: str) -> None:
    """What is written by this is read again, whatever year somebody's clock has put into it."""
    assert utc_text(moment) == text
