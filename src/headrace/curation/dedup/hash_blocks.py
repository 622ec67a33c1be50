"""Bits of hashes dealt to blocks, and which blocks make the key of a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["PAIR_SECONDS", "HashBlocks", "choose_blocks"]

_SAMPLE: Final = 1 << 15
_KEY_BITS: Final = 32
_MAX_TABLES: Final = 1_500
# Measured on one core.
PAIR_SECONDS: Final = 5e-9
"""What it takes to compare two hashes."""
_ROW_SECONDS: Final = 1.5e-7  # to sort a row into a table


@dataclass(frozen=True, slots=True)
class HashBlocks:
    """Bits, lowest is 0, in blocks.

    Attributes:
        bits: Of each block; constant bits are in none.
        num_equal: Blocks in which hashes that are near enough agree, whatever bits differ.
    """

    bits: tuple[tuple[int, ...], ...]
    num_equal: int

    def keys(self, hashes: NDArray[np.uint64]) -> Iterator[NDArray[np.uint32]]:
        """For each choice of `num_equal` blocks their bits as one number, [num_hashes].

        Two hashes that are near enough agree in at least one of these. A key has 32 bits at most: of more the first
        ones are taken, which makes more pairs to compare and loses none.
        """
        values = [_packed(hashes, block) for block in self.bits]  # each [num_hashes]
        for chosen in combinations(range(len(self.bits)), self.num_equal):
            key = np.zeros(len(hashes), dtype=np.uint32)
            taken = 0
            for idx in chosen:
                width = min(len(self.bits[idx]), _KEY_BITS - taken)
                key |= (values[idx] & np.uint32((1 << width) - 1)) << np.uint32(taken) if width else np.uint32(0)
                taken += width
            yield key


def choose_blocks(
    hashes: NDArray[np.uint64],  # [num_hashes]
    *,
    max_distance: int,
    pair_seconds: float = PAIR_SECONDS,
) -> HashBlocks:
    """The blocks with which all pairs of at most so many differing bits cost the least, by an estimate.

    Of m blocks at most `max_distance` hold a bit that differs, so the others agree: with one block more than that,
    one does (pigeonhole), with two more, two do, which asks for more tables with longer keys and fewer pairs in each
    (Manku, Jain and Das Sarma, 2007). Bits that are nearly always the same are dealt to different blocks, so that no
    block says nothing. A choice of no block, one table in which all are compared, is taken for few hashes.

    Args:
        pair_seconds: What comparing two hashes costs; the dearer, the more tables.
    """
    num_hashes = len(hashes)
    best = HashBlocks((), 0)
    least = num_hashes * num_hashes / 2 * pair_seconds
    if num_hashes < 2:
        return best
    varying = int(np.bitwise_or.reduce(hashes) ^ np.bitwise_and.reduce(hashes))
    sample = hashes[:: -(-num_hashes // _SAMPLE)]
    shares = {bit: float(_packed(sample, (bit,)).mean()) for bit in range(64) if varying >> bit & 1}
    by_balance = sorted(shares, key=lambda bit: (abs(shares[bit] - 0.5), bit))
    for num_blocks in range(max_distance + 1, min(len(by_balance), max_distance + 5) + 1):
        num_equal = num_blocks - max_distance
        num_tables = comb(num_blocks, num_equal)
        if num_tables > _MAX_TABLES:
            break
        bits = tuple(tuple(by_balance[idx::num_blocks]) for idx in range(num_blocks))
        agreements = [_agreement(_packed(sample, block)) for block in bits]
        pairs = _sum_of_products(agreements, num_equal) * num_hashes * num_hashes / 2
        seconds = num_tables * num_hashes * _ROW_SECONDS + pairs * pair_seconds
        if seconds < least:
            best, least = HashBlocks(bits, num_equal), seconds
    return best


def _packed(hashes: NDArray[np.uint64], bits: tuple[int, ...]) -> NDArray[np.uint32]:
    """The first 32 of these bits as a number, [num_hashes]."""
    packed = np.zeros(len(hashes), dtype=np.uint32)
    for place, bit in enumerate(bits[:_KEY_BITS]):
        packed |= ((hashes >> np.uint64(bit)) & np.uint64(1)).astype(np.uint32) << np.uint32(place)
    return packed


def _agreement(values: NDArray[np.uint32]) -> float:
    """How likely two different rows have the same value."""
    counts = np.unique(values, return_counts=True)[1].astype(np.float64)
    rows = float(counts.sum())
    return float((counts * (counts - 1)).sum()) / max(rows * (rows - 1), 1.0)


def _sum_of_products(factors: list[float], size: int) -> float:
    """Over all choices of so many factors, the sum of their products."""
    sums = [1.0] + [0.0] * size
    for factor in factors:
        for idx in range(size, 0, -1):
            sums[idx] += sums[idx - 1] * factor
    return sums[size]
