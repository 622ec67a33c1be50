"""What rows say of a field that is voted on: one entry for each value, however the column holds them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["SaidValues", "said_values"]


@dataclass(frozen=True, slots=True)
class SaidValues:
    """Entries; nulls in lists are none."""

    rows: NDArray[np.int64]  # [num_entries], position of the row
    values: pa.Array  # [num_entries]
    shares: NDArray[np.float64] | None  # [num_entries], how sure the source is; None: entirely. NaN where null


def said_values(column: pa.Array) -> SaidValues:
    """The entries of a column, [num_rows]: lists of values, lists of structs of value and score, or single values."""
    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        valid = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))  # [num_entries]
        return SaidValues(valid.astype(np.int64), column.drop_null(), None)
    rows = pc.list_parent_indices(column).to_numpy(zero_copy_only=False).astype(np.int64)  # [num_items]
    items = pc.list_flatten(column)  # [num_items]
    scores = None
    if pa.types.is_struct(items.type):
        fields = [items.type.field(idx) for idx in range(items.type.num_fields)]
        score = next(field.name for field in fields if pa.types.is_floating(field.type))
        name = next(field.name for field in fields if not pa.types.is_floating(field.type))
        scores, items = pc.struct_field(items, score), pc.struct_field(items, name)
    if items.null_count:
        valid = items.is_valid()
        rows, items = rows[valid.to_numpy(zero_copy_only=False)], items.filter(valid)
        scores = None if scores is None else scores.filter(valid)
    shares = None if scores is None else scores.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return SaidValues(rows, items, shares)
