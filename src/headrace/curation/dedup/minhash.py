"""Signatures whose agreement estimates how alike two sets are."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.curation.dedup.mixing import drawn_numbers
from headrace.curation.dedup.shingles import Shingles, ShingleUnit, compared_texts, shingles_of

__all__ = ["minhash_signatures", "similarities", "text_signatures"]

_BLOCK_SHINGLES: Final = 1 << 15  # 128 KiB, twice: they stay in the processor's second cache
_BLOCK_TEXTS: Final = 1 << 14
_PAIRS: Final = 1 << 14


def text_signatures(
    texts: pa.Array,  # [num_texts]
    *,
    unit: ShingleUnit,
    size: int,
    num_perm: int,
    seed: int,
    ignore_case: bool,
    num_threads: int | None = None,
) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """Signatures, [num_texts, num_perm], and which texts have any shingle, [num_texts].

    Memory beside the signatures, 4 `num_perm` bytes a text, is that of some ten thousand texts a thread.

    Args:
        num_threads: By default one for each processor that the process may use.
    """
    signatures = np.zeros((len(texts), num_perm), dtype=np.uint32)
    is_filled = np.zeros(len(texts), dtype=np.bool_)

    def fill(start: int) -> None:
        part = compared_texts(texts.slice(start, _BLOCK_TEXTS), ignore_case=ignore_case)
        shingles = shingles_of(part, unit=unit, size=size)
        signatures[start : start + len(part)] = minhash_signatures(shingles, num_perm=num_perm, seed=seed)
        is_filled[start : start + len(part)] = np.diff(shingles.offsets) > 0

    with ThreadPoolExecutor(num_threads or _num_processors()) as threads:  # Arrow and NumPy work without the GIL
        for _ in threads.map(fill, range(0, len(texts), _BLOCK_TEXTS)):
            pass
    return signatures, is_filled


def minhash_signatures(
    shingles: Shingles, *, num_perm: int, seed: int, block_shingles: int = _BLOCK_SHINGLES
) -> NDArray[np.uint32]:
    """The smallest hash of each text under each permutation, [num_texts, num_perm]; without shingles all ones.

    A permutation is a * hash + b modulo 2**32 with an odd a, so it is one of all hashes. Two signatures agree in a
    place with the probability that is the Jaccard similarity of the sets (Broder, 1997).

    Args:
        block_shingles: How many are permuted at once; changes the time alone.
    """
    factors = (drawn_numbers(num_perm, seed=seed, stream=1) >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
    shifts = (drawn_numbers(num_perm, seed=seed, stream=2) >> np.uint64(32)).astype(np.uint32)
    counts = np.diff(shingles.offsets)
    filled = np.flatnonzero(counts)  # texts with shingles
    signatures = np.full((len(counts), num_perm), 0xFFFFFFFF, dtype=np.uint32)
    ends = np.cumsum(counts[filled])
    first = 0
    while first < len(filled):
        begin = int(ends[first] - counts[filled[first]])
        last = max(first + 1, int(np.searchsorted(ends, begin + block_shingles, side="right")))
        hashes = shingles.hashes[begin : int(ends[last - 1])]
        starts = ends[first:last] - counts[filled[first:last]] - begin
        permuted = np.empty_like(hashes)
        smallest = np.empty((num_perm, last - first), dtype=np.uint32)
        for idx in range(num_perm):
            np.multiply(hashes, factors[idx], out=permuted)
            permuted += shifts[idx]
            np.minimum.reduceat(permuted, starts, out=smallest[idx])
        signatures[filled[first:last]] = smallest.T
        first = last
    return signatures


def similarities(
    signatures: NDArray[np.uint32],  # [num_texts, num_perm]
    left: NDArray[np.int64],  # [num_pairs]
    right: NDArray[np.int64],  # [num_pairs]
) -> NDArray[np.float64]:  # [num_pairs]
    """The share of places in which signatures agree: an estimate of the Jaccard similarity.

    Its standard deviation is at most 1 / (2 sqrt(num_perm)): 0.044 of 128.
    """
    found = np.empty(len(left), dtype=np.float64)
    for start in range(0, len(left), _PAIRS):
        stop = start + _PAIRS
        agrees = signatures[left[start:stop]] == signatures[right[start:stop]]
        found[start:stop] = np.count_nonzero(agrees, axis=1) / signatures.shape[1]
    return found


def _num_processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
