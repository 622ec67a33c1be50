"""What the dedup operators have in common: which rows are compared, which of a cluster stays, what is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.curation.dedup.kept_rows import Action, Keep, keep_rows
from headrace.curation.dedup.scope import Scope, comparison_scope
from headrace.curation.row_groups import row_ids

__all__ = ["DuplicateRules", "Likeness", "mark_duplicates"]


@dataclass(frozen=True, slots=True)
class DuplicateRules:
    """The settings that all dedup operators have; their docstrings say what each means."""

    operator: str  # for messages
    within: str | None
    across: str | None
    keep: Keep
    action: Action


class Likeness(Protocol):
    """What an operator compares rows by. Rows are positions in the table."""

    name: str
    """The column with what is measured"""
    threshold: float
    """From which on, or up to which, rows are near"""

    def clusters(
        self,
        rows: NDArray[np.int64],  # [num_compared], ascending
        scope: Scope,  # of these rows
    ) -> NDArray[np.int64]:  # [num_compared], positions in `rows`
        """The smallest of each one's cluster."""
        ...

    def measured(
        self,
        left: NDArray[np.int64],  # [num_pairs]
        right: NDArray[np.int64],  # [num_pairs]
    ) -> NDArray[Any]:  # [num_pairs]
        """How near rows are; of a row and itself too."""
        ...

    def is_near(
        self,
        measured: NDArray[Any],  # [num_pairs]
    ) -> NDArray[np.bool_]:  # [num_pairs]
        """Whether they are near by themselves, and not through others."""
        ...


def mark_duplicates(
    rows: pa.Table,  # [num_rows], with `_id`
    is_compared: NDArray[np.bool_],  # [num_rows]; other rows are nobody's duplicates
    likeness: Likeness,
    *,
    rules: DuplicateRules,
) -> pa.Table:  # [num_rows]
    """Columns `cluster` and that of the likeness, and why rows leave.

    Raises:
        InvalidInput: Settings that make no sense, or rows without ids.
    """
    ids = row_ids(rows, operator=rules.operator)
    scope = comparison_scope(rows, within=rules.within, across=rules.across, operator=rules.operator)
    compared = np.flatnonzero(is_compared)
    clusters = np.arange(rows.num_rows)
    clusters[compared] = compared[likeness.clusters(compared, scope.of(compared))]
    kept = keep_rows(rows, ids, clusters, keep=rules.keep)
    return kept.result(
        likeness.measured(np.arange(rows.num_rows), kept.kept),
        name=likeness.name,
        threshold=likeness.threshold,
        is_near=likeness.is_near,
        action=rules.action,
    )
