"""Whatever a lake holds can be written as plain JSON."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from headrace.cli.json_values import Json, to_json_value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (3, 3),
        ("é\x00", "é\x00"),
        (1.5, 1.5),
        (float("nan"), None),
        (float("-inf"), None),
        (datetime(2026, 11, 1, 12, 0, 0, 5, tzinfo=UTC), "2026-11-01T12:00:00.000005Z"),
        (datetime(2026, 11, 1, 12, tzinfo=timezone(timedelta(hours=2))), "2026-11-01T10:00:00Z"),
        (datetime(2026, 11, 1, 12), "2026-11-01T12:00:00"),
        (date(2026, 11, 1), "2026-11-01"),
        (timedelta(seconds=1.5), 1.5),
        (bytes(32), "00" * 32),
        (b"abc", "YWJj"),
        (bytearray(b"abc"), "YWJj"),
        (Decimal("1.10"), "1.10"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Path("a/b"), "a/b"),
        ({"a": (1, [2.0, {3}])}, {"a": [1, [2.0, [3]]]}),
        ({1: 2}, {"1": 2}),
        (np.int64(7), 7),
        (np.float32("nan"), None),
        (np.array([1, 2])[1], 2),
    ],
)
def test_value_keeps_its_meaning(value: object, expected: Json) -> None:
    plain = to_json_value(value)
    assert plain == expected
    assert json.loads(json.dumps(plain, allow_nan=False)) == expected
