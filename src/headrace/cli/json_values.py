"""Any value that a lake holds, as plain JSON."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence, Set
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from uuid import UUID

__all__ = ["Json", "to_json_value"]

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def to_json_value(value: object) -> Json:
    """A value with the same meaning that any JSON reader accepts.

    NaN and infinities become null, moments ISO 8601 (UTC with "Z"), durations seconds, decimals text,
    digests (exactly 32 bytes) lower-case hex, other bytes base64.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return value.isoformat()
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        return data.hex() if len(data) == 32 else base64.b64encode(data).decode("ascii")
    if isinstance(value, (Decimal, UUID, PurePath)):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): to_json_value(item) for key, item in value.items()}
    if isinstance(value, (Sequence, Set)):
        return [to_json_value(item) for item in value]
    item = getattr(value, "item", None)  # a NumPy scalar, without importing NumPy
    if callable(item):
        return to_json_value(item())
    return str(value)
