"""Texts, JSON and times in the form in which both databases keep them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from headrace.errors import InvalidInput
from headrace.storage.canonical import JsonValue

__all__ = ["MAX_JSON_BYTES", "checked_name", "cut_middle", "cut_text", "iso_time", "json_text", "storable_text"]

MAX_JSON_BYTES = 1_000_000
_CUT_MARK = "…"


def json_text(value: JsonValue, *, name: str) -> str:
    """`value` as JSON in ASCII, so that any text in it can be stored.

    Raises:
        InvalidInput: It is no JSON, or longer than 1 MB.
    """
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(
            f"the {name} of a job cannot be written as JSON ({error}); use objects, lists, texts and numbers"
        ) from error
    if len(text) > MAX_JSON_BYTES:
        raise InvalidInput(
            f"the {name} of a job may have {MAX_JSON_BYTES:,} bytes as JSON and would have {len(text):,}; "
            "put the data into the lake and name it"
        )
    return text


def checked_name(text: str, *, name: str, max_characters: int) -> str:
    """`text`, which must be kept as it is.

    Raises:
        InvalidInput: It is empty, too long, or no database keeps one of its characters.
    """
    if not text or len(text) > max_characters or storable_text(text) != text:
        raise InvalidInput(
            f"the {name} of a job must have 1 to {max_characters} characters without NUL or half surrogates; "
            f"got {text[:max_characters]!r}"
        )
    return text


def storable_text(text: str) -> str:
    """`text` without what PostgreSQL or UTF-8 refuse."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")


def cut_text(text: str, *, max_bytes: int) -> str:
    """As much of `text` as fits, in whole characters, with a mark where it was cut."""
    encoded = storable_text(text).encode("utf-8")
    if len(encoded) <= max_bytes:
        return encoded.decode("utf-8")
    room = max_bytes - len(_CUT_MARK.encode("utf-8"))
    return encoded[:room].decode("utf-8", "ignore") + _CUT_MARK


def cut_middle(text: str, *, max_bytes: int) -> str:
    """`text`, or as much of its two ends as fits: of a traceback these are where it began and what went wrong."""
    encoded = storable_text(text).encode("utf-8")
    if len(encoded) <= max_bytes:
        return encoded.decode("utf-8")
    half = (max_bytes - len(_CUT_MARK.encode("utf-8"))) // 2
    return encoded[:half].decode("utf-8", "ignore") + _CUT_MARK + encoded[-half:].decode("utf-8", "ignore")


def iso_time(microseconds: int) -> str:
    """Microseconds since 1970 as ISO-8601 in UTC, with a Z."""
    seconds, fraction = divmod(microseconds, 1_000_000)
    return (
        datetime.fromtimestamp(seconds, UTC).replace(microsecond=fraction).isoformat(timespec="microseconds")[:-6] + "Z"
    )
