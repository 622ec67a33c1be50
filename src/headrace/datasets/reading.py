"""Reads rows of commits by address: columns from parts, media by locator, every byte verified."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from headrace.datasets.columns import media_kind
from headrace.datasets.manifests import CommitManifest, read_document
from headrace.datasets.narrow import media_view
from headrace.datasets.state import CommitRecord
from headrace.errors import DataCorrupted
from headrace.storage.opening import open_location
from headrace.storage.parts import PartCache
from headrace.storage.shards import shard_key
from headrace.storage.store import ObjectStore

__all__ = ["CommitReader", "DatasetReader", "Ordinals"]

Ordinals = np.ndarray
"""Row numbers within a commit, int64, [num_rows]."""

_RUN = 32
"""Values that are read and then verified while they are still in the processor's cache; in a remote store a run is as
long as it can be, so that neighbouring ranges are fetched together."""


@dataclass(frozen=True, slots=True)
class _Container:
    """A shard of the lake (uri None) or an adopted object."""

    key: str
    uri: str | None = None
    version: str | None = None


class DatasetReader:
    """Everything that reads a dataset's objects; shared by all its snapshots. Thread-safe."""

    def __init__(self, store: ObjectStore, base: str, *, cache: PartCache) -> None:
        self.store = store
        self.base = base
        self._cache = cache
        self._lock = threading.Lock()
        self._commits: dict[str, CommitReader] = {}
        self._adopted: dict[str, tuple[ObjectStore, str, str]] = {}

    def commit(self, record: CommitRecord) -> CommitReader:
        """The reader of one commit; its manifest is read and verified once."""
        with self._lock:
            reader = self._commits.get(record.manifest)
        if reader is None:
            manifest = CommitManifest.from_json(read_document(self.store, self.base, digest=record.manifest))
            reader = CommitReader(self.store, self.base, manifest=manifest, cache=self._cache)
            with self._lock:
                reader = self._commits.setdefault(record.manifest, reader)
        return reader

    def media(
        self,
        locators: Sequence[pa.StructArray],
        manifests: Sequence[CommitManifest],
        *,
        order: np.ndarray | None = None,
        verify: bool = True,
    ) -> pa.Array:
        """The bytes of media values as one large binary array.

        Args:
            locators: One array of locators for each run of rows.
            manifests: The commit that each run belongs to.
            order: Permutation of all rows, [num_rows]; None keeps them as they come.
            verify: Compare each value with its check; switched off only to measure what it costs.

        Raises:
            DataCorrupted: Bytes differ from what was written, or an adopted object changed.
        """
        containers: dict[_Container, int] = {}
        container_idx, offsets, sizes, checks, present = self._places(locators, manifests, containers)
        if order is not None:
            container_idx, offsets, sizes = container_idx[order], offsets[order], sizes[order]
            checks, present = checks[order], present[order]
        num_rows = len(container_idx)
        values: list[bytes] = [b""] * num_rows
        by_place = np.lexsort((offsets, container_idx))  # [num_rows]
        by_place = by_place[present[by_place]]
        if len(by_place):
            edges = np.flatnonzero(np.diff(container_idx[by_place])) + 1
            names = list(containers)
            for rows in np.split(by_place, edges):
                container = names[int(container_idx[rows[0]])]
                for start in range(0, len(rows), _RUN if self.store.is_local else len(rows)):
                    run = rows[start : start + _RUN] if self.store.is_local else rows
                    starts = offsets[run]
                    found = self._read(
                        container, list(zip(starts.tolist(), (starts + sizes[run]).tolist(), strict=True))
                    )
                    if verify:
                        self._verify(container, found, checks[run], starts)
                    for row, data in zip(run.tolist(), found, strict=True):
                        values[row] = data
        return _large_binary(values, sizes, present)

    def _places(
        self,
        locators: Sequence[pa.StructArray],
        manifests: Sequence[CommitManifest],
        containers: dict[_Container, int],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        container_idx: list[np.ndarray] = []
        offsets: list[np.ndarray] = []
        sizes: list[np.ndarray] = []
        checks: list[np.ndarray] = []
        present: list[np.ndarray] = []
        for array, manifest in zip(locators, manifests, strict=True):
            shard = pc.struct_field(array, "shard")
            shards = shard.fill_null(-1).to_numpy(zero_copy_only=False)  # [num_rows]
            table = np.array(
                [containers.setdefault(_Container(shard_key(item.digest)), len(containers)) for item in manifest.shards]
                or [0],
                dtype=np.int64,
            )
            idx = table[np.maximum(shards, 0)]
            if shard.null_count:
                idx = idx.copy()
                uris = pc.struct_field(array, "uri").to_pylist()
                versions = pc.struct_field(array, "version").to_pylist()
                for row in np.flatnonzero(shards < 0).tolist():
                    if uris[row] is not None:
                        container = _Container("", uris[row], versions[row])
                        idx[row] = containers.setdefault(container, len(containers))
            container_idx.append(idx)
            size = pc.struct_field(array, "size")
            present.append(size.is_valid().to_numpy(zero_copy_only=False))
            sizes.append(size.fill_null(0).to_numpy(zero_copy_only=False))
            offsets.append(pc.struct_field(array, "offset").fill_null(0).to_numpy(zero_copy_only=False))
            checks.append(_fixed_bytes(pc.struct_field(array, "check"), 16))
        if not locators:
            empty = np.zeros(0, dtype=np.int64)
            return empty, empty, empty, np.zeros((0, 16), dtype=np.uint8), np.zeros(0, dtype=bool)
        return (
            np.concatenate(container_idx),
            np.concatenate(offsets),
            np.concatenate(sizes),
            np.concatenate(checks),
            np.concatenate(present),
        )

    def _read(self, container: _Container, ranges: list[tuple[int, int]]) -> list[bytes]:
        if container.uri is None:
            return self.store.get_ranges(self.base + container.key, ranges)
        with self._lock:
            known = self._adopted.get(container.uri)
        if known is None:
            store, key = open_location(container.uri)
            stat = store.stat(key)
            if stat is None:
                raise DataCorrupted(
                    f"{container.uri} was adopted in place and is gone; restore it, or delete the commit"
                )
            known = (store, key, stat.version)
            with self._lock:
                self._adopted[container.uri] = known
        store, key, version = known
        if container.version is not None and version != container.version:
            raise DataCorrupted(
                f"{container.uri} was adopted in place and changed since (version {version}, pinned "
                f"{container.version}); restore "
                "the object, or commit it again"
            )
        return store.get_ranges(key, ranges)

    def _verify(self, container: _Container, values: list[bytes], checks: np.ndarray, starts: np.ndarray) -> None:
        expected = checks.tobytes()
        found = b"".join(map(xxhash.xxh3_128_digest, values))
        if found == expected:
            return
        for idx, value in enumerate(values):
            if xxhash.xxh3_128_digest(value) != expected[idx * 16 : idx * 16 + 16]:
                name = container.uri or f"{self.store.uri}/{self.base}{container.key}"
                raise DataCorrupted(
                    f"{name} does not hold what was written: the {len(value)} bytes at offset {int(starts[idx])} "
                    "have another "
                    "checksum. Restore this object from a copy of the lake, then run: headrace verify"
                )


class CommitReader:
    """The rows of one commit, by ordinal."""

    def __init__(self, store: ObjectStore, base: str, *, manifest: CommitManifest, cache: PartCache) -> None:
        self._store = store
        self._base = base
        self._cache = cache
        self.manifest = manifest
        self._starts = np.cumsum([0, *(part.num_rows for part in manifest.parts)])  # [num_parts + 1]

    @property
    def num_rows(self) -> int:
        """Rows that were committed."""
        return int(self._starts[-1])

    def columns(self, names: Sequence[str], *, ordinals: Ordinals | None = None) -> pa.Table:
        """The named stored columns, one chunk each, media as locators; unknown names are left out.

        `ordinals` may be in any order and repeat; None gives all rows.
        """
        if ordinals is None:
            tables = [self._part(idx, names) for idx in range(len(self.manifest.parts))]
            return _one_chunk(tables)
        parts = np.searchsorted(self._starts, ordinals, side="right") - 1  # [num_rows]
        used = np.unique(parts)
        if len(used) == 1:
            idx = int(used[0])
            return _take(self._part(idx, names), ordinals - self._starts[idx])
        tables = []
        rows = []
        for idx in used.tolist():
            mine = np.flatnonzero(parts == idx)
            rows.append(mine)
            tables.append(_take(self._part(idx, names), ordinals[mine] - self._starts[idx]))
        merged = _one_chunk(tables)
        return _take(merged, np.argsort(np.concatenate(rows), kind="stable")) if rows else merged

    def narrow(self, names: Sequence[str], *, ordinals: Ordinals | None = None) -> pa.Table:
        """Like `columns`, with media columns as structs without a place."""
        table = self.columns(names, ordinals=ordinals)
        for idx, name in enumerate(table.column_names):
            field_idx = self.manifest.schema.get_field_index(name)
            if field_idx >= 0 and media_kind(self.manifest.schema.field(field_idx)) is not None:
                table = table.set_column(idx, name, media_view(table.column(name)))
        return table

    def _part(self, idx: int, names: Sequence[str]) -> pa.Table:
        return self._cache.columns(self._store, self._base, part=self.manifest.parts[idx], names=names)


def _take(table: pa.Table, rows: np.ndarray) -> pa.Table:
    """Rows of a table whose columns have one chunk each; consecutive rows are a view."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (len(rows) == 1 or bool(np.all(np.diff(rows) == 1))):
        return table.slice(int(rows[0]), len(rows))
    indices = pa.array(rows)
    columns = [
        pa.chunked_array([column.chunk(0).take(indices)]) if column.num_chunks else column for column in table.columns
    ]
    return pa.table(columns, schema=table.schema)


def _one_chunk(tables: Sequence[pa.Table]) -> pa.Table:
    if len(tables) == 1:
        return tables[0]
    return pa.concat_tables(tables, promote_options="default").combine_chunks()


def _fixed_bytes(array: pa.Array, width: int) -> np.ndarray:
    """The values of a fixed size binary array as [num_rows, width] bytes; what nulls hold is arbitrary."""
    buffer = array.buffers()[1]
    if buffer is None:
        return np.zeros((len(array), width), dtype=np.uint8)
    flat = np.frombuffer(buffer, dtype=np.uint8)
    return flat[array.offset * width : (array.offset + len(array)) * width].reshape(len(array), width)


def _large_binary(values: list[bytes], sizes: np.ndarray, present: np.ndarray) -> pa.Array:
    num_rows = len(values)
    if not present.all():
        sizes = np.where(present, sizes, 0)
    offsets = np.zeros(num_rows + 1, dtype=np.int64)
    np.cumsum(sizes, out=offsets[1:])
    validity = None if present.all() else pa.array(present).buffers()[1]
    return pa.Array.from_buffers(
        pa.large_binary(), num_rows, [validity, pa.py_buffer(offsets), pa.py_buffer(b"".join(values))]
    )
