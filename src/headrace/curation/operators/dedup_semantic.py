"""Rows whose embeddings point nearly the same way."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from headrace.curation.dedup.duplicate_rows import DuplicateRules, mark_duplicates
from headrace.curation.dedup.kept_rows import Action, Keep
from headrace.curation.dedup.near_vectors import near_vector_clusters
from headrace.curation.dedup.read_columns import read_columns
from headrace.curation.dedup.scope import Scope
from headrace.curation.dedup.unit_vectors import cosines, unit_vectors
from headrace.curation.dedup.vector_products import available_products
from headrace.curation.operator import operator

__all__ = ["dedup_semantic"]


@operator(
    name="dedup.semantic",
    version=1,
    outputs={"cluster": pa.string(), "similarity": pa.float64()},
    table=True,
    reads=read_columns,
    library="numpy",
    oracle="scipy",
)
def dedup_semantic(
    rows: pa.Table,  # [num_rows], with `_id`
    *,
    column: str = "embedding",
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.95,
    num_cells: Annotated[int, Field(ge=1)] | None = None,
    num_probes: Annotated[int, Field(ge=1, le=16)] = 2,
    seed: int = 0,
    within: str | None = None,
    across: str | None = None,
    keep: Keep = "first",
    action: Action = "drop",
) -> pa.Table:  # [num_rows]
    """Of rows whose embeddings point nearly the same way one stays: k-means, then cosines inside of its cells.

    Rows are linked by pairs whose cosine is at least `threshold`, and what is linked is one cluster, also through other
    rows. Each vector is compared in the cells of its `num_probes` nearest centroids; a pair that shares no cell is
    missed. `cluster` is the `_id` of the row that stays, null for a row without duplicates; `similarity` is the cosine
    of a row and that one. A row without embedding (null, zeros, NaN or infinity in it) is nobody's duplicate.

    Products are computed in float32, by torch where it is installed and there is a GPU. What float32 cannot decide is
    computed in float64 on the CPU, so the decisions are the same.

    Source: Abbas and others, SemDeDup, 2023.

    Args:
        column: Lists of floats, all of one length; they need not be of length 1.
        threshold: Cosine from which on rows are duplicates.
        num_cells: Centroids of the k-means; by default the square root of the number of rows. With 1 all rows are
            compared with all.
        num_probes: Cells in which a row is compared; more find more pairs at the borders of cells.
        seed: Another seed draws other rows for the k-means.
        within: Only rows with equal values of this column are compared, such as the source.
        across: Only rows with different values of this column are compared: duplicates inside a source stay, unless one
            of another source is near to them.
        keep: Which row stays: "first" is the first in the order of rows; {column: score, order: highest} or lowest the
            best by a column, of equal ones the smallest `_id`.
        action: "mark" drops nothing, so that clusters can be looked at.
    """
    vectors, is_valid = unit_vectors(rows.column(column).combine_chunks(), subject=f"dedup.semantic: column {column!r}")
    likeness = _VectorLikeness(vectors, threshold, num_cells=num_cells, num_probes=num_probes, seed=seed)
    rules = DuplicateRules("dedup.semantic", within, across, keep, action)
    return mark_duplicates(rows, is_valid, likeness, rules=rules)


class _VectorLikeness:
    """By cosines, see `Likeness`."""

    name = "similarity"

    def __init__(
        self, vectors: NDArray[np.float32], threshold: float, *, num_cells: int | None, num_probes: int, seed: int
    ) -> None:
        self._vectors = vectors  # [num_rows, num_dimensions]
        self.threshold = threshold
        self._num_cells, self._num_probes, self._seed = num_cells, num_probes, seed

    def clusters(self, rows: NDArray[np.int64], scope: Scope) -> NDArray[np.int64]:
        return near_vector_clusters(
            self._vectors if len(rows) == len(self._vectors) else self._vectors[rows],
            scope,
            threshold=self.threshold,
            num_cells=self._num_cells,
            num_probes=self._num_probes,
            seed=self._seed,
            products=available_products(),
        )

    def measured(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        found = np.ones(len(left))
        others = np.flatnonzero(left != right)
        found[others] = cosines(self._vectors, left[others], right[others])
        return found

    def is_near(self, measured: NDArray[np.float64]) -> NDArray[np.bool_]:
        return measured >= self.threshold
