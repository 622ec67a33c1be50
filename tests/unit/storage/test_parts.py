"""Parts: columns in Parquet, verified and kept."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.errors import DataCorrupted, NotFound
from headrace.storage.digests import digest_hex
from headrace.storage.parts import PartCache, PartRecord, part_key, write_part
from tests.scripted_store import ScriptedStore

_TABLE = pa.table(
    {
        "text": pa.array([f"row {idx}" if idx % 5 else None for idx in range(1000)]),
        "number": pa.array(range(1000), pa.int32()),
        "labels": pa.array([[str(idx % 3)] for idx in range(1000)], pa.list_(pa.string())),
    }
)


def _written() -> tuple[ScriptedStore, PartRecord]:
    store = ScriptedStore()
    return store, write_part(store, "d/", table=_TABLE, row_group_rows=300)


def test_part_is_parquet_under_its_digest() -> None:
    store, part = _written()
    data = store.get("d/" + part_key(part.digest))
    assert part == PartRecord(digest_hex(data), len(data), 1000)
    assert part_key(part.digest) == f"objects/{part.digest[:2]}/{part.digest}.parquet"
    file = pq.ParquetFile(io.BytesIO(data))
    assert file.read().equals(_TABLE)
    assert file.metadata.num_row_groups == 4
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"


def test_same_table_is_the_same_part() -> None:
    store, part = _written()
    assert write_part(store, "d/", table=_TABLE, row_group_rows=300) == part
    assert len(store.contents()) == 1


def test_columns_come_in_the_order_asked_and_unknown_ones_are_left_out() -> None:
    store, part = _written()
    cache = PartCache()
    found = cache.columns(store, "d/", part=part, names=["number", "nothing", "text"])
    assert found.equals(_TABLE.select(["number", "text"]))
    assert all(column.num_chunks == 1 for column in found.columns)
    nothing = cache.columns(store, "d/", part=part, names=["nothing"])
    assert (nothing.num_rows, nothing.num_columns) == (1000, 0)


def test_part_is_read_once() -> None:
    store, part = _written()
    cache = PartCache()
    for names in (["text"], ["number"], ["text", "number"], ["labels", "text"]):
        assert cache.columns(store, "d/", part=part, names=names).equals(_TABLE.select(names))
    assert store.calls["get"] == 1


def test_small_cache_reads_again_and_stays_right() -> None:
    store, part = _written()
    other = write_part(store, "d/", table=_TABLE.slice(0, 10))
    cache = PartCache(limit_bytes=1)
    for _ in range(3):
        assert cache.columns(store, "d/", part=part, names=["text"]).equals(_TABLE.select(["text"]))
        assert cache.columns(store, "d/", part=other, names=["text"]).equals(_TABLE.select(["text"]).slice(0, 10))
    assert store.calls["get"] == 6


@pytest.mark.parametrize("bit", [0, 1001, 40_000, 8 * 6000 + 3, -1])
def test_flipped_bit_is_found_and_the_part_named(bit: int) -> None:
    store, part = _written()
    key = "d/" + part_key(part.digest)
    store.flip_bit(key, bit)
    with pytest.raises(DataCorrupted, match=key):
        PartCache().columns(store, "d/", part=part, names=["text"])


def test_other_bytes_under_a_right_digest_are_no_part() -> None:
    store = ScriptedStore()
    data = b"PAR1 no parquet"
    part = PartRecord(digest_hex(data), len(data), 1)
    store.replace(part_key(part.digest), data)
    with pytest.raises(DataCorrupted, match="no Parquet file although its digest is right"):
        PartCache().columns(store, "", part=part, names=["text"])


def test_missing_part_is_not_found() -> None:
    store, part = _written()
    store.delete("d/" + part_key(part.digest))
    with pytest.raises(NotFound, match=part.digest):
        PartCache().columns(store, "d/", part=part, names=["text"])


@pytest.mark.parametrize("limit_bytes", [1, 20_000, 1 << 30])
def test_threads_share_a_cache(limit_bytes: int) -> None:
    store, part = _written()
    others = [write_part(store, "d/", table=_TABLE.slice(0, size)) for size in (100, 200, 300)]
    cache = PartCache(limit_bytes=limit_bytes)
    names = _TABLE.column_names

    def read(idx: int) -> bool:
        chosen = [part, *others][idx % 4]
        wanted = [names[idx % 3], names[(idx + 1) % 3]]
        expected = _TABLE.slice(0, chosen.num_rows).select(wanted)
        return bool(cache.columns(store, "d/", part=chosen, names=wanted).equals(expected))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(200)))
