"""One line for each column of a dataset: what its statistics say, in few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace.units import format_bytes, format_count, format_duration

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["column_rows"]

_SHOWN_VALUES = 4


def column_rows(schema: pa.Schema, statistics: Mapping[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Name, type, nulls, distinct values and a summary of the values of each column."""
    from headrace.datasets.columns import media_kind

    columns = statistics.get("columns", {})
    rows = []
    for field in schema:
        found = columns.get(field.name, {})
        kind = media_kind(field)
        rows.append(
            (
                field.name,
                kind or str(field.type),
                _count(found.get("null_count")),
                _count(found.get("num_distinct")),
                _media_text(found) if kind else _values_text(found),
            )
        )
    return rows


def _count(number: object) -> str:
    return format_count(number) if isinstance(number, int) else ""


def _media_text(found: Mapping[str, Any]) -> str:
    parts = [f"{name} {format_count(count)}" for name, count in (found.get("formats") or {}).items()]
    width, height = _range(found.get("width")), _range(found.get("height"))
    if width and height:
        parts.append(f"{width} x {height} px")
    sizes = found.get("bytes") or {}
    if sizes.get("mean") is not None:
        parts.append(f"mean {format_bytes(round(sizes['mean']))}")
    duration = found.get("duration") or {}
    if duration.get("mean") is not None:
        parts.append(f"mean {format_duration(duration['mean'])}")
    return ", ".join(parts)


def _values_text(found: Mapping[str, Any]) -> str:
    """The commonest values where any value comes twice, else the range, and how long texts are."""
    least, most, top, length = found.get("min"), found.get("max"), found.get("top"), found.get("length")
    is_number = isinstance(least, int | float) and not isinstance(least, bool)
    if top and not is_number and top[0][1] > 1:
        return ", ".join(f"{_plain(value)} {format_count(count)}" for value, count in top[:_SHOWN_VALUES])
    if length and length.get("min") is not None:
        return f"{_range(length)} long, e.g. {_plain(least)}"
    if least is not None:
        return f"{_plain(least)} to {_plain(most)}"
    return ""


def _plain(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _range(found: Mapping[str, Any] | None) -> str:
    if not found or found.get("min") is None:
        return ""
    return f"{found['min']}" if found["min"] == found["max"] else f"{found['min']} to {found['max']}"
