"""Columns that are added to rows which are there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import headrace
from headrace.datasets.dataset import Dataset
from headrace.datasets.lake import Lake
from headrace.errors import Conflict, InvalidInput, NotFound
from headrace.storage.parts import part_key
from tests.scripted_store import fresh_memory_uri

_SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string())])


@pytest.fixture
def lake() -> Lake:
    return headrace.connect(fresh_memory_uri())


def _dataset(lake: Lake, *, num_rows: int = 4, rule: str = "keep") -> Dataset:
    rows = [{"id": idx, "name": "x" * idx} for idx in range(num_rows)]
    return lake.create_dataset("t", schema=_SCHEMA, key="id", on_duplicate_key=rule, source=rows)


def _values(dataset: Dataset, name: str = "score") -> list[object]:
    values: list[object] = dataset.select(columns=["id", name]).to_arrow([name]).column(0).to_pylist()
    return values


def _lengths(rows: pa.Table) -> list[int]:
    return [len(text) for text in rows.column("name").to_pylist()]


def test_only_snapshots_that_ask_see_an_added_column(lake: Lake) -> None:
    dataset = _dataset(lake)
    before = dataset.snapshot()
    report = dataset.add_columns([{"id": 1, "score": 0.5}, {"id": 3, "score": 0.25}], name="score")
    assert (report.columns, report.num_rows, report.num_values) == (("score",), 2, 2)
    again = dataset.snapshot()
    assert (again.id, again.schema, dataset.schema) == (before.id, _SCHEMA, _SCHEMA)
    assert _values(dataset) == [None, 0.5, None, 0.25]
    filtered = dataset.snapshot(where="score > 0.3")
    assert filtered.to_arrow(["id"]).column(0).to_pylist() == [1]
    assert filtered.schema.names == ["id", "name"]
    assert dataset.snapshot(columns=["score"]).statistics["columns"]["score"]["null_count"] == 2


def test_same_values_give_the_same_snapshot_id_whatever_the_chunks(lake: Lake) -> None:
    ids = set()
    for name, chunk_rows, parts in (("a", 1, 1), ("b", 100, 2)):
        dataset = lake.create_dataset(name, schema=_SCHEMA, key="id")
        for part in range(2):
            dataset.commit([{"id": part * 10 + idx, "name": "x" * idx} for idx in range(5)])
            if parts == 2:
                dataset.add_columns(_lengths, name="score", chunk_rows=chunk_rows)
        dataset.add_columns(_lengths, name="score", chunk_rows=chunk_rows)
        ids.add(dataset.snapshot(columns=["id", "score"]).id)
        dataset.compact()
        ids.add(dataset.snapshot(columns=["id", "score"]).id)
    assert len(ids) == 1


def test_logged_snapshots_keep_the_version_that_they_were_taken_with(lake: Lake) -> None:
    dataset = _dataset(lake)
    dataset.add_columns(_lengths, name="score")
    taken = dataset.snapshot(columns=["score"])
    dataset.add_columns([{"id": 1, "score": "text"}], replace=True)
    replaced = dataset.snapshot(columns=["score"])
    dataset.drop_columns("score")
    lake.gc(dry_run=False, grace_seconds=0)
    again = headrace.connect(lake.uri).dataset("t")
    assert again.logged_snapshot(taken.id).to_arrow(["score"]).column(0).to_pylist() == [0, 1, 2, 3]
    assert again.logged_snapshot(replaced.id).to_arrow(["score"]).column(0).to_pylist() == [None, "text", None, None]
    assert taken.id != replaced.id
    with pytest.raises(InvalidInput, match="no column 'score'"):
        again.snapshot(columns=["score"])
    assert lake.verify().ok


def test_snapshot_of_a_column_that_was_replaced_before_it_was_logged_is_refused(lake: Lake) -> None:
    dataset = _dataset(lake)
    dataset.add_columns(_lengths, name="score")
    chosen = dataset.select(columns=["score"])
    dataset.drop_columns("score")
    with pytest.raises(Conflict, match="choose it again"):
        dataset.log_snapshot(chosen)


def test_function_gets_only_rows_without_a_value(lake: Lake) -> None:
    dataset = _dataset(lake)
    dataset.add_columns(_lengths, name="score")
    dataset.commit([{"id": 9, "name": "new"}])
    assert _values(dataset) == [0, 1, 2, 3, None]
    seen: list[int] = []

    def count(rows: pa.Table) -> list[int]:
        assert rows.column_names == ["name", "_id", "score"]
        seen.append(rows.num_rows)
        return _lengths(rows)

    report = dataset.add_columns(count, name="score", columns=["name", "_id", "score"])
    assert (seen, report.num_rows, report.num_values) == ([1], 1, 1)
    assert _values(dataset) == [0, 1, 2, 3, 3]
    number = dataset.log_of_entries.number
    assert dataset.add_columns(count, name="score", columns=["name", "_id", "score"]).num_rows == 0
    assert (seen, dataset.log_of_entries.number) == ([1], number)


def test_interrupted_run_keeps_its_finished_chunks(lake: Lake) -> None:
    dataset = _dataset(lake, num_rows=10)
    calls: list[int] = []

    def measure(rows: pa.Table) -> list[int]:
        if len(calls) == 3:
            calls.clear()
            raise KeyboardInterrupt
        calls.append(rows.num_rows)
        return _lengths(rows)

    with pytest.raises(KeyboardInterrupt):
        dataset.add_columns(measure, name="score", version="1", chunk_rows=2)
    assert dataset.added_columns == []
    assert len(list(lake.store.list("derived/columns"))) == 3
    report = dataset.add_columns(measure, name="score", version="1", chunk_rows=2)
    assert (calls, report.num_found, report.num_values) == ([2, 2], 6, 10)
    assert _values(dataset) == list(range(10))
    assert list(lake.store.list("derived/columns")) == []


def test_another_version_and_no_version_find_no_chunks(lake: Lake) -> None:
    dataset = _dataset(lake)

    def fail(rows: pa.Table) -> list[int]:
        if rows.column("id").to_pylist()[0]:
            raise ValueError("broken model")
        return [7]

    for version in ("1", None):
        with pytest.raises(ValueError, match="broken model") as caught:
            dataset.add_columns(fail, name="score", version=version, chunk_rows=1)
        assert "of the rows '1:1' to '1:1'" in caught.value.__notes__[0]
    assert dataset.add_columns(_lengths, name="score", version="2").num_found == 0
    assert _values(dataset) == [0, 1, 2, 3]


def test_adding_writes_little_and_leaves_rows_and_media_alone(tmp_path: Path) -> None:
    lake = headrace.connect(str(tmp_path / "lake"))
    data = np.random.default_rng(0).bytes(100_000)
    rows = [{"name": f"{idx}", "data": idx.to_bytes(4) + data} for idx in range(100)]
    dataset = lake.create_dataset("g", type="GENERIC", source=rows)
    before = {stat.key: stat for stat in lake.store.list(dataset.base + "objects/")}
    report = dataset.add_columns(lambda table: np.ones(table.num_rows), name="score", columns=["name"])
    after = {stat.key: stat for stat in lake.store.list(dataset.base + "objects/")}
    assert before.items() <= after.items()
    written = sum(stat.size for key, stat in after.items() if key not in before)
    assert report.num_bytes == written < 0.01 * 100 * 100_000


def test_matrix_gives_lists_and_several_names_take_a_dict(lake: Lake) -> None:
    dataset = _dataset(lake)
    dataset.add_columns(
        lambda rows: {"vector": np.ones((rows.num_rows, 3), np.float32), "size": _lengths(rows)},
        name=["vector", "size"],
    )
    assert [item.name for item in dataset.added_columns] == ["size", "vector"]
    assert dataset.added_columns[1].data_type == pa.list_(pa.field("item", pa.float32()), 3)
    assert _values(dataset, "vector")[0] == [1.0, 1.0, 1.0]
    assert dataset.snapshot(where="size > 1").num_rows == 2


def test_csv_values_get_the_narrowest_type(lake: Lake, tmp_path: Path) -> None:
    dataset = _dataset(lake)
    (tmp_path / "scores.csv").write_text("_id,score,note\n1:1,0.5,a\n1:2,,b\n")
    dataset.add_columns(str(tmp_path / "scores.csv"))
    assert [(item.name, str(item.data_type)) for item in dataset.added_columns] == [
        ("note", "string"),
        ("score", "double"),
    ]
    lineage = dataset.snapshot(columns=["score"]).lineage()
    assert lineage.columns[0].sources[0].uri.endswith("scores.csv")


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        ([{"id": 1, "name": 2}], {"name": "name"}, "no value column 'name'|of their own"),
        ([{"id": 1, "Score": 2}], {}, "only in upper and lower case"),
        ([{"id": 1, "_x": 2}], {}, "cannot be called '_x'"),
        ([{"id": 99, "score": 2}], {}, "no row '99'"),
        ([{"id": 1, "score": 2}, {"id": 1, "score": 2}], {}, "named twice"),
        ([{"id": None, "score": 2}], {}, "is null"),
        ([{"score": 2}], {}, "which rows are meant"),
        ([{"id": 2, "score": 5}], {}, "has another value already"),
        ([{"id": 1, "score": "x"}], {}, "score"),
        ([{"id": 1, "a": 2, "b": 3}], {"name": "c"}, "no value column 'c'"),
        ([{"id": 1, "new": None}], {}, "its type is unknown"),
        (_lengths, {}, "need a name"),
        (_lengths, {"name": "id"}, "of their own"),
        (_lengths, {"name": "other", "chunk_rows": 0}, "chunk_rows"),
        (lambda rows: [1], {"name": "other"}, "1 values for 4 rows"),
        (lambda rows: object(), {"name": "other"}, "no column of values"),
        ([{"id": 1, "score": 2}], {"version": "1"}, "a table has neither"),
    ],
)
def test_bad_values_are_refused_and_change_nothing(
    lake: Lake, table: object, options: dict[str, object], message: str
) -> None:
    dataset = _dataset(lake)
    dataset.add_columns([{"id": 2, "score": 1}])
    number = dataset.log_of_entries.number
    with pytest.raises(InvalidInput, match=message):
        dataset.add_columns(table, **options)  # type: ignore[arg-type]
    dataset.state()
    assert (dataset.log_of_entries.number, _values(dataset)) == (number, [None, None, 1, None])


def test_rows_cannot_bring_a_column_of_an_added_ones_name(lake: Lake) -> None:
    dataset = lake.create_dataset("x", type="TEXT_INTENT", source=[{"text": "a", "labels": ["b"]}])
    dataset.add_columns(lambda rows: [1] * rows.num_rows, name="score")
    with pytest.raises(InvalidInput, match="has an added column 'score'"):
        dataset.commit([{"text": "a", "labels": ["b"], "score": 1}])


def test_dropping_names_what_there_is(lake: Lake) -> None:
    dataset = _dataset(lake)
    dataset.add_columns(_lengths, name="score")
    with pytest.raises(NotFound, match="Did you mean 'score'"):
        dataset.drop_columns("scor")
    with pytest.raises(NotFound, match="part of the rows"):
        dataset.drop_columns("name")


def test_key_means_the_newest_row_where_later_rows_replace(lake: Lake) -> None:
    dataset = _dataset(lake, rule="replace")
    dataset.commit([{"id": 1, "name": "newer"}])
    dataset.add_columns([{"id": 1, "score": 5}])
    assert dataset.select(columns=["id", "score"], upto=1).to_arrow(["score"]).column(0).to_pylist() == [None] * 4
    assert sorted(dataset.select(columns=["id", "score"]).to_arrow(["score"]).column(0).to_pylist(), key=str) == [
        5,
        None,
        None,
        None,
    ]


def test_purge_erases_values_from_every_version_that_is_kept(lake: Lake) -> None:
    dataset = _dataset(lake)
    dataset.commit([{"id": 8, "name": "eight"}])
    dataset.add_columns([{"_id": f"1:{idx}", "score": f"secret {idx}"} for idx in range(4)])
    first = dataset.snapshot(columns=["id", "score"])
    dataset.add_columns([{"_id": "2:8", "score": "later"}])
    second = dataset.snapshot(columns=["id", "score"])
    dataset.add_columns([{"_id": "1:2", "score": "secret 2"}, {"_id": "1:0", "score": "x"}], replace=True)
    dataset.add_columns([{"_id": "1:2", "note": "secret 2"}])
    dataset.drop_columns("note")
    dataset.purge(keys=["1:2"])
    lake.gc(dry_run=False)
    assert lake.verify().ok
    for stat in lake.store.list(""):
        if stat.key.endswith(".parquet"):
            table = pq.read_table(pa.BufferReader(lake.store.get(stat.key)))
            assert "secret 2" not in str(table.to_pydict())
    again = headrace.connect(lake.uri).dataset("t")
    assert again.logged_snapshot(first.id).to_arrow(["score"]).column(0).to_pylist() == [
        "secret 0",
        "secret 1",
        "secret 3",
        None,
    ]
    assert again.logged_snapshot(second.id).to_arrow(["score"]).num_rows == 4


def test_compaction_merges_small_parts_of_added_columns(lake: Lake) -> None:
    dataset = _dataset(lake)
    for number in range(5, 9):
        dataset.commit([{"id": number, "name": "y" * number}])
        dataset.add_columns(_lengths, name="score")
    taken = dataset.snapshot(columns=["score"])
    manifest = dataset.added_columns[0].manifest
    assert len(dataset.column_reader(manifest).manifest.parts) == 4
    report = dataset.compact()
    assert (report.column_parts_before, report.column_parts_after) == (4, 1)
    new = dataset.column_reader(dataset.added_columns[0].manifest).manifest
    assert len(new.parts) == 1
    lake.gc(dry_run=False, grace_seconds=0)
    assert taken.to_arrow(["score"]).num_rows == 8
    assert lake.store.stat(dataset.base + part_key(new.parts[0].digest)) is not None
    assert lake.verify().ok


def test_verify_finds_a_damaged_sidecar(lake: Lake) -> None:
    dataset = _dataset(lake)
    dataset.add_columns(_lengths, name="score")
    part = dataset.column_reader(dataset.added_columns[0].manifest).manifest.parts[0]
    key = dataset.base + part_key(part.digest)
    data = bytearray(lake.store.get(key))
    data[20] ^= 1
    lake.store.delete(key)
    lake.store.put(key, bytes(data))
    assert [problem.code for problem in lake.verify().problems] == ["data-corrupted"]
