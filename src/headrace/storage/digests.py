"""The two hashes: BLAKE3 for identity, XXH3-128 as the cheap check at every read."""

from __future__ import annotations

import blake3
import xxhash

from headrace.errors import DataCorrupted

__all__ = ["CHECK_BYTES", "DIGEST_BYTES", "check_of", "digest_hex", "digest_of", "require_digest"]

DIGEST_BYTES = 32
CHECK_BYTES = 16

Buffer = bytes | bytearray | memoryview


def digest_of(data: Buffer) -> bytes:
    """BLAKE3 of the data, 32 bytes."""
    return blake3.blake3(data).digest()


def digest_hex(data: Buffer) -> str:
    """BLAKE3 of the data, 64 hex digits."""
    return blake3.blake3(data).hexdigest()


def check_of(data: Buffer) -> bytes:
    """XXH3-128 of the data, 16 bytes. Finds bit rot; proves nothing about who wrote it."""
    return xxhash.xxh3_128_digest(data)


def require_digest(data: Buffer, expected_hex: str, *, name: str) -> None:
    """Raise `DataCorrupted` naming the object unless the data has the digest."""
    found = digest_hex(data)
    if found != expected_hex:
        raise DataCorrupted(
            f"{name} does not hold what was written: its BLAKE3 is {found[:16]}…, expected {expected_hex[:16]}… "
            f"({len(data)} bytes). Restore this object from a copy of the lake, then run: headrace verify"
        )
