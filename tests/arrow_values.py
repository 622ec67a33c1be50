"""Arrow columns of any type that a dataset takes, for property tests.

Dates and times are drawn as the raw integers that they are stored as, so that no value loses a digit in Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

__all__ = ["Column", "arrow_types", "columns", "raw_type", "raw_values", "to_array"]

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
_UNITS = ("s", "ms", "us", "ns")

_PLAIN = [
    pa.bool_(),
    *(getattr(pa, f"{sign}int{bits}")() for sign in ("", "u") for bits in (8, 16, 32, 64)),
    pa.float16(),
    pa.float32(),
    pa.float64(),
    pa.string(),
    pa.large_string(),
    pa.binary(),
    pa.large_binary(),
    pa.binary(3),
    pa.date32(),
    pa.time32("s"),
    pa.time32("ms"),
    pa.time64("us"),
    pa.time64("ns"),
    *(pa.duration(unit) for unit in _UNITS),
    *(pa.timestamp(unit, zone) for unit in _UNITS for zone in (None, "UTC", "Europe/Berlin")),
    pa.decimal32(7, 2),
    pa.decimal64(17, 0),
    pa.decimal128(38, 10),
    pa.decimal256(76, 30),
]


def arrow_types(*, max_depth: int = 2) -> st.SearchStrategy[pa.DataType]:
    """Types without media; dictionaries come in at the top only."""
    return st.one_of(_nested(max_depth), st.just(pa.dictionary(pa.int8(), pa.string())))


def _nested(depth: int) -> st.SearchStrategy[pa.DataType]:
    plain = st.sampled_from(_PLAIN)
    if depth == 0:
        return plain
    inner = _nested(depth - 1)
    names = st.lists(st.sampled_from(["a", "b", "größe"]), min_size=1, max_size=3, unique=True)
    return st.one_of(
        plain,
        inner.map(pa.list_),
        inner.map(pa.large_list),
        st.tuples(inner, st.integers(1, 3)).map(lambda pair: pa.list_(*pair)),
        names.flatmap(
            lambda keys: st.tuples(*(inner for _ in keys)).map(
                lambda kinds: pa.struct(list(zip(keys, kinds, strict=True)))
            )
        ),
        inner.map(lambda kind: pa.map_(pa.string(), kind)),
    )


def raw_type(kind: pa.DataType) -> pa.DataType:
    """The type with dates and times as integers."""
    types = pa.types
    if types.is_timestamp(kind) or types.is_time64(kind) or types.is_duration(kind):
        return pa.int64()
    if types.is_time32(kind) or types.is_date32(kind):
        return pa.int32()
    if types.is_fixed_size_list(kind):
        return pa.list_(raw_type(kind.value_type), kind.list_size)
    if types.is_large_list(kind):
        return pa.large_list(raw_type(kind.value_type))
    if types.is_list(kind):
        return pa.list_(raw_type(kind.value_type))
    if types.is_struct(kind):
        return pa.struct([(field.name, raw_type(field.type)) for field in kind])
    if types.is_map(kind):
        return pa.map_(kind.key_type, raw_type(kind.item_type))
    return kind


def raw_values(kind: pa.DataType) -> st.SearchStrategy[Any]:
    """Values of the raw type, never null at the top."""
    types = pa.types
    if types.is_dictionary(kind):
        return raw_values(kind.value_type)
    if types.is_boolean(kind):
        return st.booleans()
    if types.is_integer(kind):
        low = 0 if types.is_unsigned_integer(kind) else -(2 ** (kind.bit_width - 1))
        return st.integers(low, low + 2**kind.bit_width - 1)
    if types.is_floating(kind):
        return st.floats(width=kind.bit_width)
    if types.is_string(kind) or types.is_large_string(kind):
        return _TEXT
    if types.is_fixed_size_binary(kind):
        return st.binary(min_size=kind.byte_width, max_size=kind.byte_width)
    if types.is_binary(kind) or types.is_large_binary(kind):
        return st.binary(max_size=6)
    if types.is_decimal(kind):
        limit = 10**kind.precision - 1
        return st.integers(-limit, limit).map(lambda number: _decimal(number, kind.scale))
    if types.is_date32(kind):
        return st.integers(-(2**31), 2**31 - 1)
    if types.is_time(kind):
        return st.integers(0, 86_400 * 10 ** (3 * _UNITS.index(kind.unit)) - 1)
    if types.is_timestamp(kind) or types.is_duration(kind):
        # Parquet holds seconds as milliseconds.
        bits = 53 if kind.unit == "s" else 63
        return st.integers(-(2**bits), 2**bits - 1)
    if types.is_fixed_size_list(kind):
        item = raw_values(kind.value_type)
        return st.lists(st.none() | item, min_size=kind.list_size, max_size=kind.list_size)
    if types.is_list(kind) or types.is_large_list(kind):
        return st.lists(st.none() | raw_values(kind.value_type), max_size=3)
    if types.is_struct(kind):
        return st.fixed_dictionaries({field.name: st.none() | raw_values(field.type) for field in kind})
    if types.is_map(kind):
        pair = st.tuples(raw_values(kind.key_type), st.none() | raw_values(kind.item_type))
        return st.lists(pair, max_size=3, unique_by=lambda item: str(item[0]))
    raise TypeError(f"no values for {kind}")


def to_array(kind: pa.DataType, values: list[Any]) -> pa.Array:
    """The raw values, or None, as an array of the type."""
    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode().cast(kind)
    raw = raw_type(kind)
    array = pa.array(values, raw)
    return array if raw == kind else array.view(kind)


@dataclass(frozen=True)
class Column:
    """A column with the values that it was made from."""

    kind: pa.DataType
    values: list[Any]

    @property
    def array(self) -> pa.Array:
        """The Arrow array."""
        return to_array(self.kind, self.values)


def columns(*, num_rows: int, max_depth: int = 2) -> st.SearchStrategy[Column]:
    """Columns with nulls among their values."""
    return arrow_types(max_depth=max_depth).flatmap(
        lambda kind: st.lists(st.none() | raw_values(kind), min_size=num_rows, max_size=num_rows).map(
            lambda values: Column(kind, values)
        )
    )


def _decimal(number: int, scale: int) -> Decimal:
    """Without the rounding that arithmetic on decimals would do."""
    return Decimal((int(number < 0), tuple(map(int, str(abs(number)))), -scale))
