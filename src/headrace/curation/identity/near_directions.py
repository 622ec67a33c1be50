"""Embeddings that point nearly the same way, found without comparing all with all."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from headrace.curation.dedup.bucket_links import link_buckets
from headrace.curation.dedup.components import Components
from headrace.curation.dedup.mixing import drawn_numbers
from headrace.curation.dedup.near_hashes import Accept

__all__ = ["choose_tables", "direction_sketches", "link_near_directions"]

_MAX_TABLES: Final = 48
_MAX_BITS: Final = 24
_MISSED: Final = 0.002  # share of pairs at the least cosine that agree in no table
_SKETCH_BITS: Final = 64
_DEVIATIONS: Final = 4.0  # of the differing bits of two sketches
_BLOCK_NUMBERS: Final = 1 << 22
_VECTOR_SCALE: Final = 1 << 20
_SEED: Final = 20_261


def choose_tables(least_cosine: float) -> tuple[int, int]:
    """(tables, bits of each): two vectors of this cosine agree in a whole table with a chance of 99.8 %.

    A random plane parts two vectors at an angle a with the chance a / pi (Charikar, 2002). The numbers depend on the
    cosine alone, so that whether a pair is found does not depend on how many others there are.
    """
    agrees = 1 - math.acos(min(least_cosine, 1.0)) / math.pi
    for bits in range(_MAX_BITS, 1, -1):
        found = agrees**bits
        tables = 1 if found >= 1 - _MISSED else math.ceil(math.log(_MISSED) / math.log1p(-found))
        if tables <= _MAX_TABLES:
            return tables, bits
    return _MAX_TABLES, 1


def direction_sketches(
    vectors: NDArray[np.floating],  # [num_vectors, num_dimensions]
    num_bits: int,
) -> NDArray[np.bool_]:  # [num_bits, num_vectors]
    """On which side of so many planes each vector lies, the same on any machine; NaN and zeros are on the upper one.

    Vectors and planes are made whole numbers, of which float64 sums are exact in any order.
    """
    num_dimensions = vectors.shape[1]
    # Four uniform numbers have a sum that is nearly normal.
    uniform = drawn_numbers(4 * num_dimensions * num_bits, seed=_SEED) >> np.uint64(54)
    planes = uniform.astype(np.float64).reshape(4, num_dimensions, num_bits).sum(axis=0) - 4 * 511.5
    planes = np.rint(planes)  # [num_dimensions, num_bits]
    found = np.empty((num_bits, len(vectors)), dtype=np.bool_)
    step = max(1, _BLOCK_NUMBERS // max(num_dimensions, num_bits))
    for start in range(0, len(vectors), step):
        part = vectors[start : start + step].astype(np.float64)
        largest = np.abs(part).max(axis=1, initial=0.0, keepdims=True)
        is_usable = np.isfinite(largest) & (largest > 0)
        whole = np.rint(np.where(is_usable, part / np.where(is_usable, largest, 1.0), 0.0) * _VECTOR_SCALE)
        found[:, start : start + step] = (whole @ planes >= 0).T
    return found


def link_near_directions(
    found: Components,
    vectors: NDArray[np.floating],  # [num_nodes, num_dimensions]
    *,
    least_cosine: float,
    accept: Accept,
) -> None:
    """Ask `accept` for pairs whose cosine may be at least so large, and join those that it takes.

    Of pairs at that cosine 99.8 % are asked for, nearly all above it, and which ones depends on these two vectors only.
    Pairs that are in one component already are not; one that is not accepted may be asked for again.
    """
    tables, bits = choose_tables(least_cosine)
    sides = direction_sketches(vectors, tables * bits + _SKETCH_BITS)
    sketches = _packed(sides[tables * bits :])  # [num_nodes]
    parted = math.acos(min(least_cosine, 1.0)) / math.pi
    limit = math.ceil(_SKETCH_BITS * parted + _DEVIATIONS * math.sqrt(_SKETCH_BITS * parted * (1 - parted)))
    nodes = np.arange(len(vectors))

    def nearness(
        order: NDArray[np.int64],
    ) -> Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]:
        ordered = sketches[order]

        def is_near(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
            near: NDArray[np.bool_] = np.bitwise_count(ordered[left] ^ ordered[right]) <= limit
            near[near] = accept(order[left[near]], order[right[near]])
            return near

        return is_near

    for table in range(tables):
        keys = _packed(sides[table * bits : (table + 1) * bits]).astype(np.uint32)
        link_buckets(found, nodes, keys, None, nearness)


def _packed(
    sides: NDArray[np.bool_],  # [num_bits, num_nodes]
) -> NDArray[np.uint64]:  # [num_nodes]
    packed = np.zeros(sides.shape[1], dtype=np.uint64)
    for place, side in enumerate(sides):
        packed |= side.astype(np.uint64) << np.uint64(place)
    return packed
