"""Of each cluster one row stays: which one, and what is told of the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.curation.applying import DROPPED, DROPPED_THRESHOLD, DROPPED_VALUE
from headrace.curation.row_groups import compared_values, ranks_in_groups, sorted_positions
from headrace.errors import InvalidInput

__all__ = ["Action", "Keep", "KeptRows", "keep_columns", "keep_rows"]

Action = Literal["drop", "mark"]
Keep = Literal["first"] | dict[Literal["column", "order"], str]
"""Setting: "first", or such as {column: blur, order: highest}."""

_ORDERS = ("highest", "lowest")


def keep_columns(keep: object) -> list[str]:
    """The column by which the row that stays is chosen, if there is one.

    Raises:
        InvalidInput: `keep` lacks a column, or its order is none.
    """
    named = _best_by(keep)
    return [] if named is None else [named[0]]


@dataclass(frozen=True, slots=True)
class KeptRows:
    """Rows and the row of their cluster that stays.

    Attributes:
        ids: Of the rows, [num_rows].
        kept: The row that stays of each row's cluster, itself where it is alone, [num_rows].
        is_alone: It has no duplicates, [num_rows].
    """

    ids: pa.Array
    kept: NDArray[np.int64]
    is_alone: NDArray[np.bool_]

    def result(
        self,
        measured: NDArray[Any],  # [num_rows], between each row and the one that stays
        *,
        name: str,
        threshold: float,
        is_near: Callable[[NDArray[Any]], NDArray[np.bool_]],
        action: Action,
    ) -> pa.Table:  # [num_rows]
        """Columns `cluster` and `name`, and why rows leave.

        Args:
            name: Of the column with what was measured.
            is_near: Whether a measured value alone makes a duplicate; where it does not, other rows lie between.
        """
        is_other = self.kept != np.arange(len(self.kept))  # [num_rows], leaves
        texts = self.ids.cast(pa.string())
        clusters = texts.take(pa.array(self.kept, mask=self.is_alone))
        columns: dict[str, Any] = {"cluster": clusters, name: pa.array(measured, mask=self.is_alone)}
        if action == "drop":
            origins = texts.take(pa.array(self.kept, mask=~is_other))
            ends = pa.array(np.where(is_near(measured), "", " through others").tolist(), pa.string())
            columns[DROPPED] = pc.binary_join_element_wise("duplicate of ", origins, ends, "")
            columns[DROPPED_VALUE] = pa.array(measured, mask=~is_other)
            columns[DROPPED_THRESHOLD] = pa.array(np.full(len(is_other), threshold), mask=~is_other)
        return pa.table(columns)


def keep_rows(
    table: pa.Table,  # [num_rows]
    ids: pa.Array,  # [num_rows]
    clusters: NDArray[np.int64],  # [num_rows], a row of the cluster, the same for all of it
    *,
    keep: Keep,
) -> KeptRows:
    """Choose the row that stays: the first of the table, or the best by a column, of equal ones the smallest `_id`.

    Null and NaN are worse than any value.
    """
    named = _best_by(keep)
    if named is None:
        positions = np.arange(table.num_rows)
    else:
        values = compared_values(table.column(named[0]))
        positions = sorted_positions([values], ids, is_descending=named[1] == "highest")
    ranks = ranks_in_groups(positions, clusters)
    best = np.zeros(table.num_rows, dtype=np.int64)  # [num_rows], at the row that names the cluster
    winners = np.flatnonzero(ranks == 0)
    best[clusters[winners]] = winners
    sizes = np.bincount(clusters, minlength=table.num_rows)
    return KeptRows(ids, best[clusters], sizes[clusters] == 1)


def _best_by(keep: object) -> tuple[str, str] | None:
    if not isinstance(keep, dict):
        return None
    order = keep.get("order", "highest")
    if "column" not in keep or order not in _ORDERS:
        raise InvalidInput(
            f"keep is {keep!r}; expected first, or a column and an order (highest or lowest), such as "
            "{column: blur, order: highest}"
        )
    return str(keep["column"]), str(order)
