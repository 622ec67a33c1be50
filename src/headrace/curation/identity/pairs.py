"""Checks of pairs of items that may be the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["NearVectors", "PairCheck", "Pairs"]

_PAIRS_AT_ONCE = 4_096  # their vectors are copied

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Positions of both items, each [num_pairs]"""


class PairCheck(Protocol):
    """Says which pairs are the same thing. It looks at the two items alone, or ids would depend on others."""

    def holds(self, pairs: Pairs) -> NDArray[np.bool_]:
        """[num_pairs]"""
        ...


@dataclass(frozen=True, slots=True)
class NearVectors:
    """Embeddings with a least cosine; NaN and zero vectors are like no other."""

    vectors: NDArray[np.floating]  # [num_items, dimensions]
    least_cosine: float

    def holds(self, pairs: Pairs) -> NDArray[np.bool_]:
        """See `PairCheck`."""
        held = np.zeros(len(pairs[0]), dtype=np.bool_)
        for start in range(0, len(held), _PAIRS_AT_ONCE):
            block = slice(start, start + _PAIRS_AT_ONCE)
            left, right = (self.vectors[side[block]].astype(np.float64) for side in pairs)  # [num_pairs, dimensions]
            lengths = np.sqrt((left * left).sum(axis=1) * (right * right).sum(axis=1))
            products = (left * right).sum(axis=1)
            held[block] = (products >= self.least_cosine * lengths) & (lengths > 0)  # false for NaN
        return held
