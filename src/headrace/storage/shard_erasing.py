"""A shard without the bytes of some members: zeros of equal size, so that every other member stays where it is."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.storage.digests import digest_hex, require_digest
from headrace.storage.shards import ShardRecord, shard_key
from headrace.storage.store import ObjectStore, Range

__all__ = ["erased_shard"]


def erased_shard(store: ObjectStore, base: str, *, shard: ShardRecord, ranges: Sequence[Range]) -> ShardRecord:
    """Write a copy of a shard with zeros in these ranges, durably.

    Raises:
        DataCorrupted: The shard is not what was written.
    """
    key = base + shard_key(shard.digest)
    stored = store.get(key)
    require_digest(stored, shard.digest, name=f"{store.uri}/{key}")
    data = bytearray(stored)
    for start, end in ranges:
        data[start:end] = bytes(end - start)
    view = memoryview(data)
    digest = digest_hex(view)
    store.put(base + shard_key(digest), view)
    return ShardRecord(digest, len(data), shard.num_members)
