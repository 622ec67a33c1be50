"""How alike two embeddings of a row are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from headrace.curation.applying import FAILED_ROWS
from headrace.curation.dedup.unit_vectors import cosines, unit_vectors
from headrace.curation.operator import operator
from headrace.curation.settings import OutputName

__all__ = ["score_similarity"]


@operator(
    name="score.similarity",
    version=1,
    outputs={"similarity": pa.float64()},
    batch=True,
    library="numpy",
    oracle="scipy",
    gil_free=True,
)
def score_similarity(
    left: pa.Array,  # [num_rows], lists of floats
    right: pa.Array,  # [num_rows], lists of floats
    *,
    scale: float = 1.0,
    into: OutputName = OutputName("similarity"),
) -> dict[str, pa.Array]:
    """The cosine of two embeddings of the same row, times `scale`: how well a picture fits its text, as CLIP sees it.

    Computed in float64 and rounded to 12 places before scaling, so any machine gives the same. Null in either gives
    null; zeros, NaN or infinity, and two of different lengths, send the row to quarantine.

    Source: Hessel and others, CLIPScore, 2021, where the scale is 2.5; CLIP itself uses 100.

    Args:
        scale: Times the cosine.
        into: Name of the column.
    """
    ours, is_ours = unit_vectors(left, subject="score.similarity: left")
    theirs, is_theirs = unit_vectors(right, subject="score.similarity: right")
    is_given = left.is_valid().to_numpy(zero_copy_only=False) & right.is_valid().to_numpy(zero_copy_only=False)
    reasons: list[str | None] = [None] * len(left)
    if is_given.any() and ours.shape[1] != theirs.shape[1]:
        reason = f"vectors of {ours.shape[1]} and of {theirs.shape[1]} numbers have no cosine"
        return {
            "similarity": pa.nulls(len(left), pa.float64()),
            FAILED_ROWS: pa.array([reason if given else None for given in is_given], pa.string()),
        }
    is_usable = is_given & is_ours & is_theirs
    found = np.zeros(len(left), dtype=np.float64)
    places = np.flatnonzero(is_usable)
    if len(places):
        pairs = np.arange(len(places))
        vectors = np.concatenate([ours[places], theirs[places]])
        found[places] = cosines(vectors, pairs, pairs + len(places)) * scale
    for idx in np.flatnonzero(is_given & ~is_usable).tolist():
        reasons[idx] = f"the {'right' if is_ours[idx] else 'left'} vector is zeros, or holds NaN or infinity"
    return {
        "similarity": pa.array(found, pa.float64(), mask=~is_usable),
        FAILED_ROWS: pa.array(reasons, pa.string()),
    }
