"""The identity of a row: BLAKE3 over its typed values, the same on every machine and in every layout.

A row's encoding is, for each column that is not null in ascending order of name: the name, a letter for the kind of
value and the value, each with its length. Integers are 8 bytes, floats 64-bit IEEE 754 (one NaN), text UTF-8, media and
binary values their own BLAKE3 digest. Because nulls leave no trace and widths do not count, adding a nullable column
or widening a number keeps every digest.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import blake3
import numpy as np
import pyarrow as pa

from headrace.storage.digests import digest_of

__all__ = ["RowsRoot", "encode_media", "encode_values", "row_digests", "rows_root"]

_LENGTH = struct.Struct("<I")
_INT = struct.Struct("<q")
_BIG = struct.Struct("<Q")
_FLOAT = struct.Struct("<d")


def row_digests(encoded: dict[str, list[bytes]], *, num_rows: int) -> list[bytes]:
    """One 32-byte digest for each row, from the encodings of its columns (name -> one item a row)."""
    columns = [encoded[name] for name in sorted(encoded)]
    hasher = blake3.blake3
    if not columns:
        return [hasher(b"").digest()] * num_rows
    return [hasher(b"".join(values)).digest() for values in zip(*columns, strict=True)]


def rows_root(digests: Sequence[bytes]) -> str:
    """BLAKE3 hex over the row digests in order."""
    return blake3.blake3(b"".join(digests)).hexdigest()


class RowsRoot:
    """`rows_root` of rows that come bit by bit."""

    def __init__(self) -> None:
        self._hasher = blake3.blake3()

    def add(self, digests: bytes) -> None:
        """Take the next rows' digests, 32 bytes each, one after the other."""
        self._hasher.update(digests)

    def hexdigest(self) -> str:
        """The root over the rows so far."""
        return self._hasher.hexdigest()


def encode_media(name: str, *, digests: Sequence[bytes | None]) -> list[bytes]:
    """Encodings of a media column from the digests of its values, [num_rows] of 32 bytes or None."""
    prefix = _prefix(name, b"B") + _LENGTH.pack(32)
    return [b"" if digest is None else prefix + digest for digest in digests]


def encode_values(name: str, *, values: pa.Array) -> list[bytes]:
    """Encodings of a column of plain values, one item a row, empty for null."""
    kind = values.type
    types = pa.types
    if types.is_string(kind):
        prefix = _prefix(name, b"s")
        pack = _LENGTH.pack
        return [
            b"" if value is None else prefix + pack(len(value)) + value
            for value in values.cast(pa.binary()).to_pylist()
        ]
    if (types.is_signed_integer(kind) or types.is_unsigned_integer(kind)) and kind != pa.uint64():
        return _fixed(_prefix(name, b"i"), values, "<i8")
    if types.is_floating(kind):
        numbers = values.cast(pa.float64()) if kind != pa.float64() else values
        return _fixed(_prefix(name, b"f"), numbers, "<f8")
    if types.is_null(kind):
        return [b""] * len(values)
    prefix_of = _prefix(name, b"")
    encode = _encoder(kind)
    return [b"" if value is None else prefix_of + encode(value) for value in _python_values(values)]


def _prefix(name: str, letter: bytes) -> bytes:
    encoded = name.encode()
    return _LENGTH.pack(len(encoded)) + encoded + letter


def _fixed(prefix: bytes, values: pa.Array, dtype: str) -> list[bytes]:
    present = values.is_valid().to_numpy(zero_copy_only=False)  # [num_rows]
    filled = values.fill_null(0).to_numpy(zero_copy_only=False).astype(dtype)  # [num_rows]
    if dtype == "<f8":
        filled = np.where(np.isnan(filled), np.float64("nan"), filled)
    data = filled.tobytes()
    items = [prefix + data[start : start + 8] for start in range(0, len(data), 8)]
    if not present.all():
        for idx in np.flatnonzero(~present):
            items[idx] = b""
    return items


def _python_values(values: pa.Array) -> list[Any]:
    """Values as Python objects that keep every bit: dates and times become raw integers, at any depth."""
    raw = _raw_type(values.type)
    plain = values if raw == values.type else values.view(raw)
    return list(plain.to_pylist(maps_as_pydicts=None))


def _raw_type(kind: pa.DataType) -> pa.DataType:
    """The type with every date and time as the integer that it is stored as.

    Arrow's objects for them lose nanoseconds, know the years 1 to 9999 only, and need pandas or a time zone database.
    """
    types = pa.types
    if types.is_timestamp(kind) or types.is_time64(kind) or types.is_duration(kind) or types.is_date64(kind):
        return pa.int64()
    if types.is_time32(kind) or types.is_date32(kind):
        return pa.int32()
    if types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_raw_type(kind.value_type)))
    if types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(_raw_type(kind.value_type)), kind.list_size)
    if types.is_struct(kind):
        return pa.struct([field.with_type(_raw_type(field.type)) for field in kind])
    if types.is_map(kind):
        return pa.map_(_raw_type(kind.key_type), kind.item_field.with_type(_raw_type(kind.item_type)))
    return kind


_UNIT = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


def _encoder(kind: pa.DataType) -> Callable[[Any], bytes]:
    """A function from one non-null Python value of the type to letter + value."""
    types = pa.types
    if types.is_boolean(kind):
        return lambda value: b"b\x01" if value else b"b\x00"
    if types.is_integer(kind):
        return lambda value: b"i" + (_INT.pack(value) if value < 1 << 63 else b"u" + _BIG.pack(value))
    if types.is_floating(kind):
        return lambda value: b"f" + _FLOAT.pack(math.nan if value != value else value)
    if types.is_string(kind):
        return lambda value: b"s" + _sized(value.encode())
    if types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return lambda value: b"B" + _sized(digest_of(value))
    if types.is_list(kind) or types.is_fixed_size_list(kind):
        item = _nullable(_encoder(kind.value_type))
        return lambda value: b"l" + _LENGTH.pack(len(value)) + b"".join(map(item, value))
    if types.is_map(kind):
        key, mapped = _encoder(kind.key_type), _nullable(_encoder(kind.item_type))
        return lambda value: b"m" + _LENGTH.pack(len(value)) + b"".join(key(k) + mapped(v) for k, v in value)
    if types.is_struct(kind):
        fields = [(field.name, _nullable(_encoder(field.type))) for field in kind]
        return lambda value: b"r" + b"".join(_sized(name.encode()) + encode(value[name]) for name, encode in fields)
    if types.is_decimal(kind):
        return lambda value: b"d" + _sized(_decimal_text(value).encode())
    if types.is_timestamp(kind):
        return _ticks(b"t", _UNIT[kind.unit])
    if types.is_date64(kind):
        return _ticks(b"t", _UNIT["ms"])
    if types.is_time(kind):
        return _ticks(b"o", _UNIT[kind.unit])
    if types.is_duration(kind):
        return _ticks(b"u", _UNIT[kind.unit])
    if types.is_date32(kind):
        return lambda value: b"a" + _sized(b"%d" % value)
    return lambda value: b"n"


def _ticks(letter: bytes, factor: int) -> Callable[[Any], bytes]:
    """Nanoseconds of a raw integer."""
    return lambda value: letter + _sized(b"%d" % (value * factor))


def _decimal_text(value: Decimal) -> str:
    # Not `normalize()`: it rounds to the 28 digits of the default context.
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _nullable(encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    return lambda value: b"0" if value is None else b"1" + encode(value)


def _sized(value: bytes) -> bytes:
    return _LENGTH.pack(len(value)) + value
