"""Rows between stages: the same rows give the same parts, in parts of bounded size."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import headrace
from headrace.curation.stage_rows import StageRows, StageStore, row_sizes
from headrace.errors import DataCorrupted

_SCHEMA = pa.schema([("_id", pa.string()), ("text", pa.string())])


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    lake = headrace.connect(str(tmp_path / "lake"))
    lake.create_dataset("d", schema=_SCHEMA.remove(0))
    return StageStore(lake, ["b", "a", "b"])


def rows(texts: list[str | None]) -> pa.Table:
    return pa.table([[str(idx) for idx in range(len(texts))], texts], schema=_SCHEMA)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.text(max_size=5) | st.none(), max_size=30), st.data())
def test_content_does_not_depend_on_how_rows_come(
    store: StageStore, texts: list[str | None], data: st.DataObject
) -> None:
    table = rows(texts)
    whole = store.write(table)
    writer = store.writer(_SCHEMA)
    start = 0
    while start < table.num_rows:
        count = data.draw(st.integers(1, 7))
        writer.add(table.slice(start, count))
        start += count
    assert writer.finish() == whole
    assert store.table(whole).to_pydict() == table.to_pydict()
    assert StageRows.from_json(whole.to_json()) == whole


def test_large_rows_get_small_parts(store: StageStore) -> None:
    texts: list[str | None] = ["x" * 20_000_000, "y", "z" * 20_000_000, "w" * 40_000_000, "v"]
    written = store.write(rows(texts))
    assert [part.num_rows for part in written.parts] == [2, 1, 1, 1]
    assert [len(text) for text in store.table(written).column("text").to_pylist()] == [len(t or "") for t in texts]


def test_empty_rows_and_scope(store: StageStore) -> None:
    nothing = store.write(rows([]))
    assert (nothing.num_rows, store.table(nothing).schema) == (0, _SCHEMA)
    assert store.base == "derived/curation/a+b/"


def test_damaged_part_is_an_error(store: StageStore, tmp_path: Path) -> None:
    written = store.write(rows(["a"]))
    (path,) = (tmp_path / "lake" / "derived").rglob("*.parquet")
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DataCorrupted):
        store.table(written)


def test_row_sizes_count_the_items_of_lists() -> None:
    """Else a part of 65,536 embeddings would have 200 MB."""
    table = pa.table(
        {
            "text": ["xy", None],  # 8 for each column, and 2
            "tags": [["a", "bcd"], None],  # 5 + 7
            "scored": [[{"name": "ab", "score": 1.0}], []],  # 6 + 8
            "nested": [[["a"], ["b", "cc"]], []],  # 4 + 5, 4 + 5 + 6
            "vector": pa.array([[1.0, 2.0], []], pa.list_(pa.float32())),  # 2 * 4
            "bytes": pa.array([b"12345", b""], pa.large_binary()),
        }
    )
    assert row_sizes(table).tolist() == [48 + 2 + 12 + 14 + 24 + 8 + 5, 48]
    assert row_sizes(table.slice(1)).tolist() == [48]
    assert row_sizes(pa.concat_tables([table.slice(1), table])).tolist() == [48, 113, 48]
    assert row_sizes(table.slice(0, 0)).tolist() == []
