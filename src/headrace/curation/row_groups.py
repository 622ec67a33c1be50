"""Rows of a table that belong together because columns have equal values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.errors import InvalidInput

__all__ = ["compared_values", "group_codes", "ranks_in_groups", "row_ids", "sorted_positions"]

ROW_ID = "_id"


def row_ids(table: pa.Table, *, operator: str) -> pa.Array:
    """The ids of the rows, [num_rows]; they break ties, so that the order of rows never matters.

    Raises:
        InvalidInput: The table has no column `_id`, or an id is null.
    """
    if ROW_ID not in table.column_names:
        raise InvalidInput(f"{operator} needs the rows' ids: the table has no column {ROW_ID!r}")
    ids = table.column(ROW_ID).combine_chunks()
    if ids.null_count:
        raise InvalidInput(f"{operator}: {ids.null_count:,} rows have no {ROW_ID}")
    return ids


def compared_values(column: pa.ChunkedArray) -> pa.Array:
    """Values as they are compared, [num_rows]: media by digest, NaN as null, -0.0 as 0.0."""
    values = column.combine_chunks()
    if pa.types.is_struct(values.type) and values.type.get_field_index("digest") >= 0:
        return pc.struct_field(values, "digest")
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_floating(values.type):
        if pa.types.is_float16(values.type):  # few kernels know it
            values = values.cast(pa.float32())
        zero = pa.scalar(0.0, values.type)
        return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), pc.add(values, zero))
    return values


def group_codes(
    table: pa.Table,  # [num_rows]
    columns: Sequence[str],
) -> NDArray[np.int64]:  # [num_rows], from 0 and dense
    """A number for each row, equal where all columns are equal; null equals null. Without columns all rows are one.

    Raises:
        InvalidInput: A column whose values cannot be compared.
    """
    codes = np.zeros(table.num_rows, dtype=np.int64)
    for name in columns:
        values = compared_values(table.column(name))
        try:
            encoded = values.dictionary_encode(null_encoding="encode")
        except pa.ArrowNotImplementedError as error:
            raise InvalidInput(f"column {name!r} of type {values.type} cannot be compared; choose another") from error
        indices = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)  # [num_rows]
        # Numbered anew after each column, so that the product stays below the square of the rows.
        codes = np.unique(codes * len(encoded.dictionary) + indices, return_inverse=True)[1].reshape(-1)
    return codes


def sorted_positions(
    values: Sequence[pa.Array],  # each [num_rows]
    ids: pa.Array,  # [num_rows]
    *,
    is_descending: bool,
) -> NDArray[np.int64]:  # [num_rows]
    """Positions of the rows in the order of the values, then of the ids; nulls come last either way.

    Raises:
        InvalidInput: Values that have no order.
    """
    names = [f"v{idx}" for idx in range(len(values))]
    direction = "descending" if is_descending else "ascending"
    table = pa.table([*values, ids], names=[*names, "id"])
    keys = [(name, direction, "at_end") for name in names] + [("id", "ascending", "at_end")]
    try:
        found = pc.sort_indices(table, sort_keys=keys)
    except (pa.ArrowNotImplementedError, TypeError, pa.ArrowInvalid) as error:
        raise InvalidInput(f"values of type {', '.join(str(each.type) for each in values)} have no order") from error
    positions: NDArray[np.int64] = found.to_numpy().astype(np.int64)
    return positions


def ranks_in_groups(
    positions: NDArray[np.int64],  # [num_rows], rows in order
    codes: NDArray[np.int64],  # [num_rows], group of each row
) -> NDArray[np.int64]:  # [num_rows]
    """The place of each row among those of its group, from 0."""
    by_group = positions[np.argsort(codes[positions], kind="stable")]  # groups one after another, each in order
    counts = np.bincount(codes) if len(codes) else np.zeros(0, dtype=np.int64)
    starts = np.cumsum(counts) - counts  # [num_groups]
    ranks = np.empty(len(codes), dtype=np.int64)
    ranks[by_group] = np.arange(len(codes)) - np.repeat(starts, counts)
    return ranks
