"""Values of a lake as JSON."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest

from headrace.errors import InvalidInput
from headrace.service.http_api.plain_values import plain_column, plain_document, plain_value


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, None),
        (True, True),
        (2**70, 2**70),
        (float("nan"), None),
        (float("-inf"), None),
        ("你好", "你好"),
        ("a\ud800", "a?"),
        (b"\x00\xff", "AP8="),
        (bytes(32), "00" * 32),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03:00:00Z"),
        (datetime(2026, 1, 2, 3), "2026-01-02T03:00:00"),
        (timedelta(minutes=1), 60.0),
        (Decimal("1.50"), "1.50"),
        ([(1, {2: b""})], [[1, {"2": ""}]]),
    ],
)
def test_value_becomes_plain(value: object, plain: object) -> None:
    assert plain_value(value) == plain
    json.dumps(plain_value(value), allow_nan=False).encode()


def test_document_keeps_its_names() -> None:
    assert plain_document({"a": (1, 2)}) == {"a": [1, 2]}


def test_moments_that_python_does_not_know_become_text() -> None:
    dates = pa.chunked_array([pa.array([0, None, 10_000_000], pa.int32()).cast(pa.date32())])
    assert plain_column(dates, name="when") == ["1970-01-01", None, "29349-01-26"]
    with pytest.raises(InvalidInput, match="when"):
        plain_column(pa.chunked_array([pa.ListArray.from_arrays([0, 3], dates.chunk(0))]), name="when")
