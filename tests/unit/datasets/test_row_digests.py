"""The identity of a row, against an encoder written a second time from the format's description."""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import Any

import blake3
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from headrace.datasets.columns import normal_type
from headrace.datasets.row_digests import encode_media, encode_values, row_digests, rows_root
from tests.arrow_values import Column, arrow_types, columns, raw_values, to_array

_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def _sized(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def _reference(kind: pa.DataType, value: Any) -> bytes:
    """Letter and value of the format, from raw Python values."""
    types = pa.types

    def item(inner: pa.DataType, value: Any) -> bytes:
        return b"0" if value is None else b"1" + _reference(inner, value)

    if types.is_dictionary(kind):
        return _reference(kind.value_type, value)
    if types.is_boolean(kind):
        return b"b" + bytes([value])
    if types.is_integer(kind):
        return b"i" + (struct.pack("<q", value) if value < 2**63 else b"u" + struct.pack("<Q", value))
    if types.is_floating(kind):
        return b"f" + struct.pack("<d", float("nan") if value != value else value)
    if types.is_string(kind) or types.is_large_string(kind):
        return b"s" + _sized(value.encode())
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return b"B" + _sized(blake3.blake3(value).digest())
    if types.is_map(kind):
        pairs = (_reference(kind.key_type, key) + item(kind.item_type, mapped) for key, mapped in value)
        return b"m" + struct.pack("<I", len(value)) + b"".join(pairs)
    if types.is_struct(kind):
        return b"r" + b"".join(_sized(field.name.encode()) + item(field.type, value[field.name]) for field in kind)
    if types.is_decimal(kind):
        scaled = int(value.as_tuple().exponent)  # as it is: arithmetic would round to 28 digits
        digits = "".join(map(str, value.as_tuple().digits)).rjust(1 - scaled, "0")
        text = digits if scaled == 0 else f"{digits[:scaled]}.{digits[scaled:]}".rstrip("0").rstrip(".")
        text = text.lstrip("0") or "0"
        text = f"0{text}" if text.startswith(".") else text
        return b"d" + _sized((("-" if value < 0 else "") + text).encode())
    if types.is_date32(kind):
        return b"a" + _sized(b"%d" % value)
    if types.is_timestamp(kind) or types.is_time(kind) or types.is_duration(kind):
        letter = b"t" if types.is_timestamp(kind) else b"o" if types.is_time(kind) else b"u"
        return letter + _sized(b"%d" % (value * _NANOSECONDS[kind.unit]))
    return b"l" + struct.pack("<I", len(value)) + b"".join(item(kind.value_type, entry) for entry in value)


def _digests(table: dict[str, pa.Array]) -> list[bytes]:
    """As ingest does it: types made plain, then encoded."""
    encoded = {
        name: encode_values(name, values=values.cast(normal_type(values.type, column=name)))
        for name, values in table.items()
    }
    return row_digests(encoded, num_rows=len(next(iter(table.values()))))


@settings(max_examples=120)
@given(columns(num_rows=3))
def test_encoding_is_the_one_described(column: Column) -> None:
    name = _sized(b"x")
    expected = [b"" if value is None else name + _reference(column.kind, value) for value in column.values]
    array = column.array
    assert encode_values("x", values=array.cast(normal_type(array.type, column="x"))) == expected


@settings(max_examples=60)
@given(columns(num_rows=4), st.integers(0, 4), st.integers(0, 4))
def test_encoding_does_not_depend_on_slices(column: Column, start: int, stop: int) -> None:
    array = column.array
    array = array.cast(normal_type(array.type, column="x"))
    assert (
        encode_values("x", values=array.slice(start, max(0, stop - start)))
        == encode_values("x", values=array)[start : max(start, stop)]
    )


@settings(max_examples=120)
@given(st.data())
def test_another_value_is_another_digest(data: st.DataObject) -> None:
    kind = data.draw(arrow_types(max_depth=1))
    first, second = data.draw(raw_values(kind)), data.draw(raw_values(kind))
    one, two = to_array(kind, [first]), to_array(kind, [second])
    assume(_reference(kind, first) != _reference(kind, second))
    assert _digests({"a": one}) != _digests({"a": two})
    assert _digests({"a": one}) != _digests({"b": one})
    assert _digests({"a": one}) != _digests({"a": one, "b": one})


@given(columns(num_rows=2), columns(num_rows=2))
def test_order_of_columns_and_null_columns_do_not_count(first: Column, second: Column) -> None:
    table = {"a": first.array, "b": second.array}
    assert _digests(table) == _digests(dict(reversed(table.items())))
    nulls = pa.nulls(2, first.kind if not pa.types.is_dictionary(first.kind) else pa.string())
    assert _digests({**table, "c": nulls}) == _digests(table)
    assert _digests({**table, "c": pa.nulls(2)}) == _digests(table)


@pytest.mark.parametrize("narrow", [pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint32(), pa.uint64()])
def test_width_of_whole_numbers_does_not_count(narrow: pa.DataType) -> None:
    values = [0, 1, 100, None]
    assert _digests({"a": pa.array(values, narrow)}) == _digests({"a": pa.array(values, pa.int64())})
    nested = [[0, 1], [100], None, []]
    assert _digests({"a": pa.array(nested, pa.list_(narrow))}) == _digests(
        {"a": pa.array(nested, pa.list_(pa.int64()))}
    )


def test_width_of_floats_does_not_count() -> None:
    values = [0.5, -2.0, None, float("inf"), float("nan")]
    wide = _digests({"a": pa.array(values, pa.float64())})
    assert _digests({"a": pa.array(values, pa.float32())}) == wide
    assert _digests({"a": pa.array(values, pa.float16())}) == wide


def test_every_nan_is_the_same_and_signed_zeros_differ() -> None:
    payloads = pa.array([0x7FF8000000000000, 0x7FF8000000000001, 0xFFF8000000000000], pa.uint64())
    digests = _digests({"a": payloads.view(pa.float64())})
    assert len(set(digests)) == 1
    assert len(set(_digests({"a": pa.array([0.0, -0.0])}))) == 2


def test_kinds_of_values_are_told_apart() -> None:
    arrays = [
        pa.array([1]),
        pa.array([1.0]),
        pa.array(["1"]),
        pa.array([b"1"]),
        pa.array([True]),
        pa.array([Decimal(1)], pa.decimal128(3, 0)),
        pa.array([1], pa.date32()),
        pa.array([1], pa.timestamp("ns")),
        pa.array([1], pa.duration("ns")),
        pa.array([1], pa.time64("ns")),
        pa.array([[1]]),
        pa.array([{"a": 1}]),
        pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
    ]
    digests = [_digests({"a": array})[0] for array in arrays]
    assert len(set(digests)) == len(digests)


def test_decimals_of_any_length_keep_every_digit() -> None:
    close = [Decimal("12345678901234567890123456789012345678"), Decimal("12345678901234567890123456789012345679")]
    assert len(set(_digests({"a": pa.array(close, pa.decimal128(38, 0))}))) == 2
    same = [Decimal("1.50"), Decimal("1.5000")]
    assert len({_digests({"a": pa.array([value], pa.decimal128(20, 6))})[0] for value in same}) == 1
    assert _digests({"a": pa.array([Decimal(100)], pa.decimal128(5, 0))}) == _digests(
        {"a": pa.array([Decimal(100)], pa.decimal128(9, 4))}
    )


def test_units_of_times_do_not_count() -> None:
    for make, value in ((pa.timestamp, 1_700_000_000), (pa.duration, 5)):
        digests = {
            _digests({"a": pa.array([value * factor], make(unit))})[0]
            for unit, factor in (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9))
        }
        assert len(digests) == 1


def test_nanoseconds_inside_lists_count() -> None:
    for kind in (pa.timestamp("ns"), pa.time64("ns"), pa.duration("ns")):
        assert len(set(_digests({"a": pa.array([[1], [2]], pa.list_(kind))}))) == 2


def test_neighbouring_columns_cannot_be_confused() -> None:
    """Lengths are part of the encoding, so values never run into each other."""
    assert _digests({"a": pa.array(["xy"]), "b": pa.array([""])}) != _digests(
        {"a": pa.array(["x"]), "b": pa.array(["y"])}
    )
    assert _digests({"a": pa.array([["x", "y"]])}) != _digests({"a": pa.array([["xy"]])})
    assert _digests({"ab": pa.array(["c"])}) != _digests({"a": pa.array(["bc"])})


def test_media_is_encoded_by_its_digest_as_binary_is() -> None:
    digest = blake3.blake3(b"image").digest()
    assert encode_media("a", digests=[digest, None]) == encode_values(
        "a", values=pa.array([b"image", None], pa.large_binary())
    )


def test_rows_without_columns_have_one_digest() -> None:
    assert row_digests({}, num_rows=2) == [blake3.blake3(b"").digest()] * 2


def test_root_counts_the_order_of_rows() -> None:
    digests = _digests({"a": pa.array([1, 2, 3])})
    assert rows_root(digests) == blake3.blake3(b"".join(digests)).hexdigest()
    assert rows_root(digests) != rows_root(digests[::-1])


def test_known_digest_stays_for_ever() -> None:
    """A change here is a change of every commit's name."""
    table = {"text": pa.array(["how is the weather"]), "labels": pa.array([["weather"]])}
    assert _digests(table)[0].hex() == "928d0c0c3fafb41ab880653707d19815fcecaa2de0419f760fec63ae6d6c918a"
