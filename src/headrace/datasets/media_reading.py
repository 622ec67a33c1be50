"""Reads media values by locator, verified: from the lake's shards, and from adopted objects where they lie."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from headrace.datasets.layouts import CommitLayout
from headrace.errors import DataCorrupted, NotFound
from headrace.storage.locations import Locations
from headrace.storage.shards import shard_key
from headrace.storage.store import ObjectStore

__all__ = ["MediaReader"]

_RUN_VALUES = 64
"""Values of a local shard that are read by one call, then verified while they are still in the processor's cache. In a
remote store a run is as long as it can be, so that neighbouring ranges are fetched together."""


@dataclass(frozen=True, slots=True)
class _Container:
    """A shard of the lake (uri None) or an adopted object."""

    key: str
    uri: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class _Run:
    """Values of one container that are read by one call, and where they are now."""

    name: str  # the object, for messages
    starts: list[int]  # offset of each value in the object
    views: list[memoryview]
    checks: bytes  # XXH3-128 of each value, one after the other

    def verify(self) -> None:
        digest = xxhash.xxh3_128_digest
        if b"".join(map(digest, self.views)) == self.checks:
            return
        for idx, view in enumerate(self.views):
            if digest(view) != self.checks[idx * 16 : idx * 16 + 16]:
                raise DataCorrupted(
                    f"{self.name} does not hold what was written: the {len(view)} bytes at offset "
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
        self._adopted: dict[str, tuple[ObjectStore, str, str]] = {}  # URI to store, key and version found

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
        for rows in np.split(by_place, edges) if len(by_place) else ():
            container = names[int(container_idx[rows[0]])]
            step = _RUN_VALUES if self._store.is_local else len(rows)
            for start in range(0, len(rows), step):
                run_rows = rows[start : start + step]
                starts = offsets[run_rows]
                stops = (starts + sizes[run_rows]).tolist()
                run = _Run(
                    name=container.uri or f"{self._store.uri}/{self._base}{container.key}",
                    starts=starts.tolist(),
                    views=[target[a:b] for a, b in zip(ends[run_rows].tolist(), ends[run_rows + 1].tolist())],
                    checks=checks[run_rows].tobytes(),
                )
                store, key = self._locate(container)
                try:
                    store.read_into(key, list(zip(run.starts, stops)), run.views)
                    if verify:
                        run.verify()
                except (DataCorrupted, NotFound):
                    self._refuse_changed(container)
                    raise
        validity = None if present.all() else pa.array(present).buffers()[1]
        return pa.Array.from_buffers(pa.large_binary(), num_rows, [validity, pa.py_buffer(ends), buffer])

    def _refuse_changed(self, container: _Container) -> None:
        """Raise `DataCorrupted` with both versions if an adopted object changed since this reader looked at it."""
        if container.uri is not None:
            with self._lock:
                self._adopted.pop(container.uri, None)
            self._locate(container)

    def _locate(self, container: _Container) -> tuple[ObjectStore, str]:
        if container.uri is None:
            return self._store, self._base + container.key
        with self._lock:
            known = self._adopted.get(container.uri)
            if known is None:
                store, key = self._locations.open(container.uri)
                stat = store.stat(key)
                if stat is None:
                    raise DataCorrupted(
                        f"{container.uri} was adopted in place and is gone; restore it, or commit its samples again"
                    )
                known = self._adopted.setdefault(container.uri, (store, key, stat.version))
        store, key, version = known
        if container.version is not None and version != container.version:
            raise DataCorrupted(
                f"{container.uri} was adopted in place and changed since (version {version}, pinned "
                f"{container.version}); restore the object, or commit it again"
            )
        return store, key


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


def _fixed_bytes(array: pa.Array, width: int) -> np.ndarray:
    """The values of a fixed size binary array as [num_rows, width] bytes; what nulls hold is arbitrary."""
    buffer = array.buffers()[1]
    if buffer is None:
        return np.zeros((len(array), width), dtype=np.uint8)
    flat = np.frombuffer(buffer, dtype=np.uint8)
    return flat[array.offset * width : (array.offset + len(array)) * width].reshape(len(array), width)
