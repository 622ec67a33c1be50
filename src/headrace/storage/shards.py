"""Shards: media bytes in plain, uncompressed tar files that any tool of the field reads.

Format: POSIX ustar (IEEE Std 1003.1-1988), as WebDataset writes it. Members of one row share the stem.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from headrace.storage.digests import digest_of_parts
from headrace.storage.store import ObjectStore

__all__ = ["SHARD_BYTES", "ShardRecord", "ShardWriter", "shard_key"]

SHARD_BYTES = 128 * 1024 * 1024
_BLOCK = 512
_MAX_USTAR_BYTES = 8 * 1024**3 - 1
_END = bytes(2 * _BLOCK)


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
    At most two shards are in memory: the one being filled and the one being written.
    """

    def __init__(self, store: ObjectStore, base: str, *, shard_bytes: int = SHARD_BYTES) -> None:
        self._store = store
        self._base = base
        self._shard_bytes = shard_bytes
        self._pieces: list[bytes] = []
        self._offset = 0
        self._num_members = 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="headrace-shard")
        self._pending: list[Future[ShardRecord]] = []

    def add(self, name: str, data: bytes) -> tuple[int, int]:
        """Append a member; returns (shard index, offset of its first byte in the shard)."""
        size = len(data)
        if self._offset and self._offset + size + 3 * _BLOCK > self._shard_bytes:
            self._flush()
        offset = self._offset + _BLOCK
        padding = -size % _BLOCK
        self._pieces.append(tar_header(name, size))
        self._pieces.append(data)
        if padding:
            self._pieces.append(_PADDINGS[padding])
        self._offset = offset + size + padding
        self._num_members += 1
        return len(self._pending), offset

    def close(self) -> list[ShardRecord]:
        """Write what is left and wait until every shard is durable."""
        if self._num_members:
            self._flush()
        try:
            return [future.result() for future in self._pending]
        finally:
            self._pool.shutdown()

    def abandon(self) -> None:
        """Stop without writing more; shards already put stay as unreferenced objects."""
        self._pieces.clear()
        self._pool.shutdown(cancel_futures=True)

    def _flush(self) -> None:
        pieces = [*self._pieces, _END]
        size = self._offset + len(_END)
        num_members = self._num_members
        if len(self._pending) >= 2:
            self._pending[-2].result()  # bounds memory, and stops early when the disk is full
        self._pending.append(self._pool.submit(self._put, pieces, size, num_members))
        self._pieces = []
        self._offset = 0
        self._num_members = 0

    def _put(self, pieces: list[bytes], size: int, num_members: int) -> ShardRecord:
        digest = digest_of_parts(pieces).hex()
        put_parts: Callable[[str, list[bytes]], None] | None = getattr(self._store, "put_parts", None)
        key = self._base + shard_key(digest)
        if put_parts is None:
            self._store.put(key, b"".join(pieces))
        else:
            put_parts(key, pieces)
        return ShardRecord(digest, size, num_members)


def tar_header(name: str, size: int) -> bytes:
    """The 512-byte ustar header of a regular file with ASCII name of at most 100 bytes, mode 0644, owner 0, time 0."""
    encoded = name.encode("ascii")
    if len(encoded) > 100:
        raise ValueError(f"shard member name of {len(encoded)} bytes")
    if size > _MAX_USTAR_BYTES:
        raise ValueError(f"shard member of {size} bytes")
    digits = b"%011o" % size
    checksum = _CHECKSUM_BASE + sum(encoded) + sum(digits)
    return (
        encoded.ljust(100, b"\0") + _BEFORE_SIZE + digits + _BEFORE_CHECKSUM + b"%06o\0 " % checksum + _AFTER_CHECKSUM
    )


_BEFORE_SIZE = b"0000644\0" + b"0000000\0" + b"0000000\0"
_BEFORE_CHECKSUM = b"\0" + b"00000000000\0"
_AFTER_CHECKSUM = (b"0" + bytes(100) + b"ustar\x0000").ljust(_BLOCK - 156, b"\0")
_CHECKSUM_BASE = sum(_BEFORE_SIZE) + sum(_BEFORE_CHECKSUM) + sum(_AFTER_CHECKSUM) + 8 * 0x20
_PADDINGS = [bytes(length) for length in range(_BLOCK)]
