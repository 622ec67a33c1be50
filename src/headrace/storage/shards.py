"""Shards: media bytes in plain, uncompressed tar files that any tool of the field reads.

Format: POSIX ustar (IEEE Std 1003.1-1988), as WebDataset writes it. Members of one row share the stem.
"""

from __future__ import annotations

import contextlib
import mmap
import queue
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from headrace.storage.digests import digest_hex
from headrace.storage.store import ObjectStore

__all__ = ["MAX_MEMBER_BYTES", "SHARD_BYTES", "ShardRecord", "ShardWriter", "shard_key"]

SHARD_BYTES = 32 * 1024 * 1024
"""What ingest writes: the format allows more, but hashing and syncing the last shard is time that nothing hides, and
three buffers of this size are all the memory that packing takes."""

_BLOCK = 512
MAX_MEMBER_BYTES = 8 * 1024**3 - 1
_END = bytes(2 * _BLOCK)
_FIRST_BYTES = 1024 * 1024
_HUGE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """One written shard."""

    digest: str  # BLAKE3 hex of the whole tar
    size: int  # bytes
    num_members: int


def shard_key(digest: str) -> str:
    """Key of a shard below its dataset."""
    return f"objects/{digest[:2]}/{digest}.tar"


class ShardWriter:
    """Packs members into shards of up to `shard_bytes` and puts each in the background.

    Not thread-safe. `add` says where a member lies; the records of all shards come from `close`, in shard order.
    At most three shards are in memory: the one being filled and two being written. Their buffers are used again:
    touching fresh memory costs more than copying into it.
    """

    def __init__(self, store: ObjectStore, base: str, *, shard_bytes: int = SHARD_BYTES) -> None:
        self._store = store
        self._base = base
        self._shard_bytes = shard_bytes
        self._view = memoryview(b"")
        self._free: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
        self._offset = 0
        self._num_members = 0
        # Two threads, because one shard is hashed and written while the device still takes in the one before.
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="headrace-shard")
        self._pending: list[Future[ShardRecord]] = []

    def add(self, name: str, data: bytes) -> tuple[int, int]:
        """Append a member; returns (shard index, offset of its first byte in the shard)."""
        size = len(data)
        needed = size + 4 * _BLOCK  # header, padding and the two end blocks
        if self._offset and self._offset + needed > self._shard_bytes:
            self._flush()
        start = self._offset + _BLOCK
        end = start + size
        if self._offset + needed > len(self._view):
            self._grow(self._offset + needed)
        view = self._view
        view[self._offset : start] = tar_header(name, size)
        view[start:end] = data
        padding = -size % _BLOCK
        view[end : end + padding] = _PADDINGS[padding]
        self._offset = end + padding
        self._num_members += 1
        return len(self._pending), start

    def flush(self) -> None:
        """End the shard at hand and start to write it; does not wait for its end."""
        if self._num_members:
            self._flush()

    def close(self) -> list[ShardRecord]:
        """Write what is left and wait until every shard is durable."""
        self.flush()
        try:
            return [future.result() for future in self._pending]
        finally:
            self._pool.shutdown()

    def abandon(self) -> None:
        """Stop without writing more; shards already put stay as unreferenced objects."""
        self._pool.shutdown(cancel_futures=True)

    def _grow(self, num_bytes: int) -> None:
        """Move what is written so far into a buffer of at least `num_bytes`, doubling up to the size of a shard."""
        capacity = max(num_bytes, min(max(4 * len(self._view), _FIRST_BYTES), self._shard_bytes))
        grown = _memory(capacity)
        grown[: self._offset] = self._view[: self._offset]
        self._view = grown

    def _flush(self) -> None:
        self._view[self._offset : self._offset + 2 * _BLOCK] = _END
        size = self._offset + 2 * _BLOCK
        if len(self._pending) >= 2:
            self._pending[-2].result()  # bounds memory, and stops early when the disk is full
        self._pending.append(self._pool.submit(self._put, self._view, size, self._num_members))
        try:
            self._view = self._free.get_nowait()
        except queue.Empty:
            self._view = _memory(self._shard_bytes)
        self._offset = 0
        self._num_members = 0

    def _put(self, buffer: memoryview, size: int, num_members: int) -> ShardRecord:
        data = buffer[:size]
        digest = digest_hex(data)
        self._store.put(self._base + shard_key(digest), data)
        self._free.put(buffer)
        return ShardRecord(digest, size, num_members)


def _memory(num_bytes: int) -> memoryview:
    """Writable memory; in huge pages where the system has them, which makes the first touch 500 times rarer."""
    if num_bytes < _HUGE_BYTES:
        return memoryview(bytearray(num_bytes))
    mapped = mmap.mmap(-1, num_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # a kernel without huge pages
            mapped.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(mapped)


def tar_header(name: str, size: int) -> bytes:
    """The 512-byte ustar header of a regular file with ASCII name of at most 100 bytes, mode 0644, owner 0, time 0."""
    encoded = name.encode("ascii")
    if len(encoded) > 100:
        raise ValueError(f"shard member name of {len(encoded)} bytes")
    if size > MAX_MEMBER_BYTES:
        raise ValueError(f"shard member of {size} bytes")
    digits = b"%011o" % size
    # The lower half of Adler-32 is the sum of the bytes plus one; `sum` would make numbers of them one by one.
    checksum = _CHECKSUM_BASE + (zlib.adler32(encoded + digits) & 0xFFFF) - 1
    return (
        encoded.ljust(100, b"\0") + _BEFORE_SIZE + digits + _BEFORE_CHECKSUM + b"%06o\0 " % checksum + _AFTER_CHECKSUM
    )


_BEFORE_SIZE = b"0000644\0" + b"0000000\0" + b"0000000\0"
_BEFORE_CHECKSUM = b"\0" + b"00000000000\0"
_AFTER_CHECKSUM = (b"0" + bytes(100) + b"ustar\x0000").ljust(_BLOCK - 156, b"\0")
_CHECKSUM_BASE = sum(_BEFORE_SIZE) + sum(_BEFORE_CHECKSUM) + sum(_AFTER_CHECKSUM) + 8 * 0x20
_PADDINGS = [bytes(length) for length in range(_BLOCK)]
