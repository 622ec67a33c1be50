"""Fields of a sample as transforms take and give them, and the errors that name them."""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace.errors import InvalidInput
from headrace.schema.near_misses import near_miss_or_known
from headrace.streaming.samples import Sample

__all__ = ["field_bytes", "field_error", "field_pixels", "field_value", "kind_of"]


def field_error(sample: Sample, field: str, text: str) -> InvalidInput:
    """The error to raise for one field of one sample; the text says what was found, what was expected, what to do."""
    return InvalidInput(f"sample {sample.get('_id')!r}, field {field!r}: {text}")


def kind_of(value: object) -> str:
    """What a value is, for messages; says no more than a few words of it."""
    if value is None:
        return "null"
    if isinstance(value, np.ndarray):
        return f"an array {list(value.shape)} of {value.dtype}"
    return f"a value of type {type(value).__name__}"


def field_value(sample: Sample, field: str) -> Any:
    """The value, which may be null.

    Raises:
        InvalidInput: The sample has no such field.
    """
    try:
        return sample[field]
    except KeyError:
        raise field_error(sample, field, f"is not there.{near_miss_or_known(field, sample)}") from None


def field_bytes(sample: Sample, field: str) -> bytes:
    """The encoded bytes of a field, not copied where they are `bytes`.

    Raises:
        InvalidInput: The field is not there, or holds something else.
    """
    value = field_value(sample, field)
    if isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    raise field_error(sample, field, f"holds {kind_of(value)}; expected bytes.{_remedy(value)}")


def _remedy(value: object) -> str:
    if value is None:
        return " Leave rows without it out: where='field IS NOT NULL', or EnsureFields with on_error='substitute'"
    if isinstance(value, str):
        return " A path of a local file is read by ReadFile, put it before this transform"
    if isinstance(value, np.ndarray):
        return " Was it decoded by a transform before?"
    return " Transforms that decode come first"


def field_pixels(sample: Sample, field: str) -> np.ndarray:
    """The decoded image of a field, [height, width, channels].

    Raises:
        InvalidInput: The field is not there, or holds something else.
    """
    value = field_value(sample, field)
    if isinstance(value, np.ndarray) and value.ndim == 3 and value.size:
        return value
    raise field_error(
        sample,
        field,
        f"holds {kind_of(value)}; expected an image [height, width, channels]: put DecodeImage before this",
    )
