"""Values inside Parquet objects: decoded once, within a limit, and refused when they are others."""

from __future__ import annotations

import io
import os
import random
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.errors import DataCorrupted, NotFound
from headrace.storage import parquet_cells
from headrace.storage.local import LocalStore
from headrace.storage.parquet_cells import CellChunk, CellLimits, ParquetCells
from headrace.storage.store import Range

_PAIR = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


class _CountingStore(LocalStore):
    """Notes the ranges that are asked for."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.ranges: list[Range] = []

    def get_ranges(self, key: str, ranges: Sequence[Range]) -> list[bytes]:
        self.ranges.extend(ranges)
        return super().get_ranges(key, ranges)


def _values(num_rows: int, *, num_bytes: int = 300, seed: int = 1) -> list[bytes]:
    randomness = random.Random(seed)
    return [randomness.randbytes(randomness.randrange(num_bytes)) for _ in range(num_rows)]


def _written(root: Path, column: pa.Array, **options: Any) -> _CountingStore:
    root.mkdir(exist_ok=True)
    other = pa.array(["x" * 50] * len(column))
    pq.write_table(pa.table({"before": other, "image": column, "after": other}), root / "a.parquet", **options)
    return _CountingStore(root)


def _chunk(store: LocalStore, row_group: int = 0, column: str = "image") -> CellChunk:
    stat = store.stat("a.parquet")
    assert stat is not None
    return CellChunk("a.parquet", stat.version, stat.size, row_group, column)


def _read(
    cells: ParquetCells, store: LocalStore, chunk: CellChunk, rows: Sequence[int], sizes: Sequence[int]
) -> list[bytes]:
    targets = [bytearray(size) for size in sizes]
    cells.read_into(store, chunk, rows=rows, targets=[memoryview(target) for target in targets])
    return [bytes(target) for target in targets]


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
@pytest.mark.parametrize("use_dictionary", [True, False])
@pytest.mark.parametrize("page_version", ["1.0", "2.0"])
def test_values_come_as_they_were_written(
    tmp_path: Path, compression: str, use_dictionary: bool, page_version: str
) -> None:
    values = _values(20) * 5
    store = _written(
        tmp_path,
        pa.array(values),
        compression=compression,
        use_dictionary=use_dictionary,
        data_page_version=page_version,
        data_page_size=500,
        row_group_size=40,
    )
    cells = ParquetCells()
    for group, start in enumerate(range(0, 100, 40)):
        rows = range(min(40, 100 - start))
        expected = values[start : start + len(rows)]
        assert _read(cells, store, _chunk(store, group), rows, [len(value) for value in expected]) == expected


@pytest.mark.parametrize(
    "kind",
    [
        pa.binary(),
        pa.large_binary(),
        pa.binary_view(),
        pa.binary(7),
        pa.dictionary(pa.int32(), pa.binary()),
    ],
    ids=str,
)
def test_every_arrow_type_of_bytes_is_read(tmp_path: Path, kind: pa.DataType) -> None:
    values = [b"abcdefg", b"hijklmn", b"abcdefg"]
    plain = pa.array(values, pa.binary())
    column = plain.dictionary_encode() if pa.types.is_dictionary(kind) else plain.cast(kind)
    store = _written(tmp_path, column)
    assert _read(ParquetCells(), store, _chunk(store), [0, 1, 1, 2], [7] * 4) == [values[0], values[1], *values[1:]]


def test_bytes_of_pairs_are_read_without_their_neighbours(tmp_path: Path) -> None:
    values = _values(9)
    pairs: list[dict[str, object] | None] = [{"bytes": value, "path": f"{idx}.png"} for idx, value in enumerate(values)]
    pairs[4] = None
    store = _written(tmp_path, pa.array(pairs, _PAIR))
    chunk = _chunk(store, column="image.bytes")
    assert _read(ParquetCells(), store, chunk, [3, 5], [len(values[3]), len(values[5])]) == [values[3], values[5]]


def test_neighbouring_rows_decode_their_group_once_and_fetch_no_other_column(tmp_path: Path) -> None:
    values = _values(100)
    store = _written(tmp_path, pa.array(values), row_group_size=50, compression="none", use_dictionary=False)
    cells = ParquetCells()
    footer = pq.read_metadata(tmp_path / "a.parquet")
    for row in [*range(50), *range(49, -1, -1)]:
        assert _read(cells, store, _chunk(store, 1), [row], [len(values[50 + row])]) == [values[50 + row]]
    column = footer.row_group(1).column(1)
    chunks = [item for item in store.ranges if item[1] < (tmp_path / "a.parquet").stat().st_size]
    assert chunks == [(column.data_page_offset, column.data_page_offset + column.total_compressed_size)]


def test_more_than_the_limit_is_decoded_again(tmp_path: Path) -> None:
    values = _values(200)
    store = _written(tmp_path, pa.array(values), compression="none", use_dictionary=False)
    small = ParquetCells(limits=CellLimits(kept=5_000, window=2_000))
    large = ParquetCells(limits=CellLimits(window=2_000))
    order = list(range(200)) + random.Random(2).sample(range(200), 50)
    for cells in (small, large):
        store.ranges.clear()
        for row in order:
            assert _read(cells, store, _chunk(store), [row], [len(values[row])]) == [values[row]]
        if cells is large:
            assert len(store.ranges) == 2  # footer and chunk
        else:
            assert len(store.ranges) > 10
    assert small._window_bytes <= 5_000


def test_large_chunks_are_fetched_in_pieces(tmp_path: Path) -> None:
    cells = ParquetCells(limits=CellLimits(whole=10_000, piece=4_000, window=3_000))
    values = _values(300)
    store = _written(
        tmp_path, pa.array(values), compression="none", use_dictionary=False, data_page_size=1_000, write_batch_size=8
    )
    rows = list(range(0, 300, 3))
    expected = [values[row] for row in rows]
    assert _read(cells, store, _chunk(store), rows, [len(value) for value in expected]) == expected
    assert len(store.ranges) > 5


def test_many_threads_decode_a_group_once(tmp_path: Path) -> None:
    values = _values(400)
    store = _written(tmp_path, pa.array(values), row_group_size=200)
    cells = ParquetCells()
    failures: list[BaseException] = []

    def read(seed: int) -> None:
        try:
            for row in random.Random(seed).sample(range(400), 100):
                chunk = _chunk(store, row // 200)
                assert _read(cells, store, chunk, [row % 200], [len(values[row])]) == [values[row]]
        except BaseException as error:
            failures.append(error)

    _read(cells, store, _chunk(store), [0], [len(values[0])])  # the footer
    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(store.ranges) == 3


@pytest.mark.parametrize(
    ("row_group", "column", "row", "size", "message"),
    [
        (1, "image", 0, 3, "it has 1 row groups, and number 1 is asked"),
        (0, "picture", 0, 3, "it has no column 'picture'"),
        (0, "image", 9, 3, "row 9 is not the value of 3 bytes"),
        (0, "image", 5000, 3, "fewer rows"),
        (0, "image", 1, 4, "row 1 is not the value of 4 bytes"),
    ],
)
def test_values_that_are_not_there_are_named(
    tmp_path: Path, row_group: int, column: str, row: int, size: int, message: str
) -> None:
    store = _written(tmp_path, pa.array([b"abc"] * 3))
    with pytest.raises(DataCorrupted, match=message):
        _read(ParquetCells(), store, _chunk(store, row_group, column), [row], [size])


def test_damaged_objects_are_named(tmp_path: Path) -> None:
    values = _values(50)
    store = _written(tmp_path, pa.array(values), compression="zstd", use_dictionary=False)
    chunk, path = _chunk(store), tmp_path / "a.parquet"
    whole = path.read_bytes()
    column = pq.read_metadata(path).row_group(0).column(1)
    start = column.data_page_offset
    path.write_bytes(whole[: start + 4] + os.urandom(60) + whole[start + 64 :])
    with pytest.raises(DataCorrupted, match=r"a\.parquet does not hold what was adopted in place"):
        _read(ParquetCells(), store, chunk, [0], [len(values[0])])
    path.write_bytes(whole[:-9] + b"123456789")
    with pytest.raises(DataCorrupted, match="no readable Parquet file"):
        _read(ParquetCells(), store, chunk, [0], [len(values[0])])
    path.write_bytes(whole[:100])
    with pytest.raises(DataCorrupted):
        _read(ParquetCells(), store, chunk, [0], [len(values[0])])
    path.unlink()
    with pytest.raises(NotFound):
        _read(ParquetCells(), store, chunk, [0], [len(values[0])])


def test_an_error_does_not_stay(tmp_path: Path) -> None:
    values = _values(50)
    store = _written(tmp_path, pa.array(values))
    cells, chunk = ParquetCells(), _chunk(store)
    _read(cells, store, chunk._replace(row_group=0), [0], [len(values[0])])
    cells = ParquetCells()
    path = tmp_path / "a.parquet"
    data = path.read_bytes()
    path.unlink()
    with pytest.raises(NotFound):
        _read(cells, store, chunk, [0], [len(values[0])])
    path.write_bytes(data)
    assert _read(cells, store, chunk, [7], [len(values[7])]) == [values[7]]


def test_empty_values_take_no_bytes(tmp_path: Path) -> None:
    store = _written(tmp_path, pa.array([b"", b"x", b""]))
    assert _read(ParquetCells(), store, _chunk(store), [0, 1, 2], [0, 1, 0]) == [b"", b"x", b""]


def test_file_reads_like_any_other(tmp_path: Path) -> None:
    store = _written(tmp_path, pa.array([b"abc"]))
    file = parquet_cells._Ranges(store, _chunk(store))
    whole = (tmp_path / "a.parquet").read_bytes()
    assert file.seek(-8, io.SEEK_END) == file.tell() == len(whole) - 8
    assert file.read() + file.read(4) == whole[-8:]
    file.seek(2)
    file.seek(3, io.SEEK_CUR)
    assert file.read(4) == whole[5:9]
