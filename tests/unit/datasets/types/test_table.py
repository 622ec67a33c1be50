"""TABLE: casting to the declared schema, and the view."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.datasets.columns import media_field
from headrace.datasets.sources.opening import open_source
from headrace.datasets.types.table import Table
from headrace.errors import InvalidInput
from headrace.testing import MemoryTable, MemoryViewReader, MemoryViewWriter, ingest_rows
from tests.generated_media import image_bytes

TYPE = Table()


def cast(
    values: list[object] | pa.Array, kind: pa.DataType, *, nullable: bool = True, is_csv: bool = False
) -> list[object]:
    source = MemoryTable(pa.table({"x": values}), name="t", is_csv=is_csv)
    declared = pa.schema([pa.field("x", kind, nullable=nullable)])
    return list(ingest_rows(TYPE, source, declared=declared).table.column("x").to_pylist())


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["1", "-2"], pa.int32(), [1, -2]),
        ([1, 2], pa.string(), ["1", "2"]),
        ([2.0, None], pa.int8(), [2, None]),
        ([1, 2], pa.float32(), [1.0, 2.0]),
        (["true", "FALSE"], pa.bool_(), [True, False]),
        (["1.50"], pa.decimal128(6, 2), [Decimal("1.50")]),
        (["2026-11-01"], pa.date32(), [date(2026, 11, 1)]),
        (["2026-11-01T05:00:00Z"], pa.timestamp("us", "UTC"), [datetime(2026, 11, 1, 5, tzinfo=UTC)]),
        ([[1, 2], []], pa.list_(pa.float64()), [[1.0, 2.0], []]),
        ([{"a": 1}], pa.struct([("a", pa.int64()), ("b", pa.string())]), [{"a": 1, "b": None}]),
        ([b"x"], pa.binary(), [b"x"]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), pa.string(), ["a", "b", "a"]),
        ([None, None], pa.int64(), [None, None]),
    ],
)
def test_values_are_cast_where_nothing_is_lost(values: list[object], kind: pa.DataType, expected: list[object]) -> None:
    assert cast(values, kind) == expected


@pytest.mark.parametrize(
    ("values", "kind", "words"),
    [
        (["1", "2x"], pa.int32(), "'2x' is no int32"),
        (["1", "300"], pa.int8(), "'300' is no int8"),
        ([1.0, 2.5], pa.int64(), "2.5 is no int64"),
        ([None, 5], pa.timestamp("us"), "5 is a number, and nothing says in which unit"),
        ([None, 1], pa.bool_(), "1 is a number; expected bool"),
        (["a", "b" * 100], pa.list_(pa.string()), "is no list"),
        (["x", "y"], pa.float64(), "'x' is no double"),
    ],
)
def test_value_that_does_not_fit_names_line_column_and_value(
    values: list[object], kind: pa.DataType, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        cast(values, kind)
    assert caught.value.column == "x"
    assert caught.value.line in (1, 2)
    assert "t:" in caught.value.message


def test_empty_csv_fields_are_null_unless_text_is_wanted() -> None:
    assert cast(["1", ""], pa.int64(), is_csv=True) == [1, None]
    assert cast(["a", ""], pa.string(), is_csv=True) == ["a", ""]
    with pytest.raises(InvalidInput, match="'' is no int64"):
        cast(["1", ""], pa.int64())
    with pytest.raises(InvalidInput, match="is null; expected int64"):
        cast(["1", ""], pa.int64(), nullable=False, is_csv=True)


def test_columns_come_in_declared_order_and_missing_ones_are_null() -> None:
    declared = pa.schema([("a", pa.int64()), ("b", pa.string()), media_field("c", "image", nullable=True)])
    result = ingest_rows(TYPE, MemoryTable(pa.table({"b": ["x"], "a": [1]})), declared=declared)
    assert result.table.to_pylist() == [{"a": 1, "b": "x", "c": None}]
    assert result.table.column_names == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"id": [1], "txt": ["x"]}, "no column text.*Did you mean 'txt'"),
        ({"id": [1], "text": ["x"], "scores": [1]}, r"\[column scores\].*Did you mean 'score'"),
        ({"text": ["x"]}, "no column id"),
    ],
)
def test_columns_must_match_the_schema(columns: dict[str, list[object]], words: str) -> None:
    declared = pa.schema([("id", pa.int64()), pa.field("text", pa.string(), nullable=False), ("score", pa.float64())])
    for on_invalid in ("raise", "skip"):
        with pytest.raises(InvalidInput, match=words):
            ingest_rows(TYPE, MemoryTable(pa.table(columns)), declared=declared, key="id", on_invalid=on_invalid)


def test_skipping_leaves_out_each_bad_row_once(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,score\n1,0.5\n,x\n3,high\n4,\n")
    declared = pa.schema([("id", pa.int64()), ("score", pa.float64())])
    result = ingest_rows(TYPE, open_source(path, csv_has_header=True), declared=declared, key="id", on_invalid="skip")
    assert result.table.to_pylist() == [{"id": 1, "score": 0.5}, {"id": 4, "score": None}]
    assert result.lines == [2, 5]
    assert [(row.line, row.reason.split(":")[0]) for row in result.rejected] == [(3, "column id"), (4, "column score")]


def test_media_columns_take_bytes_and_paths(tmp_path: Path) -> None:
    declared = pa.schema([("n", pa.int64()), media_field("photo", "image", nullable=True)])
    (tmp_path / "a.jpg").write_bytes(image_bytes())
    (tmp_path / "t.jsonl").write_text(
        '{"n": 1, "photo": "a.jpg"}\n{"n": 2, "photo": null}\n{"n": 3, "photo": "b.jpg"}\n'
    )
    with pytest.raises(InvalidInput, match="no such file") as caught:
        ingest_rows(TYPE, open_source(tmp_path / "t.jsonl", csv_has_header=True), declared=declared)
    assert caught.value.line == 3
    source = open_source(tmp_path / "t.jsonl", csv_has_header=True)
    result = ingest_rows(TYPE, source, declared=declared, on_invalid="skip")
    assert result.table.column("photo").to_pylist() == [image_bytes(), None]
    assert [header and header.width for header in result.headers["photo"]] == [8, None]


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (None, "needs columns"),
        (pa.schema([]), "without columns"),
        (pa.schema([("_id", pa.int64())]), "'_id'"),
        (pa.schema([("a", pa.int64()), ("A", pa.int64())]), "appears twice"),
        (pa.schema([("a", pa.month_day_nano_interval())]), "not stored"),
    ],
)
def test_bad_schema_is_refused(declared: pa.Schema | None, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        TYPE.ingest_schema(declared)


@pytest.mark.parametrize("num_rows", [0, 1, 70_000])
def test_view_holds_the_rows_in_fixed_row_groups(num_rows: int) -> None:
    schema = pa.schema([("n", pa.int64()), ("text", pa.string())])
    rows = pa.table({"n": range(num_rows), "text": [f"row {n % 100}" for n in range(num_rows)]}, schema=schema)
    files = []
    for batch_rows in (None, 999):
        writer = MemoryViewWriter()
        TYPE.materialise(
            MemoryViewReader([rows.slice(0, 10), rows.slice(10)], schema=schema, batch_rows=batch_rows), writer
        )
        files.append(writer.files["data.parquet"])
    assert files[0] == files[1]
    parquet = pq.ParquetFile(io.BytesIO(files[0]))
    assert parquet.read().equals(rows)
    assert [parquet.metadata.row_group(idx).num_rows for idx in range(parquet.num_row_groups)] == (
        [65_536, 4_464] if num_rows == 70_000 else [1] if num_rows else []
    )


def test_view_keeps_media_bytes_and_kind() -> None:
    schema = pa.schema([("n", pa.int64()), media_field("photo", "image")])
    rows = pa.table({"n": range(300), "photo": [b"x"] * 300}, schema=schema)
    writer = MemoryViewWriter()
    TYPE.materialise(MemoryViewReader([rows], schema=schema), writer)
    parquet = pq.ParquetFile(io.BytesIO(writer.files["data.parquet"]))
    assert parquet.num_row_groups == 2
    assert parquet.read().equals(rows)
    assert parquet.schema_arrow.field("photo").metadata[b"headrace.media"] == b"image"
