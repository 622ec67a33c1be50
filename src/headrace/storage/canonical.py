"""One byte form for each JSON document, so that its digest is the same on every machine.

Keys sorted by code point, no white space, UTF-8 unescaped (the subset of RFC 8785 without floats: a float's text
could differ between libraries, so documents that are hashed hold numbers as integers or text).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from headrace.errors import DataCorrupted

__all__ = ["JsonValue", "canonical_json", "plain_json", "read_json"]

_PLAIN = {str, int, bool, type(None)}

JsonValue = Any
"""A JSON value; its precise shape is checked where it is read."""


def canonical_json(document: JsonValue) -> bytes:
    """The canonical bytes. Raises TypeError on floats: they do not belong in hashed documents."""
    _refuse_floats(document)
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def plain_json(document: JsonValue) -> bytes:
    """JSON with floats, for documents that only their own bytes name."""
    return orjson.dumps(document)


def read_json(data: bytes, *, name: str) -> JsonValue:
    """Parse a stored document; `name` is the object for the message.

    Raises:
        DataCorrupted: Not JSON.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise DataCorrupted(f"{name} is not JSON ({error}); restore the object from a copy of the lake") from error


def _refuse_floats(value: JsonValue) -> None:
    if isinstance(value, float):
        raise TypeError(f"float {value!r} in a document that is hashed")
    if isinstance(value, list) and set(map(type, value)) <= _PLAIN:
        return  # long lists of digests
    if isinstance(value, Mapping):
        for item in value.values():
            _refuse_floats(item)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for item in value:
            _refuse_floats(item)
