"""Rows and moments as a table or a sentence shows them."""

from __future__ import annotations

from datetime import UTC, datetime

from headrace.schema.tags import TagsLike, normalise_tags
from headrace.units import format_count

__all__ = ["format_moment", "format_rows", "format_tags"]


def format_rows(number: int) -> str:
    """1 as "1 row", 5500 as "5,500 rows"."""
    return "1 row" if number == 1 else f"{format_count(number)} rows"


def format_moment(moment: datetime | str) -> str:
    """UTC to the second, "2026-11-01 12:03:11Z"; a text is read as ISO 8601."""
    if isinstance(moment, str):
        try:
            parsed = datetime.fromisoformat(moment)
        except ValueError:
            return moment
    else:
        parsed = moment
    if parsed.tzinfo is not None:
        parsed = parsed.astimezone(UTC)
    return parsed.strftime("%Y-%m-%d %H:%M:%SZ")


def format_tags(tags: TagsLike) -> str:
    """ "a=1 b=2"."""
    return " ".join(f"{key}={value}" for key, value in normalise_tags(tags))
