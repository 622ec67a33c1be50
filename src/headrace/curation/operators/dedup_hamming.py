"""Rows whose perceptual hashes differ in few bits."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from headrace.curation.dedup.duplicate_rows import DuplicateRules, mark_duplicates
from headrace.curation.dedup.kept_rows import Action, Keep
from headrace.curation.dedup.near_hashes import near_hash_clusters
from headrace.curation.dedup.read_columns import read_columns
from headrace.curation.dedup.scope import Scope
from headrace.curation.hamming import hamming_distances
from headrace.curation.operator import operator
from headrace.errors import InvalidInput

__all__ = ["dedup_hamming"]


@operator(
    name="dedup.hamming",
    version=1,
    outputs={"cluster": pa.string(), "distance": pa.uint8()},
    table=True,
    reads=read_columns,
    library="numpy",
    oracle="scipy",
)
def dedup_hamming(
    rows: pa.Table,  # [num_rows], with `_id`
    *,
    column: str = "phash",
    max_distance: Annotated[int, Field(ge=0, le=16)] = 6,
    within: str | None = None,
    across: str | None = None,
    keep: Keep = "first",
    action: Action = "drop",
) -> pa.Table:  # [num_rows]
    """Of rows whose hashes differ in few bits one stays; exact, no pair is missed.

    Rows are linked by pairs of at most `max_distance` differing bits, and what is linked is one cluster, also through
    other rows. `cluster` is the `_id` of the row that stays, null for a row without duplicates; `distance` is the
    number of bits in which a row differs from that one. A row without hash is nobody's duplicate.

    Args:
        column: Hashes as whole numbers of 64 bits, as `image.phash` gives them.
        max_distance: In bits. Up to 6 is common for the same picture in other sizes; from about 10 on unlike pictures
            come together, and time grows.
        within: Only rows with equal values of this column are compared, such as the source.
        across: Only rows with different values of this column are compared: duplicates inside a source stay, unless one
            of another source is near to them.
        keep: Which row stays: "first" is the first in the order of rows; {column: blur, order: highest} or lowest the
            best by a column, of equal ones the smallest `_id`.
        action: "mark" drops nothing, so that clusters can be looked at.
    """
    values = rows.column(column).combine_chunks()
    if not pa.types.is_integer(values.type) or values.type.bit_width != 64:
        raise InvalidInput(
            f"dedup.hamming: column {column!r} holds {values.type}; expected hashes as whole numbers of 64 bits "
            "(uint64), as image.phash gives them"
        )
    hashes = values.fill_null(0).to_numpy(zero_copy_only=False).view(np.uint64)  # [num_rows]
    is_hashed = values.is_valid().to_numpy(zero_copy_only=False)  # [num_rows]
    rules = DuplicateRules("dedup.hamming", within, across, keep, action)
    return mark_duplicates(rows, is_hashed, _HashLikeness(hashes, max_distance), rules=rules)


class _HashLikeness:
    """By bits that differ, see `Likeness`."""

    name = "distance"

    def __init__(self, hashes: NDArray[np.uint64], max_distance: int) -> None:
        self._hashes = hashes
        self.threshold: float = max_distance

    def clusters(self, rows: NDArray[np.int64], scope: Scope) -> NDArray[np.int64]:
        return near_hash_clusters(self._hashes[rows], scope, max_distance=int(self.threshold))

    def measured(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.uint8]:
        return hamming_distances(self._hashes[left], self._hashes[right])

    def is_near(self, measured: NDArray[np.uint8]) -> NDArray[np.bool_]:
        return measured <= self.threshold
