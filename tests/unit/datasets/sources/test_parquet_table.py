"""Parquet as a source."""

from __future__ import annotations

from pathlib import Path

import blake3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.datasets.sources.opening import open_source
from headrace.errors import InvalidInput, NotFound


def test_rows_come_in_order_with_their_types(tmp_path: Path) -> None:
    table = pa.table({"id": list(range(10_000)), "data": [bytes([idx % 256]) * 3 for idx in range(10_000)]})
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, row_group_size=999)
    source = open_source(path, csv_has_header=True)
    assert source.kind == "table"
    assert source.num_rows == 10_000
    batches = list(source.batches())
    assert pa.Table.from_batches([batch.table for batch in batches]).equals(table)
    starts = [batch.row_start for batch in batches]
    assert starts == sorted(starts)
    assert starts[1] == batches[0].table.num_rows
    assert source.origins[0].digest == blake3.blake3(path.read_bytes()).hexdigest()
    assert source.origins[0].size == path.stat().st_size


def test_wide_rows_come_in_small_batches(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"data": [bytes(1 << 20) for _ in range(64)]}), path, compression="none", use_dictionary=False
    )
    source = open_source(path, csv_has_header=True)
    assert source.kind == "table"
    assert max(batch.table.num_rows for batch in source.batches()) <= 32


@pytest.mark.parametrize("data", [b"", b"PAR1", b"no parquet at all" * 9])
def test_file_that_is_no_parquet_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(data)
    with pytest.raises(InvalidInput) as caught:
        open_source(path, csv_has_header=True)
    assert caught.value.file == str(path)


def test_damage_anywhere_is_a_typed_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"a": list(range(300)), "b": [str(idx) for idx in range(300)]}), path, write_page_checksum=True
    )
    data = path.read_bytes()
    for position in range(0, len(data), 17):
        changed = bytearray(data)
        changed[position] ^= 0xFF
        path.write_bytes(changed)
        file: str | None = str(path)
        try:
            source = open_source(path, csv_has_header=True)
            assert source.kind == "table"
            list(source.batches())
        except InvalidInput as error:
            file = error.file
        assert file == str(path)


def test_table_without_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": pa.array([], pa.int8())}), path)
    with pytest.raises(InvalidInput, match="without rows"):
        open_source(path, csv_has_header=True)


def test_file_that_vanishes_is_not_found(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    source = open_source(path, csv_has_header=True)
    assert source.kind == "table"
    path.unlink()
    with pytest.raises(NotFound):
        list(source.batches())
