"""Rows of stages for tests: a lake in a folder, tables put into it, and one run of SQL in every way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

import headrace
from headrace.curation.stage_rows import StagePart, StageRows, StageStore
from headrace.curation.table_stages.sql_stage import run_sql

__all__ = ["ROOM_BYTES", "open_stage_store", "put_rows", "run_everywhere"]

ROOM_BYTES = 4 << 30
"""More than any test needs."""


def open_stage_store(folder: Path) -> StageStore:
    return StageStore(headrace.connect(str(folder / "lake")), ["tests"])


def put_rows(stage_store: StageStore, table: pa.Table, *, part_rows: int = 65_536) -> StageRows:
    """Rows in parts of a size of their own, so that a small table has several."""
    parts: tuple[StagePart, ...] = ()
    for row_start in range(0, table.num_rows, part_rows):
        parts += stage_store.write(table.slice(row_start, part_rows)).parts
    return StageRows(table.schema, parts)


def run_everywhere(
    stage_store: StageStore,
    inputs: Mapping[str, StageRows],
    *,
    sql: str,
    key: Sequence[str],
    scratch: Path,
    num_partitions: Sequence[int | None] = (None, 2, 5),
) -> pa.Table:
    """The result, the same whole and in partitions."""
    found: dict[int | None, StageRows] = {}
    for number in num_partitions:
        found[number] = run_sql(
            stage_store,
            inputs,
            sql=sql,
            key=key,
            memory_bytes=ROOM_BYTES,
            num_workers=1 if number is None else 2,
            scratch=scratch,
            num_partitions=number,
        )
    tables = {number: stage_store.table(rows) for number, rows in found.items()}
    first = next(iter(tables.values()))
    for number, rows in found.items():
        assert tables[number].equals(first), f"{number} partitions: {tables[number].to_pylist()} != {first.to_pylist()}"
        assert rows.content_id == found[num_partitions[0]].content_id, number
    return first
