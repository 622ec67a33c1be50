"""Pairs of items that may be the same, and checks of pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from headrace.curation.hamming import hamming_distances

__all__ = ["NearHashes", "NearVectors", "PairCheck", "PairFinder", "Pairs"]

_HASH_BITS = 64
_PAIRS_AT_ONCE = 4_096  # their vectors are copied

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Positions of both items, each [num_pairs]"""


class PairFinder(Protocol):
    """Finds pairs. A pair depends on its two items alone, or ids depend on the order of arrival."""

    def pairs(self, is_new: NDArray[np.bool_]) -> Iterator[Pairs]:
        """All pairs with at least one new item, in pieces; one may come several times. `is_new`: [num_items]."""


class PairCheck(Protocol):
    """Says which pairs are the same thing."""

    def holds(self, pairs: Pairs) -> NDArray[np.bool_]:
        """[num_pairs]"""


@dataclass(frozen=True, slots=True)
class NearHashes:
    """Perceptual hashes of which at most some bits differ; every such pair is found.

    Two hashes with at most d bits that differ agree in at least one of d + 1 bands of bits (pigeonhole), so only those
    that agree in one are compared.
    """

    hashes: NDArray[np.uint64]  # [num_items]
    max_distance: int

    def pairs(self, is_new: NDArray[np.bool_]) -> Iterator[Pairs]:
        """See `PairFinder`; at most as many pairs at once as there are items."""
        edges = np.linspace(0, _HASH_BITS, self.max_distance + 2).astype(np.uint64)
        for low, high in pairwise(edges):
            keys = (self.hashes << (_HASH_BITS - high)) >> (_HASH_BITS - high + low)
            order = np.argsort(keys, kind="stable").astype(np.int64)
            keys = keys[order]
            starts, step = np.arange(len(keys)), 1
            while len(starts):
                starts = starts[starts + step < len(keys)]
                starts = starts[keys[starts] == keys[starts + step]]  # a run of equal keys is as long as its neighbours
                left, right = order[starts], order[starts + step]
                is_near = hamming_distances(self.hashes[left], self.hashes[right]) <= self.max_distance
                is_near &= is_new[left] | is_new[right]
                if is_near.any():
                    yield left[is_near], right[is_near]
                step += 1


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
