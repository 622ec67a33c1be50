"""Rows that hold the same."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from headrace.curation.applying import DROPPED
from headrace.curation.operator import operator
from headrace.curation.row_groups import compared_values, group_codes, ranks_in_groups, row_ids, sorted_positions
from headrace.curation.settings import Column

__all__ = ["exact_duplicates"]


def _compared_columns(settings: Mapping[str, object], schema: pa.Schema) -> list[str]:
    """Those of `by`; else the media columns, which have a digest; else all but the system's."""
    named = settings["by"]
    if isinstance(named, list) and named:
        return [str(name) for name in named]
    media = [
        field.name for field in schema if pa.types.is_struct(field.type) and field.type.get_field_index("digest") >= 0
    ]
    return media or [name for name in schema.names if not name.startswith("_")]


@operator(
    name="exact.duplicates",
    version=1,
    outputs={"duplicate_of": pa.string()},
    table=True,
    keys="by",
    reads=_compared_columns,
    library="pyarrow",
    oracle="pandas",
)
def exact_duplicates(
    rows: pa.Table,  # [num_rows], with `_id`
    *,
    by: list[Column] | None = None,
    order: list[Column] | None = None,
    descending: bool = False,
    drop: bool = True,
) -> pa.Table:  # [num_rows]
    """Of rows with equal values the first stays; the others say in `duplicate_of` which one that is, and leave.

    Media is compared by the digest of its bytes. A row with null or NaN in a compared column is nobody's duplicate.

    Args:
        by: Columns that are compared; by default all media columns, in a table without media all columns.
        order: Which row of equal ones is the first: the smallest values of these columns, then the smallest `_id`.
            Null and NaN come last.
        descending: The largest values come first instead, as for `order: [pixels]`.
        drop: False only marks the duplicates.
    """
    ids = row_ids(rows, operator="exact.duplicates")
    columns = _compared_columns({"by": by}, rows.schema)
    codes = group_codes(rows, columns)  # [num_rows]
    is_comparable = np.ones(rows.num_rows, dtype=np.bool_)
    for name in columns:
        is_comparable &= compared_values(rows.column(name)).is_valid().to_numpy(zero_copy_only=False)
    # Rows that equal nobody get groups of their own behind all others.
    codes = np.where(is_comparable, codes, np.arange(rows.num_rows) + rows.num_rows)
    codes = np.unique(codes, return_inverse=True)[1].reshape(-1)
    values = [compared_values(rows.column(name)) for name in order or []]
    positions = sorted_positions(values, ids, is_descending=descending)
    ranks = ranks_in_groups(positions, codes)
    first = np.empty(int(codes.max()) + 1 if len(codes) else 0, dtype=np.int64)
    kept = np.flatnonzero(ranks == 0)
    first[codes[kept]] = kept
    origins = ids.take(pa.array(first[codes], mask=ranks == 0)).cast(pa.string())  # [num_rows], null where it stays
    reasons = [None if origin is None else f"duplicate of {origin}" for origin in origins.to_pylist()] if drop else None
    dropped = pa.nulls(rows.num_rows, pa.string()) if reasons is None else pa.array(reasons, pa.string())
    return pa.table({"duplicate_of": origins, DROPPED: dropped})
