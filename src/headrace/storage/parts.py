"""Parts: the columns of a commit's rows in Parquet, immutable, named by the digest of their bytes.

A part is read whole and verified once, then kept: it holds locators instead of media, so it is small.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.errors import DataCorrupted
from headrace.storage.digests import digest_hex, require_digest
from headrace.storage.store import ObjectStore

__all__ = ["PartCache", "PartRecord", "part_key", "read_part", "write_part"]

ROW_GROUP_ROWS = 8_192
_CACHE_BYTES = 256 * 1024 * 1024
_FOOTER_BYTES = 40_000
"""Memory of one parsed footer, measured with ten columns: of ten thousand tiny parts it is most of what they take."""
_THREADED_ROWS = 50_000
_COLUMN_BYTES = 1_000  # memory of one decoded column beside its values


@dataclass(frozen=True, slots=True)
class PartRecord:
    """One written part."""

    digest: str  # BLAKE3 hex of the file
    size: int  # bytes
    num_rows: int


def part_key(digest: str) -> str:
    """Key of a part below its dataset."""
    return f"objects/{digest[:2]}/{digest}.parquet"


def write_part(
    store: ObjectStore,
    base: str,
    *,
    table: pa.Table,
    row_group_rows: int = ROW_GROUP_ROWS,
    distinct: Collection[str] = (),
    keeps_existing: bool = False,
    statistics: bool = True,
) -> PartRecord:
    """Write the rows as one durable part; `keeps_existing` leaves the same part alone where it is there.

    `statistics` are what readers skip row groups by. They know nothing of NaN, so a reader that trusts them for
    comparisons, as DuckDB does, must not get any.

    A dictionary of values that hardly repeat costs time and room, so the columns named `distinct` (as Parquet names
    them: "image.digest") have none.
    """
    dictionaries: bool | list[str] = True
    if distinct:
        dictionaries = [path for path in _leaf_paths(table.schema) if path not in distinct]
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        row_group_size=row_group_rows,
        write_page_checksum=True,
        use_dictionary=dictionaries,
        write_statistics=statistics,
    )
    data = memoryview(sink.getvalue())
    digest = digest_hex(data)
    key = base + part_key(digest)
    if not keeps_existing or store.stat(key) is None:
        store.put(key, data)
    return PartRecord(digest, len(data), table.num_rows)


def read_part(store: ObjectStore, base: str, *, part: PartRecord, names: Sequence[str] | None = None) -> pa.Table:
    """Columns of a part that is read once, with one chunk each, in the order asked; names that the part lacks are left
    out, None gives all.

    Raises:
        DataCorrupted: The object is not the one that was written.
    """
    _, file = _open(store, base + part_key(part.digest), part)
    known = file.schema_arrow.names
    wanted = known if names is None else [name for name in names if name in known]
    return file.read(columns=wanted, use_threads=part.num_rows > _THREADED_ROWS).combine_chunks()


def _leaf_paths(schema: pa.Schema) -> list[str]:
    """How Parquet names the columns."""
    sink = pa.BufferOutputStream()
    pq.write_metadata(schema, sink)
    columns = pq.read_metadata(pa.BufferReader(sink.getvalue())).schema
    return [columns.column(idx).path for idx in range(len(columns))]


def _open(store: ObjectStore, key: str, part: PartRecord) -> tuple[bytes, pq.ParquetFile]:
    name = f"{store.uri}/{key}"
    data = store.get(key)
    require_digest(data, part.digest, name=name)
    try:
        return data, pq.ParquetFile(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        raise DataCorrupted(f"{name} is no Parquet file although its digest is right: {error}") from error


class _VerifiedPart:
    """The bytes of a part whose digest was compared, and what its footer says."""

    def __init__(self, data: bytes, file: pq.ParquetFile) -> None:
        self._data = data
        self._metadata = file.metadata
        self.schema: pa.Schema = file.schema_arrow

    def read(self, names: Sequence[str]) -> pa.Table:
        """Columns with one chunk each. Each call has a reader of its own: Arrow's is not safe to share by threads."""
        file = pq.ParquetFile(pa.BufferReader(self._data), metadata=self._metadata)
        return file.read(columns=list(names), use_threads=self._metadata.num_rows > _THREADED_ROWS).combine_chunks()


class PartCache:
    """Verified parts and decoded columns, the least recently used dropped above a byte limit. Thread-safe."""

    def __init__(self, *, limit_bytes: int = _CACHE_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[tuple[str, str], tuple[object, int]] = OrderedDict()
        self._bytes = 0

    def columns(self, store: ObjectStore, base: str, *, part: PartRecord, names: Sequence[str]) -> pa.Table:
        """The named columns of a part, in the order asked; names that the part lacks are left out.

        Raises:
            DataCorrupted: The object is not the one that was written.
        """
        key = base + part_key(part.digest)
        scope = f"{store.uri}/{key}"
        reader = self._get(scope, "")
        if reader is None:
            file = _VerifiedPart(*_open(store, key, part))
            self._put(scope, "", file, part.size + _FOOTER_BYTES)
        else:
            file = cast(_VerifiedPart, reader)
        available = set(file.schema.names)
        found: dict[str, pa.ChunkedArray] = {}
        missing: list[str] = []
        for name in names:
            if name not in available:
                continue
            column = self._get(scope, name)
            if column is None:
                missing.append(name)
            found[name] = column
        if missing:
            table = file.read(missing)
            for name in missing:
                found[name] = table.column(name)
                self._put(scope, name, found[name], found[name].nbytes + _COLUMN_BYTES)
        fields = [file.schema.field(name) for name in found]
        if not fields:
            return pa.table({"": pa.nulls(part.num_rows)}).select([])
        return pa.table(list(found.values()), schema=pa.schema(fields))

    def _get(self, scope: str, name: str) -> object | None:
        with self._lock:
            entry = self._entries.get((scope, name))
            if entry is None:
                return None
            self._entries.move_to_end((scope, name))
            return entry[0]

    def _put(self, scope: str, name: str, value: object, size: int) -> None:
        with self._lock:
            if (scope, name) not in self._entries:
                self._bytes += size
            self._entries[scope, name] = (value, size)
            while self._bytes > self._limit_bytes and len(self._entries) > 1:
                _, (_, dropped) = self._entries.popitem(last=False)
                self._bytes -= dropped
