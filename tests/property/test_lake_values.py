"""Any Arrow value goes into a TABLE and comes out again, and names the same commit however it is laid out."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace
from headrace.datasets.columns import normal_type
from headrace.datasets.ingest import IngestLayout
from tests.arrow_values import Column, columns, raw_type
from tests.scripted_store import fresh_memory_uri

_NUM_ROWS = 5
_COLUMNS = st.lists(columns(num_rows=_NUM_ROWS), min_size=1, max_size=3)


def _table(drawn: list[Column]) -> pa.Table:
    return pa.table({f"c{idx}": column.array for idx, column in enumerate(drawn)})


def _raw(column: pa.ChunkedArray) -> list[Any]:
    """Values that compare exactly: times as integers, NaN as text."""
    array = column.combine_chunks()
    array = array.cast(normal_type(array.type, column="x"))
    raw = raw_type(array.type)
    return [repr(value) for value in (array if raw == array.type else array.view(raw)).to_pylist()]


@settings(max_examples=80)
@given(_COLUMNS)
def test_table_of_any_type_reads_back(drawn: list[Column]) -> None:
    lake = headrace.connect(fresh_memory_uri())
    table = _table(drawn)
    dataset = lake.create_dataset("values", schema=table.schema)
    dataset.commit(table, layout=IngestLayout(part_rows=2, row_group_rows=1))
    snapshot = dataset.snapshot()
    found = snapshot.to_arrow()
    for name in table.column_names:
        assert found.schema.field(name).type == normal_type(table.schema.field(name).type, column=name)
        assert _raw(found.column(name)) == _raw(table.column(name))
    order = [4, 0, 0, -1]
    taken = snapshot.take(order, columns=table.column_names)
    for name in table.column_names:
        expected = _raw(table.column(name))
        assert _raw(taken.column(name)) == [expected[idx] for idx in order]
    report = lake.verify()
    assert report.ok, report.problems
    assert snapshot.statistics["num_rows"] == _NUM_ROWS


@settings(max_examples=40)
@given(_COLUMNS, st.integers(1, 4))
def test_layout_and_chunks_do_not_count(drawn: list[Column], cut: int) -> None:
    table = _table(drawn)
    chunked = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
    names = set()
    for source, layout in (
        (table, IngestLayout()),
        (chunked, IngestLayout(part_rows=1)),
        (table.to_reader(max_chunksize=2), IngestLayout(part_rows=3, row_group_rows=1)),
        (table.select(table.column_names[::-1]), IngestLayout()),
    ):
        dataset = headrace.connect(fresh_memory_uri()).create_dataset("v", schema=table.schema)
        commit = dataset.commit(source, layout=layout)
        names.add((commit.digest, dataset.snapshot().id))
    assert len(names) == 1
