"""Gzip with a limit, so that a few bytes cannot fill the memory."""

from __future__ import annotations

import zlib

from headrace.errors import InvalidInput
from headrace.units import format_bytes

__all__ = ["DEFAULT_MAX_BYTES", "GZIP_START", "gunzip"]

DEFAULT_MAX_BYTES = 1_000_000_000
"""What an unpacked value may take."""

GZIP_START = b"\x1f\x8b"


def gunzip(data: bytes, *, max_bytes: int) -> bytes:
    """The content of all members of a gzip file. Source: RFC 1952.

    Raises:
        InvalidInput: Damaged, cut off, or more than `max_bytes` of content.
    """
    parts: list[bytes] = []
    room = max_bytes
    rest = data
    while rest.startswith(GZIP_START):
        unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            part = unpacker.decompress(rest, room + 1)
        except zlib.error as error:
            raise InvalidInput(f"is a damaged gzip file: {error}; write it anew") from error
        if len(part) > room:
            raise InvalidInput(
                f"unpacks to more than {format_bytes(max_bytes)}; raise max_bytes if that is meant, or leave it out"
            )
        if not unpacker.eof:
            raise InvalidInput("is a truncated gzip file: its end is missing; copy or download it again")
        parts.append(part)
        room -= len(part)
        rest = unpacker.unused_data
    if rest.strip(b"\x00"):
        raise InvalidInput(f"is no gzip file, or holds {len(rest)} bytes that do not belong to one; write it anew")
    return parts[0] if len(parts) == 1 else b"".join(parts)
