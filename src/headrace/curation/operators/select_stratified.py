"""A sample in which each group has its part."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from headrace.curation.applying import DROPPED
from headrace.curation.drawing import draw_order, quotas
from headrace.curation.operator import operator
from headrace.curation.row_groups import group_codes, ranks_in_groups, row_ids
from headrace.curation.settings import Column

__all__ = ["select_stratified"]


@operator(
    name="select.stratified",
    version=1,
    outputs={},
    table=True,
    library="numpy, blake3",
    oracle="sklearn",
)
def select_stratified(
    rows: pa.Table,  # [num_rows], with `_id`
    *,
    by: list[Column],
    num_rows: Annotated[int, Field(ge=0)],
    allocation: Literal["proportional", "equal"] = "proportional",
    seed: int = 0,
) -> pa.Table:  # [num_rows]
    """`num_rows` rows stay, drawn from groups: as large as the groups are, or the same number of each.

    A group's part is rounded to the largest remainders, of equal ones to the group whose first row by `_id` comes
    first. Which rows of a group stay follows from `_id` and seed alone: a larger part holds the smaller one.

    Args:
        by: Columns whose equal values make a group; null is a value.
        num_rows: Rows to keep; all, if there are fewer.
        allocation: "equal" takes as many of each group; of a group that has too few all, and more of the others.
        seed: Another seed draws other rows.
    """
    ids = row_ids(rows, operator="select.stratified")
    codes = _by_first_id(group_codes(rows, by), ids)
    counts = np.bincount(codes).tolist() if len(codes) else []  # [num_groups]
    shares = [Fraction(count if allocation == "proportional" else 1) for count in counts]
    taken = np.array(quotas(shares, limits=counts, num_rows=num_rows), dtype=np.int64)  # [num_groups]
    ranks = ranks_in_groups(draw_order(ids, seed=seed), codes)
    is_kept = ranks < taken[codes] if len(codes) else np.zeros(0, dtype=np.bool_)
    reasons = [
        None if kept else f"not drawn: {taken[code]} of {counts[code]} rows of its group"
        for kept, code in zip(is_kept.tolist(), codes.tolist())
    ]
    return pa.table({DROPPED: pa.array(reasons, pa.string())})


def _by_first_id(codes: np.ndarray, ids: pa.Array) -> np.ndarray:
    """The groups numbered by their smallest id, so that ties do not depend on the order of rows: [num_rows]."""
    order = pc.sort_indices(ids).to_numpy().astype(np.int64)
    _, first = np.unique(codes[order], return_index=True)  # [num_groups], place of the first row by id
    numbers = np.empty(len(first), dtype=np.int64)
    numbers[np.argsort(first)] = np.arange(len(first))
    found: np.ndarray = numbers[codes] if len(codes) else codes
    return found
