"""Reads media bytes by place, checked: members of shards, ranges of adopted objects, whole files."""

from __future__ import annotations

import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xxhash

from headrace.errors import DataCorrupted, InvalidInput, NotFound
from headrace.storage.containers import local_error
from headrace.storage.locations import Locations
from headrace.storage.store import ObjectStore

__all__ = ["Container", "MediaFetcher", "Places", "read_whole"]

_MAX_OPEN_FILES = 128  # several datasets of a process stay below the usual limit of 1,024
_TO_THE_END = -1
_PIECE_BYTES = 1 << 30  # Linux reads less than 2 GiB by one call


@dataclass(frozen=True, slots=True, eq=False)
class Container:
    """An object that holds media: a key of the lake's own store, or a URI with the version that was pinned.

    Compared by identity, which is faster on the hot path: make one for each object and use it again.
    """

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

    __slots__ = ("descriptor", "mtime_ns", "name", "size")

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
        self.size, self.mtime_ns = status.st_size, status.st_mtime_ns
        found = f"{status.st_size}-{status.st_mtime_ns}"
        if version is not None and version != found:
            raise _changed(name, found, version)

    def check(self) -> None:
        """Raise `DataCorrupted` if the file was written to since it was opened: for values without a checksum."""
        status = os.fstat(self.descriptor)
        if status.st_mtime_ns != self.mtime_ns or status.st_size != self.size:
            raise _changed(
                self.name, f"{status.st_size}-{status.st_mtime_ns}", f"{self.size}-{self.mtime_ns}"
            )  # fmt: skip

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)


_READ_ONLY = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe in place of a file must not wait for its writer


def read_whole(path: str, version: str | None) -> bytes:
    """A file's bytes; `version` is the one that was pinned, or None.

    Raises:
        NotFound, DataCorrupted: It is not there, or not the one that was pinned.
        InvalidInput: It is no regular file.
    """
    try:
        descriptor = os.open(path, _READ_ONLY)
    except FileNotFoundError as error:
        if version is None:
            raise NotFound(f"{path}: no such file; restore it, or leave its sample out of the index") from error
        raise DataCorrupted(f"{path} is gone since it was indexed; restore it, or index it again") from error
    except (OSError, ValueError) as error:
        raise local_error(error if isinstance(error, OSError) else OSError(str(error)), path) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InvalidInput("is no regular file; media are files", file=path)
        size = status.st_size
        if version is not None and version != f"{size}-{status.st_mtime_ns}":
            raise _changed(path, f"{size}-{status.st_mtime_ns}", version)
        data = os.pread(descriptor, size, 0) if size < _PIECE_BYTES else _read_large(descriptor, 0, size)
    except OSError as error:
        raise local_error(error, path) from error
    finally:
        os.close(descriptor)
    if len(data) != size:
        raise DataCorrupted(f"{path} became shorter while it was read; restore it")
    return data


def _changed(name: str, found: str, pinned: str) -> DataCorrupted:
    return DataCorrupted(
        f"{name} changed since it was indexed (version {found}, pinned {pinned}); restore it, or index it again"
    )


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
        checks = places.checks
        expected = None if checks is None else checks.tobytes()
        checked: set[_OpenFile] = set()
        files = self._files
        for idx, (container, offset, size) in enumerate(zip(places.containers, places.offsets, places.sizes)):
            if container is None:
                continue
            file = files.get(container) or self._opened(container)
            if file is None:
                remote.setdefault(container, []).append(idx)
            else:
                check = None if expected is None else expected[16 * idx : 16 * idx + 16]
                if check is None and file not in checked:
                    file.check()
                    checked.add(file)
                values[idx] = _read(file, offset, size, check)
        for container, rows in remote.items():
            self._fetch_remote(container, rows, places, values)
        return values

    def fetch_one(self, container: Container | None, *, offset: int, size: int, check: bytes | None) -> bytes | None:
        """The bytes of one value; as `fetch`."""
        if container is None:
            return None
        file = self._files.get(container) or self._opened(container)
        if file is not None:
            if check is None:
                file.check()
            return _read(file, offset, size, check)
        checks = None if check is None else np.frombuffer(check, dtype=np.uint8).reshape(1, 16)
        return self.fetch(Places([container], [offset], [size], checks))[0]

    def fetch_files(self, addresses: Sequence[str | None], versions: Sequence[str | None] | None) -> list[bytes | None]:
        """The bytes of whole files, by absolute path or URI; None for None.

        Raises:
            DataCorrupted: A file is not the version that was pinned.
            NotFound: A file is not there.
        """
        values: list[bytes | None] = []
        for idx, address in enumerate(addresses):
            if address is None:
                values.append(None)
                continue
            version = None if versions is None else versions[idx]
            if address.startswith("/"):
                values.append(read_whole(address, version))
            else:
                store, key = self._locate(Container(None, address, version))
                values.append(store.get(key))
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
            status = store.stat(key)
            if status is None or status.version != container.version:
                found = "gone" if status is None else f"version {status.version}"
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

    def _opened(self, container: Container) -> _OpenFile | None:
        """The open file of a container; None if it is no local one."""
        path = self._path(container)
        if path is None:
            return None
        file = _OpenFile(path, version=container.version, name=path)
        with self._lock:
            self._files[container] = file
            evicted = [self._files.popitem(last=False)[1] for _ in range(len(self._files) - _MAX_OPEN_FILES)]
        del evicted  # closes outside of the lock
        return file


def _reopen(store: ObjectStore | None, base: str, locations: Locations) -> MediaFetcher:
    return MediaFetcher(store, base, locations=locations)


def _read(file: _OpenFile, offset: int, size: int, check: bytes | None) -> bytes:
    if size == _TO_THE_END:
        size = file.size - offset
    descriptor = file.descriptor
    data = os.pread(descriptor, size, offset) if size < _PIECE_BYTES else _read_large(descriptor, offset, size)
    if len(data) != size:
        raise DataCorrupted(
            f"{file.name} ends at byte {file.size}, but a sample lies at {offset} to {offset + size}. Restore the "
            "object from a copy"
        )
    if check is not None and xxhash.xxh3_128_digest(data) != check:
        raise _corrupted(file.name, offset, size)
    return data


def _read_large(descriptor: int, offset: int, size: int) -> bytes:
    pieces = []
    end = offset + size
    while offset < end:
        piece = os.pread(descriptor, min(end - offset, _PIECE_BYTES), offset)
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
