"""A table operator over stage rows: few columns in memory, by partitions of its key, rows in their order."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from headrace.curation.registry import find_operator
from headrace.curation.stage_rows import StageStore
from headrace.curation.table_stages.table_operator_stage import run_table_operator
from headrace.curation.table_stages.table_result import TableResult
from headrace.errors import InvalidInput
from tests.stage_lakes import ROOM_BYTES, open_stage_store, put_rows

NUM_ROWS = 3_000
TABLE = pa.table(
    {
        "extra": [f"unread {number}" for number in range(NUM_ROWS)],
        "_id": [f"r{number * 7 % NUM_ROWS:04d}" for number in range(NUM_ROWS)],
        "group": [None if number % 101 == 0 else f"g{number % 400}" for number in range(NUM_ROWS)],
        "score": [float(number * 13 % 997) for number in range(NUM_ROWS)],
    }
)


def _run(
    store: StageStore, tmp_path: Path, name: str, settings: dict[str, object], *, memory_bytes: int = ROOM_BYTES
) -> TableResult:
    spec = find_operator(name).spec
    scratch = tmp_path / "scratch"
    try:
        return run_table_operator(
            store,
            put_rows(store, TABLE, part_rows=700),
            spec=spec,
            settings=spec.bind(settings),
            memory_bytes=memory_bytes,
            scratch=scratch,
        )
    finally:
        assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("exact.duplicates", {"by": ["group"], "order": ["score"]}),
        ("select.top_k", {"by": "score", "k": 2, "per": ["group"]}),
    ],
)
def test_partitions_of_the_key_give_what_the_whole_table_gives(
    tmp_path: Path, name: str, settings: dict[str, object]
) -> None:
    store = open_stage_store(tmp_path)
    whole = _run(store, tmp_path, name, settings)
    parted = _run(store, tmp_path, name, settings, memory_bytes=40_000)
    assert parted.rows.content_id == whole.rows.content_id
    assert parted.dropped.content_id == whole.dropped.content_id
    assert whole.rows.num_rows + whole.dropped.num_rows == whole.num_in == NUM_ROWS
    assert whole.dropped.num_rows > 0


def test_rows_keep_order_and_columns_and_get_the_outputs(tmp_path: Path) -> None:
    store = open_stage_store(tmp_path)
    found = _run(store, tmp_path, "exact.duplicates", {"by": ["group"]})
    kept = store.table(found.rows)
    assert kept.column_names == ["extra", "_id", "group", "score", "duplicate_of"]
    ids = TABLE.column("_id").to_pylist()
    positions = [ids.index(each) for each in kept.column("_id").to_pylist()]
    assert positions == sorted(positions)
    record = store.table(found.dropped).to_pylist()[0]
    assert record["reason"].startswith("duplicate of r")


def test_rowwise_operator_runs_part_by_part(tmp_path: Path) -> None:
    store = open_stage_store(tmp_path)
    found = _run(store, tmp_path, "select.where", {"where": "score < 500"})
    assert found.rows.num_rows == sum(score < 500 for score in TABLE.column("score").to_pylist())


def test_wrong_use_is_refused(tmp_path: Path) -> None:
    store = open_stage_store(tmp_path)
    spec = find_operator("select.top_k").spec
    settings = spec.bind({"by": "score", "k": 1})
    for table, message in (
        (TABLE.drop_columns(["_id"]), "no column '_id'"),
        (TABLE.append_column("rank", pa.array([0] * NUM_ROWS)), "rename that first"),
        (TABLE.drop_columns(["score"]), "score"),
    ):
        with pytest.raises(InvalidInput, match=message):
            run_table_operator(
                store,
                put_rows(store, table),
                spec=spec,
                settings=settings,
                memory_bytes=ROOM_BYTES,
                scratch=tmp_path,
            )
    with pytest.raises(InvalidInput, match="needs a table operator"):
        run_table_operator(
            store,
            put_rows(store, TABLE),
            spec=find_operator("text.length").spec,
            settings={},
            memory_bytes=ROOM_BYTES,
            scratch=tmp_path,
        )
