"""What a file holds when all of it is decoded: Parquet, JSON, zip, and zstd, gzip and zlib wherever they begin."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["contents"]

_DEPTH = 4
_ZSTD = re.compile(rb"\x28\xb5\x2f\xfd")
_ZLIB = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")
_MOST_BYTES = 64 << 20  # of one compressed piece; the proofs write far smaller ones


def contents(data: bytes, *, depth: int = _DEPTH) -> Iterator[bytes]:
    """The bytes as they are, then whatever they decode to, and what that decodes to in turn.

    Compressed pieces are looked for at every place, so that a page of Parquet counts that no footer leads to.
    """
    yield data
    if not depth:
        return
    pieces = [_zstd_frame(data[found.start() :]) for found in _ZSTD.finditer(data)]
    for found in _ZLIB.finditer(data):
        with contextlib.suppress(zlib.error):
            wbits = zlib.MAX_WBITS | (16 if found[0][0] == 0x1F else 0)
            pieces.append(zlib.decompressobj(wbits).decompress(data[found.start() :], _MOST_BYTES))
    if data[:4] == b"PAR1" == data[-4:]:  # a half-written one is searched as it is
        pieces.extend(_parquet(data))
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                pieces += [member.filename.encode(), member.comment, archive.read(member)]
    if data[:1] in (b"{", b"["):
        with contextlib.suppress(ValueError):
            pieces.append(b"\0".join(_values(json.loads(data))))
    for piece in pieces:
        if piece:
            yield from contents(piece, depth=depth - 1)


def _zstd_frame(data: bytes) -> bytes:
    """What the frame at the beginning holds; nothing if it is none."""
    descriptor = data[4] if len(data) > 4 else 0
    is_single = bool(descriptor & 0x20)
    start = 5 + (not is_single) + (0, 1, 2, 4)[descriptor & 3]
    width = ((1 if is_single else 0), 2, 4, 8)[descriptor >> 6]
    size = int.from_bytes(data[start : start + width], "little") + (256 if width == 2 else 0)
    stream = pa.CompressedInputStream(pa.BufferReader(data), "zstd")
    found = bytearray()
    with contextlib.suppress(OSError):  # bytes that only look like a frame, or what follows it
        if width and size <= _MOST_BYTES:
            return bytes(stream.read(size))
        while len(found) < _MOST_BYTES and (piece := stream.read(1)):  # a greater piece would be lost with the error
            found += piece
    return bytes(found)


def _parquet(data: bytes) -> Iterator[bytes]:
    """All values, and what the footer says: names, key-value metadata, the Arrow schema, statistics."""
    file = pq.ParquetFile(pa.BufferReader(data))
    for key, value in (file.metadata.metadata or {}).items():
        yield key
        yield value
        if key == b"ARROW:schema":
            yield base64.b64decode(value)
    statistics: list[object] = []
    for group_idx in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(group_idx)
        for column_idx in range(group.num_columns):
            found = group.column(column_idx).statistics
            if found is not None and found.has_min_max:
                statistics += [found.min, found.max]
    yield b"\0".join(_values(statistics))
    for batch in file.iter_batches():
        for column in batch.columns:
            yield b"\0".join(_values(column.to_pylist()))


def _values(value: object) -> Iterator[bytes]:
    """All texts, bytes and numbers of a document or column, in the forms that they may be searched in."""
    if isinstance(value, str):
        yield value.encode("utf-8", "surrogatepass")
    elif isinstance(value, bytes):
        yield value
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int):
        yield str(value).encode()
        yield struct.pack("<q", value) if -(1 << 63) <= value < 1 << 63 else b""
    elif isinstance(value, float):
        yield repr(value).encode()
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _values(key)
            yield from _values(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _values(item)
    else:
        yield str(value).encode()
