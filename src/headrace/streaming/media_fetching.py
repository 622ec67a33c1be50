"""Reads media bytes by place, checked: members of shards, ranges of adopted objects, whole files."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import xxhash

from headrace.errors import DataCorrupted, NotFound
from headrace.storage.containers import local_error
from headrace.storage.locations import Locations
from headrace.storage.store import ObjectStore

__all__ = ["Container", "MediaFetcher", "Places"]

_MAX_OPEN_FILES = 512
_TO_THE_END = -1
_PIECE_BYTES = 1 << 30  # Linux reads less than 2 GiB by one call


@dataclass(frozen=True, slots=True)
class Container:
    """An object that holds media: a key of the lake's own store, or a URI with the version that was pinned."""

    key: str | None
    uri: str | None = None
    version: str | None = None


@dataclass(slots=True)
class Places:
    """Where the values of one media column lie; one entry a row."""

    containers: list[Container | None]  # None for null
    offsets: list[int]
    sizes: list[int]  # -1 to the end of the object
    checks: np.ndarray | None  # uint8 [num_rows, 16], XXH3-128; None where nothing is known


class _OpenFile:
    """A descriptor that is closed when its last user lets go of it."""

    __slots__ = ("descriptor", "name", "size")

    def __init__(self, path: str, *, version: str | None, name: str) -> None:
        self.descriptor = -1
        self.name = name
        try:
            self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            if version is None:
                raise NotFound(f"{name}: no such file; restore it, or leave its sample out of the index") from error
            raise DataCorrupted(f"{name} is gone since it was indexed; restore it, or index it again") from error
        except OSError as error:
            raise local_error(error, name) from error
        status = os.fstat(self.descriptor)
        self.size = status.st_size
        found = f"{status.st_size}-{status.st_mtime_ns}"
        if version is not None and version != found:
            raise DataCorrupted(
                f"{name} changed since it was indexed (version {found}, pinned {version}); restore it, or index it "
                "again"
            )

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)


class MediaFetcher:
    """Keeps the files that it read last open. Thread-safe; a copy in another process opens its own."""

    def __init__(self, store: ObjectStore | None, base: str, *, locations: Locations) -> None:
        """Args:
        store: Of containers with a key.
        base: What their keys begin with.
        locations: Opens containers with a URI.
        """
        self._store = store
        self._base = base
        self._locations = locations
        self._root = store.uri if store is not None and store.is_local and not store.uri.startswith("memory:") else None
        self._lock = threading.Lock()
        self._files: OrderedDict[Container, _OpenFile] = OrderedDict()

    def __reduce__(self) -> tuple[object, ...]:
        return _reopen, (self._store, self._base, self._locations)

    def fetch(self, places: Places) -> list[bytes | None]:
        """The bytes of each value, in row order.

        Raises:
            DataCorrupted: They are not what was written, or the container changed.
            NotFound: A file of an index is not there.
        """
        values: list[bytes | None] = [None] * len(places.containers)
        remote: dict[Container, list[int]] = {}
        digest = xxhash.xxh3_128_digest
        checks = places.checks
        expected = None if checks is None else checks.tobytes()
        for idx, container in enumerate(places.containers):
            if container is None:
                continue
            file = self._files.get(container)
            if file is None:
                path = self._path(container)
                if path is None:
                    remote.setdefault(container, []).append(idx)
                    continue
                file = self._opened(container, path)
            offset, size = places.offsets[idx], places.sizes[idx]
            if size == _TO_THE_END:
                size = file.size - offset
            data = os.pread(file.descriptor, size, offset) if size < _PIECE_BYTES else _read_large(file, offset, size)
            if len(data) != size:
                raise DataCorrupted(
                    f"{file.name} ends at byte {file.size}, but a sample lies at {offset} to {offset + size}. Restore "
                    "the object from a copy"
                )
            if expected is not None and digest(data) != expected[16 * idx : 16 * idx + 16]:
                raise _corrupted(file.name, offset, size)
            values[idx] = data
        for container, rows in remote.items():
            self._fetch_remote(container, rows, places, values)
        return values

    def _fetch_remote(self, container: Container, rows: list[int], places: Places, values: list[bytes | None]) -> None:
        store, key = self._locate(container)
        name = f"{store.uri}/{key}"
        whole = [row for row in rows if places.sizes[row] == _TO_THE_END]
        for row in whole:
            values[row] = store.get(key)
        ranged = [row for row in rows if places.sizes[row] != _TO_THE_END]
        ranges = [(places.offsets[row], places.offsets[row] + places.sizes[row]) for row in ranged]
        for row, data in zip(ranged, store.get_ranges(key, ranges)):
            if places.checks is not None and xxhash.xxh3_128_digest(data) != places.checks[row].tobytes():
                raise _corrupted(name, places.offsets[row], places.sizes[row])
            values[row] = data

    def _locate(self, container: Container) -> tuple[ObjectStore, str]:
        if container.uri is None and self._store is not None:
            return self._store, f"{self._base}{container.key}"
        store, key = self._locations.open(str(container.uri))
        if container.version is not None:
            stat = store.stat(key)
            if stat is None or stat.version != container.version:
                found = "gone" if stat is None else f"version {stat.version}"
                raise DataCorrupted(
                    f"{container.uri} changed since it was indexed ({found}, pinned {container.version}); restore it, "
                    "or index it again"
                )
        return store, key

    def _path(self, container: Container) -> str | None:
        """The local file of a container, if it is one."""
        if container.uri is None:
            return None if self._root is None else f"{self._root}/{self._base}{container.key}"
        if container.uri.startswith("/"):
            return container.uri
        store, key = self._locations.open(container.uri) if container.uri.startswith("file:") else (None, "")
        return None if store is None else f"{store.uri}/{key}"

    def _opened(self, container: Container, path: str) -> _OpenFile:
        file = _OpenFile(path, version=container.version, name=path)
        with self._lock:
            self._files[container] = file
            evicted = [self._files.popitem(last=False)[1] for _ in range(len(self._files) - _MAX_OPEN_FILES)]
        del evicted  # closes outside of the lock
        return file


def _reopen(store: ObjectStore | None, base: str, locations: Locations) -> MediaFetcher:
    return MediaFetcher(store, base, locations=locations)


def _read_large(file: _OpenFile, offset: int, size: int) -> bytes:
    pieces = []
    end = offset + size
    while offset < end:
        piece = os.pread(file.descriptor, min(end - offset, _PIECE_BYTES), offset)
        if not piece:
            break
        pieces.append(piece)
        offset += len(piece)
    return b"".join(pieces)


def _corrupted(name: str, offset: int, size: int) -> DataCorrupted:
    return DataCorrupted(
        f"{name} does not hold what was written: the {size} bytes at offset {offset} have another checksum. Restore "
        "this object from a copy of the lake, then run: headrace verify"
    )
