"""Values of any column as the text of one CSV field."""

from __future__ import annotations

import base64
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import orjson

__all__ = ["view_text"]


def view_text(value: object) -> str:
    """The same text on every machine: null is empty, lists and structs are JSON, times ISO 8601, bytes base64."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    plain = _plain(value)
    return plain if isinstance(plain, str) else orjson.dumps(plain, default=_plain).decode()


def _plain(value: object) -> object:
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal):
        return str(value)
    return value
