"""A column looks the same to a statement whether DuckDB reads it from Parquet or is given it as Arrow."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.curation.table_stages.engine_types import engine_schema, unlike_column
from headrace.curation.table_stages.file_views import FileView
from headrace.curation.table_stages.partition_views import PartitionView, TableView
from headrace.errors import InvalidInput

_MOMENT = dt.datetime(2024, 2, 29, 23, 59, 59)
_COLUMNS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "int8": (pa.int8(), [-128, None, 127]),
    "uint64": (pa.uint64(), [0, None, 2**64 - 1]),
    "float16": (pa.float16(), [np.float16(0.1), None, np.float16("nan")]),
    "float32": (pa.float32(), [0.1, None, float("nan")]),
    "float64": (pa.float64(), [-0.0, None, float("inf")]),
    "boolean": (pa.bool_(), [True, None, False]),
    "text": (pa.string(), ["é\u0000", None, ""]),
    "large text": (pa.large_string(), ["😀", None, ""]),
    "bytes": (pa.binary(), [b"\x00\xff", None, b""]),
    "fixed bytes": (pa.binary(2), [b"ab", None, b"\x00\x00"]),
    "date": (pa.date32(), [dt.date(1969, 1, 1), None, dt.date(2024, 2, 29)]),
    "date in milliseconds": (pa.date64(), [dt.date(1969, 1, 1), None, dt.date(2024, 2, 29)]),
    "moment in seconds": (pa.timestamp("s"), [_MOMENT, None]),
    "moment in milliseconds": (pa.timestamp("ms"), [_MOMENT, None]),
    "moment in microseconds": (pa.timestamp("us"), [_MOMENT, None]),
    "moment in nanoseconds": (pa.timestamp("ns"), [_MOMENT, None]),
    "moment in seconds with zone": (pa.timestamp("s", "UTC"), [_MOMENT, None]),
    "moment with another zone": (pa.timestamp("us", "Europe/Paris"), [_MOMENT, None]),
    "time in seconds": (pa.time32("s"), [dt.time(23, 59), None]),
    "time in nanoseconds": (pa.time64("ns"), [dt.time(23, 59), None]),
    "duration in seconds": (pa.duration("s"), [dt.timedelta(seconds=5), None]),
    "duration in microseconds": (pa.duration("us"), [dt.timedelta(microseconds=5), None]),
    "decimal": (pa.decimal128(38, 2), [Decimal("-1.25"), None]),
    "list": (pa.list_(pa.int32()), [[1, None], None, []]),
    "large list": (pa.large_list(pa.string()), [["a", None], None, []]),
    "embedding": (pa.list_(pa.float32(), 2), [[0.1, 0.2], None]),
    "lists of half floats": (pa.list_(pa.list_(pa.float16())), [[[np.float16(1)], None], None]),
    "structs of lists": (
        pa.struct([("a", pa.int8()), ("b", pa.list_(pa.timestamp("s")))]),
        [{"a": 1, "b": [_MOMENT]}, None, {"a": None, "b": None}],
    ),
    "map": (pa.map_(pa.string(), pa.timestamp("s")), [[("a", _MOMENT)], None, []]),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), ["a", None, "a"]),
    "nulls": (pa.null(), [None, None]),
}


@pytest.mark.parametrize("name", _COLUMNS)
def test_column_is_the_same_from_parquet_and_from_arrow(tmp_path: Path, name: str) -> None:
    kind, values = _COLUMNS[name]
    table = pa.table({"c": pa.array(values, kind)})
    pq.write_table(table, tmp_path / "rows.parquet", write_statistics=False)
    schema = engine_schema(table.schema, ["c"])
    with pa.OSFile(str(tmp_path / "rows.arrow"), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(pq.read_table(tmp_path / "rows.parquet").cast(schema))
    connection = duckdb.connect()
    FileView((str(tmp_path / "rows.parquet"),), ("c",)).create(connection, "file")
    read = PartitionView(schema, ((str(tmp_path / "rows.arrow"), 0, 1),)).table()
    TableView(read).create(connection, "arrow")
    found = [connection.sql(f"SELECT typeof(c), c::VARCHAR FROM {view}").fetchall() for view in ("file", "arrow")]
    connection.close()
    assert found[0] == found[1]


def test_wide_decimals_are_read_from_parquet_only() -> None:
    schema = pa.schema([("a", pa.int8()), ("d", pa.list_(pa.decimal256(50, 2)))])
    assert unlike_column(schema, ["a", "d"]) == "d"
    assert unlike_column(schema, ["a"]) is None
    with pytest.raises(InvalidInput, match="decimal256"):
        engine_schema(schema, ["d"])
