"""Rows whose perceptual hashes differ in few bits."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from headrace.curation.dedup.kept_rows import Action, Keep, keep_rows
from headrace.curation.dedup.near_hashes import near_hash_clusters
from headrace.curation.dedup.read_columns import read_columns
from headrace.curation.dedup.scope import comparison_scope
from headrace.curation.hamming import hamming_distances
from headrace.curation.operator import operator
from headrace.curation.row_groups import row_ids
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
    ids = row_ids(rows, operator="dedup.hamming")
    values = rows.column(column).combine_chunks()
    if not pa.types.is_integer(values.type) or values.type.bit_width != 64:
        raise InvalidInput(
            f"dedup.hamming: column {column!r} holds {values.type}; expected hashes as whole numbers of 64 bits "
            "(uint64), as image.phash gives them"
        )
    hashes = values.fill_null(0).to_numpy(zero_copy_only=False).view(np.uint64)  # [num_rows]
    hashed = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
    scope = comparison_scope(rows, within=within, across=across, operator="dedup.hamming")
    clusters = np.arange(rows.num_rows)
    clusters[hashed] = hashed[near_hash_clusters(hashes[hashed], scope.of(hashed), max_distance=max_distance)]
    kept = keep_rows(rows, ids, clusters, keep=keep)
    distances: NDArray[np.uint8] = hamming_distances(hashes, hashes[kept.kept])  # [num_rows]
    return kept.result(
        distances,
        name="distance",
        threshold=max_distance,
        is_near=lambda measured: measured <= max_distance,
        action=action,
    )
