"""Small pictures that are kept for each item, so that pairs can be compared without reading their files again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL.Image import Resampling, fromarray

from headrace.errors import InvalidInput

__all__ = ["THUMBNAIL_BYTES", "THUMBNAIL_TYPE", "ThumbnailColumn", "Thumbnails", "thumbnail_numbers", "thumbnail_of"]

_SIDE: Final = 64
_COLOUR_SIDE: Final = 32
THUMBNAIL_BYTES: Final = _SIDE * _SIDE + 2 * _COLOUR_SIDE * _COLOUR_SIDE
"""Bytes of a thumbnail: luma 64 x 64, then Cb and Cr 32 x 32 each, row by row"""
_NUMBERS: Final = THUMBNAIL_BYTES // 8
THUMBNAIL_TYPE: Final = pa.list_(pa.uint64(), _NUMBERS)
"""In columns: eight bytes a number, the first byte in the lowest place. Lakes store no plain bytes."""


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
        column: pa.ChunkedArray,  # [num_rows], of THUMBNAIL_TYPE or lists of such numbers
        rows: NDArray[np.int64],  # [num_items], of which none is null
        name: str,
    ) -> None:
        kind = column.type
        is_list = pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)
        is_right = is_list and kind.value_type == pa.uint64()
        if not is_right or not pc.all(pc.equal(pc.list_value_length(column), _NUMBERS)).as_py():
            raise InvalidInput(
                f"identity.assign: column {name!r} holds {kind}; expected thumbnails of {_NUMBERS} numbers, as "
                "image.thumbnail gives them"
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
        found = np.empty((len(items), _NUMBERS), dtype=np.uint64)
        chunks = self._chunk_of[items]
        for number in np.unique(chunks).tolist():
            wanted = np.flatnonzero(chunks == number)
            chunk = self._chunks[number]
            starts = chunk.starts[self._place_of[items[wanted]]]
            found[wanted] = chunk.numbers[starts[:, None] + np.arange(_NUMBERS)]
        return found.astype("<u8", copy=False).view(np.uint8)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Arrow's own memory: numbers one after another, and where those of each row begin."""

    numbers: NDArray[np.uint64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, chunk: Any) -> _Chunk:  # the stubs know no lists of fixed size
        if pa.types.is_fixed_size_list(chunk.type):
            starts = (np.arange(len(chunk)) + chunk.offset) * _NUMBERS
        else:
            starts = chunk.offsets.to_numpy()[: len(chunk)].astype(np.int64)
        numbers = chunk.values
        # By the buffer: `to_numpy` makes floats of numbers among which there are nulls.
        values = np.frombuffer(numbers.buffers()[1] or b"", dtype=np.uint64)
        return cls(values[numbers.offset : numbers.offset + len(numbers)], starts)


def thumbnail_of(
    pixels: NDArray[np.uint8],  # [height, width, 3]
) -> bytes:
    """The whole picture drawn to a square, averaged by area: `THUMBNAIL_BYTES` bytes, the same on any machine."""
    planes = fromarray(pixels).convert("YCbCr").split()
    sides = (_SIDE, _COLOUR_SIDE, _COLOUR_SIDE)
    return b"".join(plane.resize((side, side), Resampling.BOX).tobytes() for plane, side in zip(planes, sides))


def thumbnail_numbers(thumbnail: bytes) -> list[int]:
    """A thumbnail as columns hold it."""
    return [int(each) for each in np.frombuffer(thumbnail, dtype="<u8")]
