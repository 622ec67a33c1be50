"""Small pictures that are kept for each item, so that pairs can be compared without reading their files again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL.Image import Resampling, fromarray

from headrace.errors import InvalidInput

__all__ = ["THUMBNAIL_BYTES", "ThumbnailColumn", "Thumbnails", "thumbnail_of"]

_SIDE: Final = 64
_COLOUR_SIDE: Final = 32
THUMBNAIL_BYTES: Final = _SIDE * _SIDE + 2 * _COLOUR_SIDE * _COLOUR_SIDE
"""Bytes of a thumbnail: luma 64 x 64, then Cb and Cr 32 x 32 each, row by row"""


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """Several, as numbers from 0 to 255.

    Attributes:
        luma: [num_items, 64, 64]
        colours: Cb and Cr, [num_items, 2, 32, 32]
    """

    luma: NDArray[np.float32]
    colours: NDArray[np.float32]

    @classmethod
    def of_bytes(
        cls,
        values: NDArray[np.uint8],  # [num_items, THUMBNAIL_BYTES]
    ) -> Thumbnails:
        """From what `thumbnail_of` gave."""
        luma, colours = values[:, : _SIDE * _SIDE], values[:, _SIDE * _SIDE :]
        return cls(
            luma.astype(np.float32).reshape(-1, _SIDE, _SIDE),
            colours.astype(np.float32).reshape(-1, 2, _COLOUR_SIDE, _COLOUR_SIDE),
        )


class ThumbnailColumn:
    """Thumbnails of some rows of a table, copied only when they are looked at: a million of them are 6 GB.

    Raises:
        InvalidInput: The column holds something else.
    """

    def __init__(
        self,
        column: pa.ChunkedArray,  # [num_rows]
        rows: NDArray[np.int64],  # [num_items], of which none is null
        name: str,
    ) -> None:
        kind = column.type
        is_binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
        if not is_binary or not pc.all(pc.equal(pc.binary_length(column), THUMBNAIL_BYTES)).as_py():
            raise InvalidInput(
                f"identity.assign: column {name!r} holds {column.type}; expected thumbnails of {THUMBNAIL_BYTES:,} "
                "bytes, as image.thumbnail gives them"
            )
        self._chunks = [_Chunk.of(chunk) for chunk in column.chunks]
        ends = np.cumsum([len(chunk) for chunk in column.chunks], dtype=np.int64)
        self._chunk_of = np.searchsorted(ends, rows, side="right")  # [num_items]
        self._place_of = rows - np.concatenate([[0], ends])[self._chunk_of]  # [num_items]

    def of(
        self,
        items: NDArray[np.int64],  # [num_chosen]
    ) -> NDArray[np.uint8]:  # [num_chosen, THUMBNAIL_BYTES]
        """The bytes of some items."""
        found = np.empty((len(items), THUMBNAIL_BYTES), dtype=np.uint8)
        chunks = self._chunk_of[items]
        for number in np.unique(chunks).tolist():
            wanted = np.flatnonzero(chunks == number)
            chunk = self._chunks[number]
            starts = chunk.starts[self._place_of[items[wanted]]]
            found[wanted] = chunk.numbers[starts[:, None] + np.arange(THUMBNAIL_BYTES)]
        return found


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Arrow's own memory: bytes one after another, and where those of each row begin."""

    numbers: NDArray[np.uint8]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, chunk: pa.Array) -> _Chunk:
        if pa.types.is_fixed_size_binary(chunk.type):
            numbers = np.frombuffer(chunk.buffers()[1] or b"", dtype=np.uint8)
            return cls(numbers, (np.arange(len(chunk), dtype=np.int64) + chunk.offset) * THUMBNAIL_BYTES)
        _, offsets, data = chunk.buffers()
        width = np.int64 if pa.types.is_large_binary(chunk.type) else np.int32
        starts = np.frombuffer(offsets, dtype=width)[chunk.offset : chunk.offset + len(chunk)]
        return cls(np.frombuffer(data or b"", dtype=np.uint8), starts.astype(np.int64))


def thumbnail_of(
    pixels: NDArray[np.uint8],  # [height, width, 3]
) -> bytes:
    """The whole picture drawn to a square, averaged by area: `THUMBNAIL_BYTES` bytes, the same on any machine."""
    planes = fromarray(pixels).convert("YCbCr").split()
    sides = (_SIDE, _COLOUR_SIDE, _COLOUR_SIDE)
    return b"".join(plane.resize((side, side), Resampling.BOX).tobytes() for plane, side in zip(planes, sides))
