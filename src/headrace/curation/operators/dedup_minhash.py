"""Rows whose texts share most of their words or characters."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from headrace.curation.dedup.bands import banded_clusters, choose_bands
from headrace.curation.dedup.duplicate_rows import DuplicateRules, mark_duplicates
from headrace.curation.dedup.kept_rows import Action, Keep
from headrace.curation.dedup.minhash import similarities, text_signatures
from headrace.curation.dedup.read_columns import read_columns
from headrace.curation.dedup.scope import Scope
from headrace.curation.dedup.shingles import ShingleUnit
from headrace.curation.operator import operator
from headrace.errors import InvalidInput

__all__ = ["dedup_minhash"]


@operator(
    name="dedup.minhash",
    version=1,
    outputs={"cluster": pa.string(), "similarity": pa.float64()},
    table=True,
    reads=read_columns,
    library="pyarrow, numpy",
    oracle="scipy",
)
def dedup_minhash(
    rows: pa.Table,  # [num_rows], with `_id`
    *,
    column: str = "text",
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.8,
    unit: ShingleUnit = "words",
    size: Annotated[int, Field(ge=1, le=64)] = 5,
    num_perm: Annotated[int, Field(ge=8, le=1024)] = 128,
    verify: bool = True,
    ignore_case: bool = True,
    seed: int = 0,
    within: str | None = None,
    across: str | None = None,
    keep: Keep = "first",
    action: Action = "drop",
) -> pa.Table:  # [num_rows]
    """Of rows whose texts share most of their shingles one stays: MinHash signatures in bands.

    Texts are compared in Unicode normal form C. A shingle is a run of `size` words, separated by Unicode's white
    space, or characters (code points); a shorter text is one shingle. Signatures of `num_perm` places are cut into
    bands, whose number and length follow from the threshold; texts that agree in a band are candidates. Rows are
    linked by such pairs, and what is linked is one cluster, also through other rows. `cluster` is the `_id` of the row
    that stays, null for a row without duplicates; `similarity` is the share of places in which a row's signature
    agrees with that one's, an estimate of their Jaccard similarity. A row without words (null, empty, white space) is
    nobody's duplicate.

    Sources: Broder, On the resemblance and containment of documents, 1997; Indyk and Motwani, 1998.

    Args:
        column: The texts.
        threshold: Jaccard similarity of the sets of shingles from which on texts are duplicates.
        unit: "words" or "characters"; the latter for languages without spaces.
        size: Words or characters of a shingle. 5 words are common for articles, 2 or 3 for captions.
        num_perm: Places of a signature; more estimate better. Memory is 4 bytes for each.
        verify: False takes all candidates, also those whose estimate lies below the threshold.
        ignore_case: Compare in lower case.
        seed: Another seed draws other permutations.
        within: Only rows with equal values of this column are compared, such as the source.
        across: Only rows with different values of this column are compared: duplicates inside a source stay, unless one
            of another source is near to them.
        keep: Which row stays: "first" is the first in the order of rows; {column: score, order: highest} or lowest the
            best by a column, of equal ones the smallest `_id`.
        action: "mark" drops nothing, so that clusters can be looked at.
    """
    texts = rows.column(column).combine_chunks()
    if pa.types.is_dictionary(texts.type):
        texts = texts.cast(texts.type.value_type)
    if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
        raise InvalidInput(f"dedup.minhash: column {column!r} holds {texts.type}; expected text")
    signatures, is_filled = text_signatures(
        texts, unit=unit, size=size, num_perm=num_perm, seed=seed, ignore_case=ignore_case
    )
    rules = DuplicateRules("dedup.minhash", within, across, keep, action)
    return mark_duplicates(rows, is_filled, _SignatureLikeness(signatures, threshold, verify=verify), rules=rules)


class _SignatureLikeness:
    """By places in which signatures agree, see `Likeness`."""

    name = "similarity"

    def __init__(self, signatures: NDArray[np.uint32], threshold: float, *, verify: bool) -> None:
        self._signatures = signatures  # [num_rows, num_perm]
        self.threshold = threshold
        self._verify = verify

    def clusters(self, rows: NDArray[np.int64], scope: Scope) -> NDArray[np.int64]:
        num_rows, num_perm = self._signatures.shape
        bands, band_rows = choose_bands(self.threshold, num_perm=num_perm)
        return banded_clusters(
            self._signatures if len(rows) == num_rows else self._signatures[rows],
            scope,
            bands=bands,
            rows=band_rows,
            threshold=self.threshold if self._verify else None,
        )

    def measured(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        found = np.ones(len(left))
        others = np.flatnonzero(left != right)
        found[others] = similarities(self._signatures, left[others], right[others])
        return found

    def is_near(self, measured: NDArray[np.float64]) -> NDArray[np.bool_]:
        return measured >= self.threshold
