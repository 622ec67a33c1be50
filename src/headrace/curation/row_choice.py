"""Which rows stand for many: a function of their ids alone, the same on any machine and in any order of rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["choose_rows", "id_hashes"]

_SEED = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


def choose_rows(parts: Iterable[pa.Array | pa.ChunkedArray], *, num_rows: int) -> list[tuple[int, int]]:
    """(part, row in it) of the rows whose ids have the lowest hashes, in the order of the rows.

    Rows that come or go do not change the choice among the others, so two runs show the same samples.

    Args:
        parts: The ids part by part, each [num_rows of the part].
        num_rows: At most so many.
    """
    best: list[tuple[int, str, int, int]] = []  # hash, id, part, row
    for part, column in enumerate(parts):
        ids = _whole(column)
        hashes = id_hashes(ids)  # [num_rows]
        count = min(num_rows, len(hashes))
        if not count:
            continue
        limit = np.partition(hashes, count - 1)[count - 1]
        lowest = np.flatnonzero(hashes <= limit)
        best += [(int(hashes[row]), str(ids[row].as_py()), part, int(row)) for row in lowest[: 64 * num_rows]]
        best = sorted(best)[:num_rows]
    return sorted((part, row) for _, _, part, row in best)


def id_hashes(ids: pa.Array) -> NDArray[np.uint64]:
    """Evenly spread hashes of texts, [num_rows]; null is like the empty text.

    A multilinear hash of the UTF-8 bytes and their number, mixed by the finalizer of splitmix64: a Python loop over a
    million ids takes a second, this 50 ms.
    """
    texts = ids.cast(pa.large_string()).fill_null("")
    num_rows = len(texts)
    if not num_rows:
        return np.zeros(0, dtype=np.uint64)
    buffers: Any = texts.buffers()
    offsets = np.frombuffer(buffers[1], dtype=np.int64)[texts.offset : texts.offset + num_rows + 1]
    lengths = np.diff(offsets)  # bytes, [num_rows]
    sums = np.zeros(num_rows, dtype=np.uint64)
    filled = np.flatnonzero(lengths)
    if len(filled):
        data = np.frombuffer(buffers[2], dtype=np.uint8)[offsets[0] : offsets[-1]]
        places = np.arange(len(data)) - np.repeat(offsets[:-1] - offsets[0], lengths)  # in its text, [num_bytes]
        weights = _mixed(np.arange(int(lengths.max()), dtype=np.uint64) + np.uint64(1)) | np.uint64(1)
        products = (data.astype(np.uint64) + np.uint64(1)) * weights[places]
        sums[filled] = np.add.reduceat(products, (offsets[:-1] - offsets[0])[filled])
    return _mixed(sums + lengths.astype(np.uint64))


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of splitmix64; products wrap round, as hashes do."""
    hashes = values * np.uint64(_SEED & _MASK)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        hashes = (hashes ^ (hashes >> np.uint64(shift))) * np.uint64(factor)
    return hashes


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    found = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(found, pa.ChunkedArray):
        return pa.concat_arrays(found.chunks) if found.num_chunks else pa.array([], found.type)
    return found
