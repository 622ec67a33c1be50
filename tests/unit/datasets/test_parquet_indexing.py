"""What is found out about a Parquet file that is adopted, and how it is kept."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.datasets.indexed_cells import FOUND_CELLS_TYPE, indexed_cells, inputs_of_cells
from headrace.datasets.media import MediaHeader, MediaInput, ParquetCell
from headrace.datasets.parquet_indexing import ParquetIndexer, leaf_of_bytes
from headrace.errors import InvalidInput
from headrace.storage.containers import LocalContainer
from headrace.storage.digests import check_of, digest_hex, digest_of


def _probe(data: bytes, name: str) -> MediaHeader:
    if data == b"bad":
        raise InvalidInput("is no picture", file=name)
    return MediaHeader("text", width=len(data))


def _other_probe(data: bytes, name: str) -> MediaHeader:
    return MediaHeader()


@pytest.mark.parametrize(
    ("kind", "leaf"),
    [
        (pa.binary(), "x"),
        (pa.large_binary(), "x"),
        (pa.binary_view(), "x"),
        (pa.binary(4), "x"),
        (pa.dictionary(pa.int32(), pa.binary()), "x"),
        (pa.struct([("bytes", pa.binary()), ("path", pa.string())]), "x.bytes"),
        (pa.struct([("bytes", pa.large_binary())]), "x.bytes"),
        (pa.struct([("path", pa.string())]), None),
        (pa.struct([("bytes", pa.string()), ("path", pa.string())]), None),
        (pa.struct([("bytes", pa.binary()), ("size", pa.int64())]), None),
        (pa.list_(pa.binary()), None),
        (pa.string(), None),
        (pa.int64(), None),
    ],
    ids=str,
)
def test_columns_of_bytes_are_told_from_others(kind: pa.DataType, leaf: str | None) -> None:
    assert leaf_of_bytes(pa.field("x", kind)) == leaf


def _file(folder: Path) -> Path:
    path = folder / "a.parquet"
    table = pa.table({"x": [b"one", None, b"bad", b""], "y": ["a", "b", "c", None], "z": [b"kept"] * 4})
    pq.write_table(table, path, row_group_size=3)
    return path


def test_index_holds_all_but_the_bytes(tmp_path: Path) -> None:
    path = _file(tmp_path)
    indexer = ParquetIndexer({"x": _probe})
    index = indexer.index(LocalContainer(str(path)))
    assert index.digest == digest_hex(path.read_bytes())
    assert index.table.column("y").to_pylist() == ["a", "b", "c", None]
    assert index.table.column("z").to_pylist() == [b"kept"] * 4
    assert index.table.schema.field("x").type == FOUND_CELLS_TYPE
    again = indexer.decode(index.encoded())
    assert (again.table, again.digest) == (index.table, index.digest)
    cells = again.table.column("x").combine_chunks()
    found = list(inputs_of_cells(indexed_cells(cells, column="x", uri="file:///a", version="v"), name="a [x]"))
    assert found[1] is None
    assert isinstance(found[0], MediaInput)
    assert isinstance(found[2], MediaInput)
    assert isinstance(found[3], MediaInput)
    assert (found[0].uri, found[0].version, found[0].size) == ("file:///a", "v", 3)
    assert found[0].cell == ParquetCell(0, 0, "x")
    assert found[0].indexed is not None
    assert found[0].indexed[:3] == (digest_of(b"one"), check_of(b"one"), MediaHeader("text", 3))
    assert found[2].indexed is not None
    assert found[2].indexed.refusal == "is no picture"
    assert (found[3].cell, found[3].size) == (ParquetCell(1, 0, "x"), 0)


def test_index_is_named_by_version_columns_and_probe(tmp_path: Path) -> None:
    path = _file(tmp_path)
    before = LocalContainer(str(path))
    indexers = [ParquetIndexer({"x": _probe}), ParquetIndexer({"x": _other_probe}), ParquetIndexer({"z": _probe})]
    names = {indexer.name(before) for indexer in indexers}
    path.write_bytes(path.read_bytes() + b" ")
    names.add(indexers[0].name(LocalContainer(str(path))))
    assert len(names) == 4


def test_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path)
    listed = LocalContainer(str(path))
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(InvalidInput, match=r"a\.parquet: changed while it was adopted"):
        ParquetIndexer({"x": _probe}).index(listed)


def test_columns_that_parquet_cannot_tell_apart_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": [{"bytes": b"a", "path": "p"}], "x.bytes": [b"b"]}), path)
    with pytest.raises(InvalidInput, match=r"'x' cannot be told from the column 'x\.bytes'"):
        ParquetIndexer({"x": _probe}).index(LocalContainer(str(path)))
