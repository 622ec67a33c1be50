"""One short line says what a column holds."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from headrace.cli.column_report import column_rows
from headrace.datasets.columns import media_field


def _values(field: pa.Field, found: dict[str, Any]) -> str:
    ((_, _, _, _, values),) = column_rows(pa.schema([field]), {"columns": {field.name: found}})
    return values


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"min": 1, "max": 9, "top": [[1, 5]]}, "1 to 9"),
        ({"min": 0.1, "max": 0.30000000000000004}, "0.1 to 0.3"),
        ({"min": "a", "max": "b", "top": [["b", 1200], ["a", 1]], "length": {"min": 1, "max": 1}}, "b 1,200, a 1"),
        ({"min": "ab", "max": "cde", "top": [["ab", 1]], "length": {"min": 2, "max": 3}}, "2 to 3 long, e.g. ab"),
        ({"min": "2026-01-01", "max": "2026-02-01", "top": []}, "2026-01-01 to 2026-02-01"),
        ({"min": False, "max": True, "top": [[True, 7], [False, 2]]}, "True 7, False 2"),
        ({"null_count": 3}, ""),
    ],
)
def test_values(found: dict[str, Any], expected: str) -> None:
    assert _values(pa.field("a", pa.string()), found) == expected


def test_media_by_format_size_and_weight() -> None:
    found = {
        "formats": {"jpeg": 1200, "png": 3},
        "width": {"min": 64, "max": 64},
        "height": {"min": 48, "max": 64},
        "bytes": {"mean": 24_000.4},
        "duration": {"mean": None},
    }
    assert _values(media_field("photo", "image"), found) == "jpeg 1,200, png 3, 64 x 48 to 64 px, mean 24 kB"
    assert _values(media_field("talk", "audio"), {"duration": {"mean": 2.5}}) == "mean 2.5 s"


def test_column_without_statistics_has_its_type() -> None:
    schema = pa.schema([pa.field("a", pa.int64()), media_field("photo", "image")])
    assert column_rows(schema, {}) == [("a", "int64", "", "", ""), ("photo", "image", "", "", "")]


def test_counts_are_readable() -> None:
    rows = column_rows(
        pa.schema([pa.field("a", pa.int64())]), {"columns": {"a": {"null_count": 0, "num_distinct": 16196}}}
    )
    assert rows == [("a", "int64", "0", "16,196", "")]
