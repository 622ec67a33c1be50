"""Sizes, counts, durations and times as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import InvalidInput
from headrace.units import (
    format_bytes,
    format_count,
    format_duration,
    format_timestamp,
    parse_duration,
    parse_timestamp,
)

_LAST_MICROSECOND = 253_402_300_799_999_999  # of the year 9999


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1_234_567, "1.23 MB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (20_480, "20.5 kB"),
        (3_000_000_000_000, "3 TB"),
        (10**18, "1000 PB"),
        (-1500, "-1.5 kB"),
    ],
)
def test_format_bytes_has_three_digits(num_bytes: int, text: str) -> None:
    assert format_bytes(num_bytes) == text


def test_format_count_separates_thousands() -> None:
    assert format_count(1_234_567) == "1,234,567"
    assert format_count(999) == "999"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.085, "85 ms"),
        (0.9996, "1.0 s"),
        (3.21, "3.2 s"),
        (59.96, "1 min 0 s"),
        (250, "4 min 10 s"),
        (3599.7, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_format_duration_never_shows_a_full_unit_too_many(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(-62_135_596_800_000_000, _LAST_MICROSECOND))
def test_timestamp_reads_back(microseconds: int) -> None:
    assert parse_timestamp(format_timestamp(microseconds)) == microseconds


@given(st.lists(st.integers(0, _LAST_MICROSECOND), min_size=2, max_size=5))
def test_timestamps_sort_as_text(moments: list[int]) -> None:
    assert sorted(map(format_timestamp, moments)) == [format_timestamp(moment) for moment in sorted(moments)]


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01 00:00:00.000001", 1),
        ("  1970-01-01T00:00:01Z ", 1_000_000),
        ("0001-01-01T00:00:00+23:59", -62_135_683_140_000_000),
    ],
)
def test_parse_timestamp_takes_iso_8601(text: str, microseconds: int) -> None:
    assert parse_timestamp(text) == microseconds


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "2026-11-01T25:00:00Z", "1700000000.5"])
def test_parse_timestamp_shows_the_form(text: str) -> None:
    with pytest.raises(InvalidInput, match="2026-11-01T00:00:00Z"):
        parse_timestamp(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45", 45),
        ("45s", 45),
        ("90 min", 5_400),
        ("12h", 43_200),
        ("30d", 2_592_000),
        ("1.5d", 129_600),
        ("2w", 1_209_600),
    ],
    ids=["none", "seconds", "minutes", "hours", "days", "fraction", "weeks"],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "-1d", "3 months"], ids=["empty", "unit", "negative", "long"])
def test_other_texts_are_no_durations(text: str) -> None:
    with pytest.raises(InvalidInput, match="such as 30d"):
        parse_duration(text)
