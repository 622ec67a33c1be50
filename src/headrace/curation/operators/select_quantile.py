"""The rows whose values lie within a range of quantiles."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from headrace.curation.applying import DROPPED, DROPPED_THRESHOLD, DROPPED_VALUE
from headrace.curation.operator import operator
from headrace.curation.row_groups import compared_values
from headrace.curation.settings import Column
from headrace.errors import InvalidInput

__all__ = ["select_quantile"]

Share = Annotated[float, Field(ge=0, le=1)]


@operator(
    name="select.quantile",
    version=1,
    outputs={"share_below": pa.float64()},
    table=True,
    library="numpy",
    oracle="scipy.stats",
)
def select_quantile(
    rows: pa.Table,  # [num_rows]
    *,
    by: Column,
    lower: Share = 0.0,
    upper: Share = 1.0,
) -> pa.Table:  # [num_rows]
    """Rows with a value from the lower to the upper quantile stay, both included; each gets the share of values below.

    Quantiles lie between neighbouring values as `numpy.quantile` puts them by default (Hyndman and Fan's type 7). Rows
    whose value is null or NaN do not count and leave.

    Args:
        by: A column of numbers.
        lower: 0.1 leaves out the lowest tenth.
        upper: 0.9 leaves out the highest tenth.
    """
    if lower > upper:
        raise InvalidInput(f"select.quantile: lower is {lower} and upper {upper}; expected lower up to upper")
    column = compared_values(rows.column(by))
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)):
        raise InvalidInput(f"select.quantile: column {by!r} is of type {column.type}; expected numbers")
    has_value = column.is_valid().to_numpy(zero_copy_only=False)
    values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)  # [num_rows], NaN where null
    ranked = np.sort(values[has_value])
    if not len(ranked):
        reasons: list[str | None] = [f"{by} is null"] * rows.num_rows
        return pa.table({"share_below": pa.nulls(rows.num_rows, pa.float64()), DROPPED: pa.array(reasons, pa.string())})
    low, high = (float(cut) for cut in np.quantile(ranked, [lower, upper]))
    below = np.searchsorted(ranked, values, side="left") / len(ranked)  # [num_rows]
    is_low, is_high = values < low, values > high  # [num_rows], False where null
    reasons = [
        f"{by} is null"
        if not valued
        else f"{by} is below the {lower:g} quantile"
        if too_low
        else f"{by} is above the {upper:g} quantile"
        if too_high
        else None
        for valued, too_low, too_high in zip(has_value.tolist(), is_low.tolist(), is_high.tolist())
    ]
    leaves = is_low | is_high
    return pa.table(
        {
            "share_below": pa.array(below, mask=~has_value),
            DROPPED: pa.array(reasons, pa.string()),
            DROPPED_VALUE: pa.array(values, mask=~leaves),
            DROPPED_THRESHOLD: pa.array(np.where(is_low, low, high), mask=~leaves),
        }
    )
