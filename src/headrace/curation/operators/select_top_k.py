"""The rows with the largest or smallest values."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from headrace.curation.applying import DROPPED, DROPPED_THRESHOLD, DROPPED_VALUE
from headrace.curation.operator import operator
from headrace.curation.row_groups import compared_values, group_codes, ranks_in_groups, row_ids, sorted_positions
from headrace.curation.settings import Column

__all__ = ["select_top_k"]


@operator(
    name="select.top_k",
    version=1,
    outputs={"rank": pa.int64()},
    table=True,
    keys="per",
    library="pyarrow",
    oracle="pandas",
)
def select_top_k(
    rows: pa.Table,  # [num_rows], with `_id`
    *,
    by: Column,
    k: Annotated[int, Field(ge=0)],
    largest: bool = True,
    per: list[Column] | None = None,
) -> pa.Table:  # [num_rows]
    """The `k` rows with the largest values stay, of all or of each group; each row gets its rank from 1.

    Equal values go by `_id`, the smallest first. Rows whose value is null or NaN leave and have no rank.

    Args:
        by: The column whose values are ranked: numbers, times or text.
        k: Rows to keep; of each group where `per` is given. So it also caps how often a value may occur.
        largest: False keeps the smallest.
        per: Columns whose equal values make a group.
    """
    ids = row_ids(rows, operator="select.top_k")
    values = compared_values(rows.column(by))
    positions = sorted_positions([values], ids, is_descending=largest)
    codes = group_codes(rows, per or [])  # [num_rows]
    ranks = ranks_in_groups(positions, codes) + 1  # [num_rows]
    has_value = values.is_valid().to_numpy(zero_copy_only=False)
    which = f"{k} {'largest' if largest else 'smallest'}{' of its group' if per else ''}"
    reasons = [
        f"{by} is null" if not valued else f"{by} is not among the {which}" if rank > k else None
        for rank, valued in zip(ranks.tolist(), has_value.tolist())
    ]
    columns = {"rank": pa.array(ranks, mask=~np.asarray(has_value)), DROPPED: pa.array(reasons, pa.string())}
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        last = np.full(int(codes.max()) + 1 if len(codes) else 0, -1, dtype=np.int64)  # [num_groups], who has rank k
        holders = np.flatnonzero(ranks == k)
        last[codes[holders]] = holders
        stays = pa.array((ranks <= k) | ~np.asarray(has_value))
        cuts = values.take(pa.array(last[codes], mask=last[codes] < 0))  # [num_rows]
        nothing = pa.scalar(None, values.type)
        columns[DROPPED_VALUE] = pc.if_else(stays, nothing, values)
        columns[DROPPED_THRESHOLD] = pc.if_else(stays, nothing, cuts)
    return pa.table(columns)
