"""Media values on their way into a lake: where the bytes come from and what their header says."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["IndexedMedia", "MediaHeader", "MediaInput", "MediaProbe", "ParquetCell"]

_READ_ONLY = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)


class MediaHeader(NamedTuple):
    """What a media file says of itself; None where the kind has no such thing."""

    format: str | None = None  # "jpeg", "png", "wav", "mp4", ... lower case
    width: int | None = None  # pixels
    height: int | None = None  # pixels
    duration: float | None = None  # seconds


MediaProbe = Callable[[bytes, str], MediaHeader]
"""(content, name for messages) -> header; raises `InvalidInput` when the content is not of its kind."""


@dataclass(frozen=True, slots=True)
class ParquetCell:
    """Where a value lies in a Parquet file."""

    row_group: int
    row: int  # in the row group, from 0
    column: str  # path of the leaf column as Parquet names it


class IndexedMedia(NamedTuple):
    """What is known of a value that was read before and is adopted where it lies."""

    digest: bytes  # BLAKE3, 32 bytes
    check: bytes  # XXH3-128, 16 bytes
    header: MediaHeader
    refusal: str | None = None  # why its content is not of its kind


@dataclass(slots=True)
class MediaInput:
    """One media value before ingest. Either `data` is set, or `fetch` gets it, or `path` (+range) holds it.

    `uri`, `offset` and `version` say where the bytes lie as they are, so that they can be adopted without a copy;
    `uri` is None where they cannot be (a compressed archive, bytes from memory). Nobody changes one; it is not frozen
    because that takes 1.3 us instead of 0.3 us to make, and folders hold millions.
    """

    name: str  # for messages: file name or column
    data: bytes | None = None
    path: str | None = None  # local file
    offset: int = 0  # bytes from the start of the container
    size: int | None = None  # bytes; None = to the end
    uri: str | None = None  # container's URI
    version: str | None = None  # pins the container: etag, or size and mtime
    fetch: Callable[[], bytes] | None = field(default=None, compare=False)
    indexed: IndexedMedia | None = None  # then its bytes are not read again to be adopted
    cell: ParquetCell | None = None  # of a value inside a Parquet file, which has no offset there

    def load(self) -> bytes:
        """Read the bytes. Thread-safe."""
        if self.data is not None:
            return self.data
        if self.fetch is not None:
            return self.fetch()
        if self.path is None:
            raise ValueError(f"media {self.name!r} has neither data nor a place to read it from")
        handle = os.open(self.path, _READ_ONLY)
        try:
            if self.size is None:
                size = os.fstat(handle).st_size - self.offset
            else:
                size = self.size
            return os.pread(handle, size, self.offset) if size < 1 << 30 else _read_large(handle, self.offset, size)
        finally:
            os.close(handle)


def _read_large(handle: int, offset: int, size: int) -> bytes:
    """One pread moves at most 2 GiB, so a large file is read in pieces."""
    pieces: list[bytes] = []
    end = offset + size
    while offset < end:
        piece = os.pread(handle, min(end - offset, 1 << 28), offset)
        if not piece:
            break
        pieces.append(piece)
        offset += len(piece)
    return b"".join(pieces)
