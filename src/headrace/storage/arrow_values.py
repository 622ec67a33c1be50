"""Values for Arrow's functions and out of them, without what imports pandas at its first use.

`pa.array`, `pa.scalar`, `Array.to_numpy` and `Schema.empty_table` do. It takes 0.3 to 0.9 s, a good part of what a
short-lived worker lives.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

__all__ = ["places", "row_numbers", "zero"]

_WIDEST_BYTES = 8  # of a floating type


def row_numbers(rows: np.ndarray) -> pa.Array:
    """Rows, int64 [num_rows], for Arrow's `take`."""
    return pa.Array.from_buffers(pa.int64(), len(rows), [None, pa.py_buffer(np.ascontiguousarray(rows, np.int64))])


def places(
    indices: pa.UInt64Array,  # [num_rows], without nulls
) -> np.ndarray:  # int64 [num_rows]
    """What `sort_indices` gives, as NumPy has it."""
    return np.frombuffer(indices.buffers()[1], np.int64, count=len(indices), offset=8 * indices.offset)


def zero(type_: pa.DataType) -> pa.Scalar:
    """0.0 of a floating type."""
    return pa.Array.from_buffers(type_, 1, [None, pa.py_buffer(bytes(_WIDEST_BYTES))])[0]
