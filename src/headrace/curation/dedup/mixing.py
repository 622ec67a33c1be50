"""Whole numbers mixed so that each bit of the result depends on all bits: for hashes and for draws from a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["drawn_numbers", "mixed"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of splitmix64 (Steele, Lea and Flood, 2014); products wrap round, as hashes do."""
    hashes = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))


def drawn_numbers(count: int, *, seed: int, stream: int = 0) -> NDArray[np.uint64]:
    """Numbers that look random, [count]: splitmix64, the same with any version of NumPy.

    Args:
        stream: Another one gives other numbers from the same seed.
    """
    streams = np.array([stream], dtype=np.uint64) * _GOLDEN
    start = mixed(mixed(np.array([seed & (2**64 - 1)], dtype=np.uint64)) + streams)
    return mixed(start + (np.arange(count, dtype=np.uint64) + np.uint64(1)) * _GOLDEN)
