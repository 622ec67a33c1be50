"""JSON lines and JSON arrays: what is read, and what is refused where."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from headrace.datasets.sources.opening import open_source
from headrace.errors import InvalidInput


def written(folder: Path, data: bytes | str, name: str) -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def rows_of(path: Path, *, schema: pa.Schema | None = None) -> list[dict[str, Any]]:
    source = open_source(path, csv_has_header=True, schema=schema)
    assert source.kind == "table"
    rows: list[dict[str, Any]] = []
    schemas = set()
    for batch in source.batches():
        rows += batch.table.to_pylist()
        schemas.add(str(batch.table.schema))
    assert len(schemas) == 1
    return rows


def failure(path: Path, *, schema: pa.Schema | None = None) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        rows_of(path, schema=schema)
    assert caught.value.file == str(path)
    return caught.value


ROWS = [{"a": 1, "b": 'x: "y":'}, {"a": None, "b": "ü"}]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", "\n".join(json.dumps(row) for row in ROWS)),
        ("a.ndjson", "\n\r\n".join(json.dumps(row) for row in ROWS) + "\r\n"),
        ("a.json", json.dumps(ROWS)),
        ("a.json", "\ufeff\n\n" + json.dumps(ROWS, indent=2)),
        ("a.json", "\n".join(json.dumps(row) for row in ROWS)),
    ],
)
def test_objects_are_rows(tmp_path: Path, name: str, text: str) -> None:
    assert rows_of(written(tmp_path, text, name)) == ROWS
    assert rows_of(written(tmp_path, gzip.compress(text.encode()), name + ".gz")) == ROWS


def test_lines_are_physical(tmp_path: Path) -> None:
    path = written(tmp_path, '\n{"a": 1}\n\n{"a": 2}', "a.jsonl")
    source = open_source(path, csv_has_header=True)
    assert source.kind == "table"
    (batch,) = source.batches()
    assert batch.lines == [2, 4]
    assert source.origins[0].digest is not None


def test_missing_keys_are_null_and_types_meet_over_batches(tmp_path: Path) -> None:
    """Later batches bring floats, and a column that earlier ones lack."""
    lines = [json.dumps({"a": idx}) for idx in range(5000)] + [json.dumps({"a": 0.5, "b": ["x"]})]
    rows = rows_of(written(tmp_path, "\n".join(lines), "a.jsonl"))
    assert rows[0] == {"a": 0.0, "b": None}
    assert rows[-1] == {"a": 0.5, "b": ["x"]}


def test_schema_types_the_columns(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("a", pa.int8()), pa.field("b", pa.float32())])
    path = written(tmp_path, '{"a": 1, "b": 2, "c": "x"}\n', "a.jsonl")
    source = open_source(path, csv_has_header=True, schema=schema)
    assert source.kind == "table"
    (batch,) = source.batches()
    assert batch.table.schema.types == [pa.int8(), pa.float32(), pa.string()]


@pytest.mark.parametrize(
    ("text", "line", "column", "expected"),
    [
        ('{"a": 1}\n{"a": 1,}\n', 2, 8, "trailing comma"),
        ('{"a": 1}\n{"a": NaN}\n', 2, 7, "no valid JSON"),
        ('{"a": Infinity}\n', 1, 7, "no valid JSON"),
        ('{"a": 1e999}\n', 1, 7, "no valid JSON"),
        ('{"a": 1}\n[1]\n', 2, 1, "an array where a row is expected"),
        ('{"a": 1}\n"x"\n', 2, 1, "a text where a row is expected"),
        ("null\n", 1, 1, "null where a row is expected"),
        ('{"a": 1} {"a": 2}\n', 1, 10, "no valid JSON"),
        ('{"a": 1, "b": 2, "a": 3}\n', 1, 18, "'a' stands twice"),
        ('{"x": {"a": 1, "\\u0061" : 3}}\n', 1, 16, "'a' stands twice"),
        ('{"x": [{"a": "\\":"}, {"a": 1, "a" :2}]}\n', 1, 31, "'a' stands twice"),
        ('{"a": 123456789012345678901234567890}\n', 1, 7, "64 bits"),
        ('{"a": ' + "[" * 100 + "]" * 100 + "}\n", 1, 106, "nesting deeper than 100"),
        ('{"a": 1}\n{"a": "x"}\n', 2, "a", "the rows before have int64"),
        ('{"a": 1}\n{"a": 1, "": "x"}\n', 2, None, "no column name"),
    ],
)
def test_what_breaks_is_named_with_its_place(
    tmp_path: Path, text: str, line: int, column: int | str, expected: str
) -> None:
    error = failure(written(tmp_path, text, "a.jsonl"))
    assert expected in error.message
    assert (error.line, error.column) == (line, column)


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ('[{"a": 1},\n {"a": 2, "a": 3}]', 2, "stands twice"),
        ('[{"a": 1},\n\n {"a": }]', 3, "no valid JSON"),
        ('[{"a": 1}, 5]', None, "entry 1 of the array"),
        ('[{"a": 1}, {"a": "x"}]', None, "row 1"),
    ],
)
def test_what_breaks_in_an_array_is_named(tmp_path: Path, text: str, line: int | None, expected: str) -> None:
    error = failure(written(tmp_path, text, "a.json"))
    assert expected in error.message
    assert error.line == line


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b'{"a": "\xff"}\n', "not valid UTF-8"), (b'{"a": "\0"}\n', "NUL"), (b"[]", "no rows"), (b"\n", "")],
)
def test_bytes_that_are_no_json_text_are_refused(tmp_path: Path, data: bytes, expected: str) -> None:
    assert expected in failure(written(tmp_path, data, "a.json")).message


def test_value_that_does_not_fit_its_declared_type_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, '{"a": 1}\n{"a": 300}\n', "a.jsonl")
    error = failure(path, schema=pa.schema([pa.field("a", pa.int8())]))
    assert (error.line, error.column) == (2, "a")


def test_text_that_looks_like_keys_is_no_duplicate(tmp_path: Path) -> None:
    row = {"a": '"a": 1, "a":', "b": {"a": 1}, "c": [{"a": 1}, {"a": 2}], "d": 1.5e300}
    assert rows_of(written(tmp_path, json.dumps(row), "a.jsonl")) == [row]
