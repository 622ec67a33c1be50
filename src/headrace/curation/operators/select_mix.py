"""Sources mixed by weight."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from headrace.curation.applying import DROPPED
from headrace.curation.drawing import draw_order, quotas
from headrace.curation.operator import operator
from headrace.curation.row_groups import ranks_in_groups, row_ids
from headrace.curation.settings import Column
from headrace.errors import InvalidInput
from headrace.schema.near_misses import near_miss_or_known

__all__ = ["select_mix"]

Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@operator(
    name="select.mix",
    version=1,
    outputs={},
    table=True,
    library="numpy, blake3",
    oracle="quota rule",
)
def select_mix(
    rows: pa.Table,  # [num_rows], with `_id`
    *,
    by: Column,
    weights: dict[str, Weight],
    num_rows: Annotated[int, Field(ge=0)] | None = None,
    seed: int = 0,
) -> pa.Table:  # [num_rows]
    """Rows of several sources stay in the proportion of their weights; no row is repeated.

    Which rows of a source stay follows from `_id` and seed alone: a run on another machine, or with rows in another
    order, draws the same. Fractions go to the largest remainders, of equal ones to the source named first.

    Args:
        by: The column that says which source a row is of; its values are compared as text.
        weights: For each source, as numbers of any sum; rows of a source without one leave.
        num_rows: Rows to keep in all; by default as many as the scarcest source allows. Where a source has too few
            for it, that is an error, because the proportion would be another.
        seed: Another seed draws other rows.

    Raises:
        InvalidInput: No weights, a source of which there are no rows, or too few.
    """
    if not weights:
        raise InvalidInput(
            "select.mix: weights is empty; expected a weight for each source, such as {photos: 3, scans: 1}"
        )
    ids = row_ids(rows, operator="select.mix")
    sources = [None if value is None else str(value) for value in rows.column(by).to_pylist()]
    numbers = {name: idx for idx, name in enumerate(weights)}
    codes = np.array([numbers.get(source, -1) if source is not None else -1 for source in sources], dtype=np.int64)
    is_weighted = codes >= 0  # [num_rows]
    counts = np.bincount(codes[is_weighted], minlength=len(weights)).tolist()  # [num_sources]
    taken = np.array(_taken(weights, counts, sources, num_rows), dtype=np.int64)  # [num_sources]
    order = draw_order(ids, seed=seed)
    # The rows without weight come last as a group of their own.
    ranks = ranks_in_groups(order, np.where(is_weighted, codes, len(weights)))
    is_kept = is_weighted & (ranks < taken[codes])
    reasons = [
        None
        if kept
        else f"source {source!r} has no weight"
        if code < 0
        else f"not drawn: {taken[code]} of {counts[code]} rows of {source!r}"
        for kept, code, source in zip(is_kept.tolist(), codes.tolist(), sources)
    ]
    return pa.table({DROPPED: pa.array(reasons, pa.string())})


def _taken(weights: dict[str, float], counts: list[int], sources: list[str | None], num_rows: int | None) -> list[int]:
    """Rows of each source, [num_sources]."""
    shares = [Fraction(repr(float(weight))) for weight in weights.values()]  # as they print: 0.1 is one tenth
    total = sum(shares, Fraction(0))
    empty = [name for name, count in zip(weights, counts) if not count]
    if empty and sources:
        hint = near_miss_or_known(empty[0], {source for source in sources if source is not None})
        raise InvalidInput(f"select.mix: there are no rows of source {empty[0]!r}, which has a weight.{hint}")
    if num_rows is None:
        num_rows = min(math.floor(count * total / share) for count, share in zip(counts, shares))
        # Rounding up a remainder may ask for one row more than there is.
        while any(part > count for part, count in zip(_unlimited(shares, num_rows), counts)):
            num_rows -= 1
    taken = _unlimited(shares, num_rows)
    for name, part, count in zip(weights, taken, counts):
        if part > count:
            raise InvalidInput(
                f"select.mix: {num_rows:,} rows in this proportion take {part:,} of {name!r}, and there are {count:,}; "
                "leave num_rows out for as many as there can be"
            )
    return taken


def _unlimited(shares: list[Fraction], num_rows: int) -> list[int]:
    return quotas(shares, limits=[num_rows + 1] * len(shares), num_rows=num_rows)
