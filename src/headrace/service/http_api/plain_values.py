"""Any value that a lake holds, as plain JSON."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence, Set
from datetime import UTC, date, datetime, time, timedelta

import pyarrow as pa
from pydantic import JsonValue

from headrace.errors import InvalidInput

__all__ = ["plain_column", "plain_document", "plain_value"]

_DIGEST_BYTES = 32


def plain_value(value: object) -> JsonValue:
    """A value with the same meaning that any JSON reader accepts.

    NaN and infinities become null, moments ISO 8601 (UTC with "Z"), durations seconds, decimals text,
    digests (exactly 32 bytes) lower-case hex, other bytes base64, halves of surrogate pairs "?".
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _utf8(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat() if value.tzinfo is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.hex() if len(value) == _DIGEST_BYTES else base64.b64encode(value).decode("ascii")
    if isinstance(value, Mapping):
        return {_utf8(str(key)): plain_value(item) for key, item in value.items()}
    if isinstance(value, Sequence | Set):
        return [plain_value(item) for item in value]
    return _utf8(str(value))


def plain_column(values: pa.ChunkedArray, *, name: str) -> list[JsonValue]:
    """The values of a column, [num_rows]; moments that Python does not know (the year 20,000, nanoseconds) as text.

    Raises:
        InvalidInput: There are such moments inside of lists or structs.
    """
    try:
        return [plain_value(value) for value in values.to_pylist()]
    except (OverflowError, ValueError):
        pass
    try:
        texts: list[JsonValue] = values.cast(pa.string()).to_pylist()
    except pa.ArrowException as error:
        raise InvalidInput(
            f"is {values.type} with moments that cannot be shown; choose other columns, or cast it to VARCHAR in SQL",
            column=name,
        ) from error
    return texts


def plain_document(document: Mapping[str, object]) -> dict[str, JsonValue]:
    """A document of the library, all values plain."""
    return {name: plain_value(value) for name, value in document.items()}


def _utf8(text: str) -> str:
    return text if text.isascii() else text.encode(errors="replace").decode()
