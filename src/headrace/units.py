"""Sizes, counts, durations and timestamps as people read them, and back."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from headrace.errors import InvalidInput

__all__ = [
    "format_bytes",
    "format_count",
    "format_duration",
    "format_timestamp",
    "parse_bytes",
    "parse_duration",
    "parse_timestamp",
]

_DURATION_SECONDS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(rf"(\d+(?:\.\d+)?)\s*({'|'.join(_DURATION_SECONDS)})?")
_BYTE_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgtp]?)(i?)b?)", re.IGNORECASE)


def format_bytes(num_bytes: int) -> str:
    """Three significant digits in decimal units: 1234567 -> "1.23 MB"."""
    if abs(num_bytes) < 1000:
        return f"{num_bytes} B"
    value = float(num_bytes)
    for unit in ("kB", "MB", "GB", "TB", "PB"):
        value /= 1000
        if abs(value) < 999.5 or unit == "PB":
            break
    return f"{value:.3g} {unit}" if abs(value) < 999.5 else f"{value:.0f} {unit}"


def parse_bytes(text: str) -> int:
    """Bytes of "2GiB", "500 MB" or "1048576"; units with an i are powers of 1024.

    Raises:
        InvalidInput: No size.
    """
    found = _BYTE_SIZE.fullmatch(text.strip())
    if found is None or (found[3] and not found[2]):
        raise InvalidInput(f"{text!r} is no size: expected a number of bytes, or one with a unit such as 2GiB or 500MB")
    power = " kmgtp".index(found[2].lower() or " ")
    return int(float(found[1]) * (1024 if found[3] else 1000) ** power)


def format_count(count: int) -> str:
    """Thousands separated by commas."""
    return f"{count:,}"


def format_duration(seconds: float) -> str:
    """Short text: "85 ms", "3.2 s", "4 min 10 s", "2 h 5 min"."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def parse_duration(text: str) -> float:
    """Seconds of "30d", "12h", "90 min", "45s" or "45".

    Raises:
        InvalidInput: No duration.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise InvalidInput(f"{text!r} is no duration: expected a number with s, min, h, d or w, such as 30d or 12h")
    return float(found[1]) * _DURATION_SECONDS[found[2] or "s"]


def format_timestamp(microseconds: int) -> str:
    """ISO 8601 in UTC with six digits of the second; `microseconds` since 1970."""
    seconds, rest = divmod(microseconds, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    return f"{moment.isoformat()}.{rest:06d}Z"  # not strftime, which leaves out the zeros of the year 999


def parse_timestamp(text: str) -> int:
    """Microseconds since 1970 of an ISO 8601 time; without a zone it is UTC.

    Raises:
        InvalidInput: Not an ISO 8601 time.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidInput(f"{text!r} is no time; write it like 2026-11-01T00:00:00Z") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
