"""Objects read once from front to back, each by one request, with the version that was read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Protocol, cast, runtime_checkable

import blake3

from headrace.errors import NotFound, Unavailable
from headrace.storage.containers import Container, StoredContainer
from headrace.storage.store import ObjectStat, ObjectStore

__all__ = ["FrontReader", "StreamingStore", "open_front", "read_pinned"]

_BLOCK_BYTES = 4 << 20
_MAX_REOPENINGS = 3


@runtime_checkable
class StreamingStore(Protocol):
    """A store that gives an object in pieces, by one request."""

    def stream(self, key: str, *, start: int = 0) -> tuple[ObjectStat, Iterator[bytes]]:
        """What the object is, from the same answer, and its bytes from `start`."""
        ...


class FrontReader(io.RawIOBase):
    """A stream that cannot go back; hashes what passes by. For one thread."""

    def __init__(self, blocks: Iterator[bytes], *, version: str) -> None:
        super().__init__()
        self.version = version  # of what is read, not of what was listed
        self.num_bytes = 0  # passed by so far
        self._blocks = blocks
        self._block = memoryview(b"")
        self._hasher = blake3.blake3()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes of one block; empty at the end."""
        if not self._block:
            block = next(self._blocks, b"")
            self._hasher.update(block)
            self.num_bytes += len(block)
            self._block = memoryview(block)
        piece = self._block if size < 0 else self._block[:size]
        self._block = self._block[len(piece) :]
        return bytes(piece)

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(cast(bytearray, buffer)).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def finish(self) -> str:
        """Read the rest; the BLAKE3 hex of everything."""
        self._block = memoryview(b"")
        for block in self._blocks:
            self._hasher.update(block)
            self.num_bytes += len(block)
        return str(self._hasher.hexdigest())


def open_front(container: Container) -> FrontReader:
    """A container from front to back. A broken connection is taken up where it broke, if the version is the same."""
    if isinstance(container, StoredContainer):
        return _open_object(container.store, container.key)
    return FrontReader(_local_blocks(container), version=container.version)


def read_pinned(store: ObjectStore, key: str) -> tuple[bytes, str]:
    """A whole object and the version of exactly these bytes."""
    reader = _open_object(store, key)
    pieces: list[bytes] = []
    while piece := reader.read():
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces), reader.version


def _open_object(store: ObjectStore, key: str) -> FrontReader:
    if isinstance(store, StreamingStore):
        stat, blocks = store.stream(key)
        return FrontReader(_resumed(store, key, blocks, version=stat.version), version=stat.version)
    found = store.stat(key)
    if found is None:
        raise NotFound(f"object {store.uri}/{key} does not exist")
    return FrontReader(iter([store.get(key)]), version=found.version)


def _resumed(store: StreamingStore, key: str, blocks: Iterator[bytes], *, version: str) -> Iterator[bytes]:
    done = 0
    for num_failures in range(_MAX_REOPENINGS + 1):
        try:
            for block in blocks:
                done += len(block)
                yield block
            return
        except Unavailable:
            if num_failures == _MAX_REOPENINGS:
                raise
        stat, blocks = store.stream(key, start=done)
        if stat.version != version:
            raise Unavailable(f"object {key} was replaced while it was read; try again")


def _local_blocks(container: Container) -> Iterator[bytes]:
    with container.open() as raw:
        while block := raw.read(_BLOCK_BYTES):
            yield block
