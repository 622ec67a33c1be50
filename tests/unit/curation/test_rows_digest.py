"""Equal rows have equal digests however they lie in memory; any other value, null or order gives another."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.curation.rows_digest import rows_digest

_MOMENT = dt.datetime(2024, 2, 29, 23, 59, 59)
_COLUMNS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "int8": (pa.int8(), [1, None, -1, 0]),
    "uint64": (pa.uint64(), [1, None, 2**64 - 1, 0]),
    "float16": (pa.float16(), [1.5, None, -1.0, 0.0]),
    "float64": (pa.float64(), [0.1, None, float("nan"), 0.0]),
    "boolean": (pa.bool_(), [True, None, False, True]),
    "text": (pa.string(), ["ab", None, "", "é"]),
    "large text": (pa.large_string(), ["ab", None, "", "é"]),
    "text view": (pa.string_view(), ["a longer text than twelve bytes", None, "", "é"]),
    "bytes": (pa.binary(), [b"\x00", None, b"", b"ab"]),
    "fixed bytes": (pa.binary(2), [b"ab", None, b"\x00\x00", b"cd"]),
    "date": (pa.date32(), [dt.date(2024, 2, 29), None, dt.date(1969, 1, 1), dt.date(1970, 1, 1)]),
    "moment": (pa.timestamp("us"), [_MOMENT, None, dt.datetime(1970, 1, 1), dt.datetime(1969, 1, 1)]),
    "duration": (pa.duration("s"), [dt.timedelta(seconds=5), None, dt.timedelta(0), dt.timedelta(1)]),
    "decimal": (pa.decimal128(38, 2), [Decimal("-1.25"), None, Decimal("0"), Decimal("7")]),
    "list": (pa.list_(pa.int32()), [[1, None], None, [], [3]]),
    "large list of texts": (pa.large_list(pa.string()), [["a", None], None, [], ["bc"]]),
    "embedding": (pa.list_(pa.float32(), 2), [[0.1, 0.2], None, [0.0, 0.0], [1.0, None]]),
    "struct": (
        pa.struct([("a", pa.int8()), ("b", pa.list_(pa.string()))]),
        [{"a": 1, "b": ["x"]}, None, {"a": None, "b": None}, {"a": 2, "b": []}],
    ),
    "map": (pa.map_(pa.string(), pa.int8()), [[("a", 1)], None, [], [("b", None)]]),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), ["a", None, "a", "b"]),
    "nulls": (pa.null(), [None, None, None, None]),
}


def _digest(values: pa.Array | pa.ChunkedArray) -> str:
    return rows_digest(pa.table({"c": values}))


@pytest.mark.parametrize("name", _COLUMNS)
def test_slices_chunks_and_files_do_not_count(name: str) -> None:
    kind, values = _COLUMNS[name]
    array = pa.array(values, kind)
    once = _digest(array)
    padded = pa.array([values[3], values[1], *values, values[0]], kind)
    assert _digest(padded.slice(2, 4)) == once
    assert _digest(pa.chunked_array([array.slice(0, 1), array.slice(1, 0), array.slice(1)])) == once
    if not pa.types.is_string_view(kind):
        file = io.BytesIO()
        pq.write_table(pa.table({"c": array}), file)
        assert _digest(pq.read_table(file).column("c").cast(kind)) == once


@pytest.mark.parametrize("name", [name for name in _COLUMNS if name != "nulls"])
def test_each_other_row_counts(name: str) -> None:
    kind, values = _COLUMNS[name]
    others = [values[::-1], values[:3], [*values, None], [None, *values[1:]], [values[0], values[2], *values[2:]]]
    found = {_digest(pa.array(each, kind)) for each in [values, *others]}
    assert len(found) == 6


def test_what_lies_under_a_null_does_not_count() -> None:
    valid = pa.array([True, False, True]).buffers()[1]
    numbers = [pa.array([1, hidden, 3], pa.int32()).buffers()[1] for hidden in (0, 7)]
    found = {_digest(pa.Array.from_buffers(pa.int32(), 3, [valid, each])) for each in numbers}
    assert found == {_digest(pa.array([1, None, 3], pa.int32()))}
    offsets = pa.array([0, 1, 5, 6], pa.int32()).buffers()[1]
    hidden_text = pa.Array.from_buffers(pa.string(), 3, [valid, offsets, pa.py_buffer(b"a----b")])
    assert _digest(hidden_text) == _digest(pa.array(["a", None, "b"]))


def test_columns_do_not_run_into_each_other() -> None:
    first = pa.table({"a": ["x"], "b": ["yz"]})
    second = pa.table({"a": ["xy"], "b": ["z"]})
    assert rows_digest(first) != rows_digest(second)


def test_no_rows_are_not_one_null() -> None:
    assert _digest(pa.array([], pa.string())) != _digest(pa.array([None], pa.string()))
