"""GENERIC: bytes as they are."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest

from headrace.datasets.sources.opening import open_source
from headrace.datasets.types.generic import Generic
from headrace.errors import InvalidInput
from headrace.testing import MemoryTable, MemoryViewReader, MemoryViewWriter, ingest_rows

TYPE = Generic()


def test_files_of_any_kind_keep_path_and_bytes(tmp_path: Path) -> None:
    contents = {"a.bin": os.urandom(100), "sub/b": b"", "sub/ü.csv": b"x"}
    (tmp_path / "sub").mkdir()
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    result = ingest_rows(TYPE, open_source(tmp_path, csv_has_header=True))
    assert dict(zip(result.table.column("name").to_pylist(), result.table.column("data").to_pylist())) == contents
    assert result.members == sorted(contents)


def test_many_files_come_in_several_batches(tmp_path: Path) -> None:
    for idx in range(1100):
        (tmp_path / f"{idx:04}").touch()
    assert ingest_rows(TYPE, open_source(tmp_path, csv_has_header=True)).batch_sizes == [1024, 76]


def test_table_may_hold_bytes_or_paths(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"content")
    (tmp_path / "t.csv").write_text("name,data\nn,x\n")
    result = ingest_rows(TYPE, open_source(tmp_path / "t.csv", csv_has_header=True))
    assert result.table.to_pylist() == [{"name": "n", "data": b"content"}]


def test_table_with_other_columns_is_refused() -> None:
    with pytest.raises(InvalidInput, match="there is no column data"):
        ingest_rows(TYPE, MemoryTable(pa.table({"name": ["a"], "dat": [b"x"]})))
    with pytest.raises(InvalidInput, match="a further column"):
        ingest_rows(TYPE, MemoryTable(pa.table({"name": ["a"], "data": [b"x"], "size": [1]})))


@pytest.mark.parametrize("batch_rows", [1, 2, None])
def test_view_names_parts_by_commit_and_row(batch_rows: int | None) -> None:
    """A commit of which no row is left still counts."""
    schema = TYPE.ingest_schema(None)
    commits = [
        pa.Table.from_pylist([{"name": content, "data": content.encode()} for content in names], schema)
        for names in (["a", "b"], [], ["c"], ["d", "", "e"])
    ]
    writer = MemoryViewWriter()
    TYPE.materialise(MemoryViewReader(commits, schema=schema, batch_rows=batch_rows), writer)
    assert writer.files == {
        "part-0-0": b"a",
        "part-0-1": b"b",
        "part-2-0": b"c",
        "part-3-0": b"d",
        "part-3-1": b"",
        "part-3-2": b"e",
    }
