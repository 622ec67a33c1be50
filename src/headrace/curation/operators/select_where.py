"""Rows for which an expression is true."""

from __future__ import annotations

import pyarrow as pa

from headrace.curation.applying import DROPPED
from headrace.curation.operator import operator
from headrace.curation.settings import Condition
from headrace.datasets.filters import Filter

__all__ = ["select_where"]


@operator(
    name="select.where",
    version=1,
    outputs={},
    table=True,
    is_rowwise=True,
    library="duckdb",
    oracle="pandas",
    gil_free=True,
)
def select_where(
    rows: pa.Table,  # [num_rows]
    *,
    where: Condition,
) -> pa.Table:  # [num_rows]
    """Rows for which the expression is true stay; false and null leave.

    The same expressions as in `dataset.select(where=...)`: DuckDB's operators and functions over the row's columns, and
    nothing that reads files, the clock or other rows.

    Args:
        where: Such as "blur >= 30 AND width > 64".
    """
    keep = Filter.parse(where, rows.schema).mask(rows)  # [num_rows]
    reason = f"not where {where}"
    return pa.table({DROPPED: pa.array([None if kept else reason for kept in keep.tolist()], pa.string())})
