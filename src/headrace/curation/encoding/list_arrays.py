"""Lists of numbers as the arrays that a model takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.curation.results import OperatorUnusable

__all__ = ["list_arrays"]


def list_arrays(
    values: pa.Array,  # [num_rows], lists of numbers, also in each other
    *,
    shape: Sequence[int],
    operator: str,
) -> list[NDArray[Any] | str | None]:
    """For each row its numbers, float32 [*shape], or why they cannot be used; None of null.

    Raises:
        OperatorUnusable: The column holds no lists of numbers.
    """
    kind = values.type
    while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind = kind.value_type
    if kind == values.type or not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        raise OperatorUnusable(f"{operator} reads lists of numbers, and the column holds {values.type}")
    count = math.prod(shape)
    found: list[NDArray[Any] | str | None] = []
    for idx in range(len(values)):
        row = values[idx : idx + 1]
        if row.null_count:
            found.append(None)
            continue
        while not (pa.types.is_floating(row.type) or pa.types.is_integer(row.type)):
            row = row.flatten()
        if len(row) != count:
            found.append(f"it has {len(row)} numbers, and input_shape is {list(shape)}: {count}")
        elif row.null_count:
            found.append("there is a null among its numbers")
        else:
            numbers = row.to_numpy(zero_copy_only=False).astype(np.float32)
            is_usable = bool(np.isfinite(numbers).all())
            found.append(numbers.reshape(tuple(shape)) if is_usable else "there is NaN or infinity in it")
    return found
