"""Row groups that threads decode come in order, whatever their number, size and files."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import blake3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.datasets.sources.opening import open_source
from headrace.datasets.sources.source import TableSource
from headrace.errors import InvalidInput
from headrace.streaming.parquet_row_groups import parquet_tables, read_ahead


def _write(path: Path, *, first: int, num_rows: int, row_group_rows: int) -> str:
    rows = np.arange(first, first + num_rows)
    table = pa.table({"n": rows, "text": [f"text {row} " * (row % 7) for row in rows.tolist()]})
    pq.write_table(table, path, row_group_size=row_group_rows)
    return str(path)


def _open(paths: Sequence[str]) -> TableSource:
    return cast("TableSource", open_source(list(paths), csv_has_header=True))


def _rows(source: TableSource) -> list[tuple[int, int, dict[str, object]]]:
    """(file, row of the file, values) of each row."""
    return [
        (batch.origin_idx, batch.row_start + idx, row)
        for batch in source.batches()
        for idx, row in enumerate(batch.table.to_pylist())
    ]


@pytest.mark.parametrize("held_bytes", [0, 1 << 30])
def test_rows_and_digests_are_those_of_the_files_in_order(tmp_path: Path, held_bytes: int) -> None:
    """With room for nothing, each group waits for its turn."""
    paths = [
        _write(tmp_path / f"{idx}.parquet", first=idx * 10_000, num_rows=num_rows, row_group_rows=group_rows)
        for idx, (num_rows, group_rows) in enumerate([(5_000, 100), (1, 1), (3_000, 3_000), (2_500, 999)])
    ]
    for chosen in (paths, paths[:1]):
        expected = _rows(_open(chosen))
        with read_ahead(_open(chosen), held_bytes=held_bytes) as source:
            assert _rows(source) == expected
            digests = [blake3.blake3(Path(path).read_bytes()).hexdigest() for path in chosen]
            assert [origin.digest for origin in source.origins] == digests
            assert [origin.size for origin in source.origins] == [Path(path).stat().st_size for path in chosen]


def test_damage_of_the_last_row_group_is_raised_after_the_rows_before(tmp_path: Path) -> None:
    path = Path(_write(tmp_path / "t.parquet", first=0, num_rows=3_000, row_group_rows=1_000))
    footer = pq.read_metadata(path)
    start = footer.row_group(2).column(1).dictionary_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + 40] = b"\xff" * 40
    path.write_bytes(content)
    with read_ahead(_open([str(path)])) as source:
        batches = source.batches()
        assert [next(batches).table.num_rows for _ in range(2)] == [1_000, 1_000]
        with pytest.raises(InvalidInput, match=r"t\.parquet: no readable Parquet file"):
            next(batches)


def test_leaving_early_ends_the_threads(tmp_path: Path) -> None:
    path = _write(tmp_path / "t.parquet", first=0, num_rows=50_000, row_group_rows=100)
    with read_ahead(_open([path]), held_bytes=0) as source:
        next(iter(source.batches()))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("headrace-rows")]


def test_other_sources_are_read_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"n": 1}\n')
    source = _open([str(tmp_path / "t.jsonl")])
    assert parquet_tables(source) is None
    with read_ahead(source) as same:
        assert same is source
