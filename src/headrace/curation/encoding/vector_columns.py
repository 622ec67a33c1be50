"""Vectors and latents as Arrow columns: lists of fixed size in each other, so that the type says the shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["vector_array", "vector_type"]


def vector_type(shape: Sequence[int], dtype: str) -> pa.DataType:
    """`fixed_size_list<float>[512]` for [512]; for [4, 64, 64] lists of 64 in lists of 64 in lists of 4."""
    kind = {"float32": pa.float32(), "float16": pa.float16()}[dtype]
    for size in reversed(shape):
        kind = pa.list_(kind, size)
    return kind


def vector_array(
    values: NDArray[Any],  # [num_rows, *shape]
    is_valid: NDArray[np.bool_],  # [num_rows]
) -> pa.Array:
    """A column of `vector_type`, null where a row is not valid; [num_rows]."""
    array = pa.array(np.ascontiguousarray(values).reshape(-1))
    for size in reversed(values.shape[2:]):
        array = pa.FixedSizeListArray.from_arrays(array, size)
    return pa.FixedSizeListArray.from_arrays(array, values.shape[1], mask=pa.array(~is_valid))
