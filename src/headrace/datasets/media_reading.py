"""Reads media values by locator, verified: from the lake's shards, and from adopted objects where they lie."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from headrace.datasets.layouts import CommitLayout
from headrace.errors import DataCorrupted, NotFound
from headrace.storage.locations import Locations
from headrace.storage.parquet_cells import CellChunk, ParquetCells
from headrace.storage.shards import shard_key
from headrace.storage.store import ObjectStore

__all__ = ["MediaReader"]

_PARALLEL_CHUNKS = 8
"""Column chunks of adopted Parquet files that are fetched side by side from a remote store."""


@dataclass(frozen=True, slots=True)
class _Container:
    """A shard of the lake (uri None), an adopted object, or a column chunk of an adopted Parquet file."""

    key: str
    uri: str | None = None
    version: str | None = None
    row_group: int = -1
    column: str | None = None  # of a chunk; then values have rows in the group instead of offsets

    def __str__(self) -> str:
        return f"{self.uri} (row group {self.row_group}, column {self.column})" if self.column else self.uri or self.key


@dataclass(frozen=True, slots=True)
class _Adopted:
    """An adopted object as it was found."""

    store: ObjectStore
    key: str
    version: str
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class _Run:
    """Values of one container, and where they go."""

    name: str  # the object, for messages
    starts: list[int]  # offset of each value in the object, or row in the chunk
    views: list[memoryview]
    checks: bytes  # XXH3-128 of each value, one after the other
    unit: str = "offset"

    def verify(self, first: int, last: int) -> None:
        """Compare the values `first` to `last`, without it, with their checks.

        Raises:
            DataCorrupted: A value is not what was written; names it.
        """
        digest = xxhash.xxh3_128_digest
        if b"".join(map(digest, self.views[first:last])) == self.checks[16 * first : 16 * last]:
            return
        for idx in range(first, last):
            view = self.views[idx]
            if digest(view) != self.checks[16 * idx : 16 * idx + 16]:
                raise DataCorrupted(
                    f"{self.name} does not hold what was written: the {len(view)} bytes at {self.unit} "
                    f"{self.starts[idx]} have another checksum. Restore this object from a copy of the lake, then "
                    "run: headrace verify"
                )


class MediaReader:
    """Reads the media of one dataset. Thread-safe."""

    def __init__(self, store: ObjectStore, base: str, *, locations: Locations) -> None:
        self._store = store
        self._base = base
        self._locations = locations
        self._lock = threading.Lock()
        self._adopted: dict[str, _Adopted] = {}  # by URI
        self._cells = ParquetCells()

    def read(
        self,
        locators: Sequence[pa.StructArray],
        layouts: Sequence[CommitLayout],
        *,
        order: np.ndarray | None = None,
        verify: bool = True,
    ) -> pa.Array:
        """The bytes of media values in row order, large binary, [num_rows].

        Args:
            locators: One array of locators for each run of rows.
            layouts: Of the commit that each run belongs to.
            order: Permutation of all rows, [num_rows]; None keeps them as they come.
            verify: Compare each value with its check; switched off only to measure what it costs.

        Raises:
            DataCorrupted: Bytes differ from what was written, or an adopted object changed.
        """
        containers: dict[_Container, int] = {}
        container_idx, offsets, sizes, checks, present = _places(locators, layouts, containers)
        if order is not None:
            container_idx, offsets, sizes = container_idx[order], offsets[order], sizes[order]
            checks, present = checks[order], present[order]
        num_rows = len(container_idx)
        sizes = np.where(present, sizes, 0)
        ends = np.zeros(num_rows + 1, dtype=np.int64)
        np.cumsum(sizes, out=ends[1:])
        buffer = pa.allocate_buffer(int(ends[-1]))  # from Arrow's pool, whose pages are mapped already
        target = memoryview(buffer).cast("B")
        by_place = np.lexsort((offsets, container_idx))  # [num_rows]
        by_place = by_place[present[by_place]]
        edges = np.flatnonzero(np.diff(container_idx[by_place])) + 1
        names = list(containers)
        chunks: list[tuple[_Container, _Run]] = []
        for rows in np.split(by_place, edges) if len(by_place) else ():
            container = names[int(container_idx[rows[0]])]
            is_chunk = container.column is not None
            starts = offsets[rows]
            run = _Run(
                name=f"{self._store.uri}/{self._base}{container.key}" if container.uri is None else str(container),
                starts=starts.tolist(),
                views=[target[a:b] for a, b in zip(ends[rows].tolist(), ends[rows + 1].tolist())],
                checks=checks[rows].tobytes(),
                unit="row" if is_chunk else "offset",
            )
            if is_chunk:
                chunks.append((container, run))
                continue
            store, key = self._locate(container)
            ranges = list(zip(run.starts, (starts + sizes[rows]).tolist()))
            try:
                store.read_into(key, ranges, run.views, arrived=run.verify if verify else None)
            except (DataCorrupted, NotFound):
                self._refuse_changed(container)
                raise
        self._read_chunks(chunks, verify=verify)
        validity = None if present.all() else pa.array(present).buffers()[1]
        return pa.Array.from_buffers(pa.large_binary(), num_rows, [validity, pa.py_buffer(ends), buffer])

    def _read_chunks(self, chunks: Sequence[tuple[_Container, _Run]], *, verify: bool) -> None:
        """Fetch and decode column chunks of adopted Parquet files side by side."""
        if not chunks:
            return
        is_local = all(self._found(str(container.uri)).store.is_local for container, _ in chunks)
        num_threads = min(len(chunks), (os.cpu_count() or 1) if is_local else _PARALLEL_CHUNKS)
        if num_threads == 1:
            for container, run in chunks:
                self._read_chunk(container, run, verify=verify)
            return
        with ThreadPoolExecutor(num_threads, thread_name_prefix="headrace-cells") as pool:
            futures = [pool.submit(self._read_chunk, container, run, verify=verify) for container, run in chunks]
            try:
                for future in futures:
                    future.result()
            finally:
                for future in futures:
                    future.cancel()

    def _read_chunk(self, container: _Container, run: _Run, *, verify: bool) -> None:
        store, key = self._locate(container)
        found = self._found(str(container.uri))
        chunk = CellChunk(key, found.version, found.size, container.row_group, str(container.column))
        try:
            self._cells.read_into(store, chunk, rows=run.starts, targets=run.views)
            if verify:
                run.verify(0, len(run.views))
        except (DataCorrupted, NotFound):
            self._refuse_changed(container)
            raise

    def _refuse_changed(self, container: _Container) -> None:
        """Raise `DataCorrupted` with both versions if an adopted object changed since this reader looked at it."""
        if container.uri is not None:
            with self._lock:
                self._adopted.pop(container.uri, None)
            self._locate(container)

    def _locate(self, container: _Container) -> tuple[ObjectStore, str]:
        if container.uri is None:
            return self._store, self._base + container.key
        found = self._found(container.uri)
        if container.version is not None and found.version != container.version:
            raise DataCorrupted(
                f"{container.uri} was adopted in place and changed since (version {found.version}, pinned "
                f"{container.version}); restore the object, or commit it again"
            )
        return found.store, found.key

    def _found(self, uri: str) -> _Adopted:
        with self._lock:
            known = self._adopted.get(uri)
            if known is None:
                store, key = self._locations.open(uri)
                stat = store.stat(key)
                if stat is None:
                    raise DataCorrupted(
                        f"{uri} was adopted in place and is gone; restore it, or commit its samples again"
                    )
                known = self._adopted.setdefault(uri, _Adopted(store, key, stat.version, stat.size))
        return known


def _places(
    locators: Sequence[pa.StructArray],
    layouts: Sequence[CommitLayout],
    containers: dict[_Container, int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    container_idx: list[np.ndarray] = []
    offsets: list[np.ndarray] = []
    sizes: list[np.ndarray] = []
    checks: list[np.ndarray] = []
    present: list[np.ndarray] = []
    for array, layout in zip(locators, layouts, strict=True):
        shard = pc.struct_field(array, "shard")
        shards = shard.fill_null(-1).to_numpy(zero_copy_only=False)  # [num_rows]
        offset = pc.struct_field(array, "offset").fill_null(0).to_numpy(zero_copy_only=False)  # [num_rows]
        # A compacted layout may have tens of thousands of shards, of which these rows use few.
        used, positions = np.unique(shards, return_inverse=True)  # [num_used], [num_rows]
        table = np.zeros(len(used), dtype=np.int64)  # [num_used]
        for position, number in enumerate(used.tolist()):
            if number >= 0:
                container = _Container(shard_key(layout.shards[number].digest))
                table[position] = containers.setdefault(container, len(containers))
        idx = table[positions]
        if shard.null_count:
            uris = pc.struct_field(array, "uri").to_pylist()
            versions = pc.struct_field(array, "version").to_pylist()
            cells = pc.struct_field(array, "cell").to_pylist() if array.type.get_field_index("cell") >= 0 else None
            for row in np.flatnonzero(shards < 0).tolist():
                if uris[row] is not None:
                    container = _Container("", uris[row], versions[row])
                    if cells is not None and cells[row] is not None:
                        cell = cells[row]
                        offset = offset if offset.flags.writeable else offset.copy()
                        container = _Container("", uris[row], versions[row], cell["row_group"], cell["column"])
                        offset[row] = cell["row"]
                    idx[row] = containers.setdefault(container, len(containers))
        container_idx.append(idx)
        size = pc.struct_field(array, "size")
        present.append(size.is_valid().to_numpy(zero_copy_only=False))
        sizes.append(size.fill_null(0).to_numpy(zero_copy_only=False))
        offsets.append(offset)
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


def _fixed_bytes(array: pa.Array, width: int) -> np.ndarray:
    """The values of a fixed size binary array as [num_rows, width] bytes; what nulls hold is arbitrary."""
    buffer = array.buffers()[1]
    if buffer is None:
        return np.zeros((len(array), width), dtype=np.uint8)
    flat = np.frombuffer(buffer, dtype=np.uint8)
    return flat[array.offset * width : (array.offset + len(array)) * width].reshape(len(array), width)
