"""Rows, moments and tags as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from headrace.cli.wording import format_moment, format_rows, format_tags


@pytest.mark.parametrize(("number", "text"), [(0, "0 rows"), (1, "1 row"), (5500, "5,500 rows")])
def test_rows(number: int, text: str) -> None:
    assert format_rows(number) == text


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("2026-11-01T12:03:11.123456Z", "2026-11-01 12:03:11Z"),
        ("2026-11-01T12:03:11+02:00", "2026-11-01 10:03:11Z"),
        (datetime(2026, 11, 1, tzinfo=UTC), "2026-11-01 00:00:00Z"),
        ("yesterday", "yesterday"),
    ],
)
def test_moment(moment: str | datetime, text: str) -> None:
    assert format_moment(moment) == text


def test_tags_are_sorted_and_keep_all_values() -> None:
    assert format_tags([("b", "2"), ("a", "1"), ("a", "0")]) == "a=0 a=1 b=2"
    assert format_tags({}) == ""
