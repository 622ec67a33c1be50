"""Tables whose columns are learned from their first rows."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from headrace.datasets.sources.opening import open_source
from headrace.datasets.sources.peeked_table import PeekedTable
from headrace.errors import InvalidInput
from headrace.testing import MemoryFiles, MemoryTable


def test_peeked_table_gives_all_rows_once() -> None:
    table = pa.table({"a": list(range(10))})
    peeked = PeekedTable.of(MemoryTable(table, batch_rows=3))
    assert peeked.schema == table.schema
    assert [value for batch in peeked.batches() for value in batch.table.column(0).to_pylist()] == list(range(10))


def test_peeked_table_needs_a_table_with_rows() -> None:
    with pytest.raises(InvalidInput, match="not a folder of files"):
        PeekedTable.of(MemoryFiles({"a": b"x"}))
    with pytest.raises(InvalidInput, match="declare them with schema="):
        PeekedTable.of(MemoryTable(pa.table({"a": pa.array([], pa.int64())})))


def test_origins_learned_while_reading_are_seen_through_the_peek(tmp_path: Any) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    source = open_source(str(path), csv_has_header=True)
    assert source.kind == "table"
    peeked = PeekedTable.of(source)
    assert len(list(peeked.batches())) == 1
    assert peeked.origins[0].digest is not None
