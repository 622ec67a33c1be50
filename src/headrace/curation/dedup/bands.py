"""Signatures cut into bands: texts that agree in a whole band are candidates."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from headrace.curation.dedup.bucket_links import link_buckets
from headrace.curation.dedup.components import Components
from headrace.curation.dedup.equal_rows import EqualRows
from headrace.curation.dedup.minhash import similarities
from headrace.curation.dedup.mixing import drawn_numbers, mixed
from headrace.curation.dedup.scope import Scope

__all__ = ["banded_clusters", "banded_pairs", "choose_bands"]

_BLOCK_TEXTS: Final = 1 << 16

HashNumbers = Callable[[NDArray[np.uint64]], NDArray[np.uint64]]
"""Of the same shape"""


@functools.cache
def choose_bands(threshold: float, *, num_perm: int) -> tuple[int, int]:
    """(bands, rows of each) for which the fewest pairs fall on the wrong side of the threshold.

    A pair of similarity s is a candidate with the probability 1 - (1 - s**rows)**bands. Missed above the threshold and
    found below it weigh the same, over all similarities (Zhu, Nargesian, Pu and Miller, 2016; datasketch).
    """
    steps = (np.arange(1_000) + 0.5) / 1_000
    below = steps < threshold
    best, least = (1, 1), np.inf
    for bands in range(1, num_perm + 1):
        for rows in range(1, num_perm // bands + 1):
            found = 1 - (1 - steps**rows) ** bands
            wrong = float(np.where(below, found, 1 - found).mean())
            if wrong < least:
                best, least = (bands, rows), wrong
    return best


def banded_clusters(
    signatures: NDArray[np.uint32],  # [num_texts, num_perm]
    scope: Scope,  # of the texts
    *,
    bands: int,
    rows: int,
    threshold: float | None,
    hash_numbers: HashNumbers = mixed,
) -> NDArray[np.int64]:  # [num_texts]
    """A cluster for each text, as the smallest text in it: texts linked by pairs that agree in a band.

    Args:
        threshold: Pairs are linked only if their signatures agree in this share of places; None: all.
        hash_numbers: Makes hashes of sums over signatures and bands. Equal hashes are looked at closely, so another
            function changes the time and not the clusters.
    """
    equal = EqualRows.of_values(_signature_codes(signatures, hash_numbers), scope)
    found = Components(equal.num_nodes)
    equal.join_equal(found)
    signatures = equal.first_of(signatures)  # [num_nodes, num_perm]
    nodes = np.arange(equal.num_nodes)
    groups = None if scope.is_across else equal.scope.codes
    sources = equal.scope.codes if scope.is_across else None
    for keys, members in _band_keys(signatures, bands=bands, rows=rows, hash_numbers=hash_numbers):
        link_buckets(found, nodes, keys, groups, _agreement(signatures, members, sources, threshold), sources=sources)
    return equal.row_clusters(found)


def banded_pairs(
    signatures: NDArray[np.uint32],  # [num_texts, num_perm]
    *,
    bands: int,
    rows: int,
) -> NDArray[np.int64]:  # [num_pairs, 2]
    """All pairs (smaller, larger) that agree in a whole band, sorted. Very many equal texts make very many pairs."""
    found = [np.empty((0, 2), dtype=np.int64)]
    for keys, members in _band_keys(signatures, bands=bands, rows=rows):
        # Key and text in one number: sorting such numbers is several times as fast as sorting positions by key.
        packed = np.sort((keys.astype(np.uint64) << np.uint64(32)) | np.arange(len(keys), dtype=np.uint64))
        ordered = packed >> np.uint64(32)
        is_shared = np.zeros(len(keys), dtype=np.bool_)
        is_shared[1:] = ordered[1:] == ordered[:-1]
        is_shared[:-1] |= is_shared[1:]
        ordered = ordered[is_shared]  # [num_shared], texts that are not alone in their bucket
        texts = (packed[is_shared] & np.uint64(0xFFFFFFFF)).astype(np.int64)
        counts = np.searchsorted(ordered, ordered, side="right") - np.arange(len(ordered)) - 1  # behind each in it
        left = np.repeat(np.arange(len(ordered)), counts)
        right = left + 1 + np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts, counts)
        left, right = texts[left], texts[right]  # ascending, as they are in each bucket
        agrees = (members[left] == members[right]).all(axis=1)
        found.append(np.stack([left[agrees], right[agrees]], axis=1))
    pairs = np.concatenate(found)
    packed = np.unique((pairs[:, 0] << 32) | pairs[:, 1])
    return np.stack([packed >> 32, packed & 0xFFFFFFFF], axis=1)


def _band_keys(
    signatures: NDArray[np.uint32], *, bands: int, rows: int, hash_numbers: HashNumbers = mixed
) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.uint32]]]:
    """(hash of a band [num_texts], the band itself [num_texts, rows]) for each band."""
    weights = drawn_numbers(rows, seed=1) | np.uint64(1)
    for band in range(bands):
        members = np.ascontiguousarray(signatures[:, band * rows : (band + 1) * rows])
        sums = np.zeros(len(signatures), dtype=np.uint64)
        for row in range(rows):
            sums += members[:, row] * weights[row]
        yield (hash_numbers(sums) >> np.uint64(32)).astype(np.uint32), members


def _agreement(
    signatures: NDArray[np.uint32],
    members: NDArray[np.uint32],
    sources: NDArray[np.int64] | None,
    threshold: float | None,
) -> Callable[[NDArray[np.int64]], Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]]:
    """Whether two texts agree in the band, and whether that makes a link: hashes of bands may be equal by chance."""

    def nearness(order: NDArray[np.int64]) -> Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]:
        def is_near(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
            left, right = order[left], order[right]
            near: NDArray[np.bool_] = (members[left] == members[right]).all(axis=1)
            if sources is not None:
                near &= sources[left] != sources[right]
            if threshold is not None:
                near[near] = similarities(signatures, left[near], right[near]) >= threshold
            return near

        return is_near

    return nearness


def _signature_codes(signatures: NDArray[np.uint32], hash_numbers: HashNumbers) -> NDArray[np.int64]:
    """A number for each text, [num_texts]: equal only where signatures are."""
    weights = drawn_numbers(signatures.shape[1], seed=2) | np.uint64(1)
    sums = np.zeros(len(signatures), dtype=np.uint64)
    for place in range(signatures.shape[1]):
        sums += signatures[:, place] * weights[place]
    _, first, codes = np.unique(hash_numbers(sums), return_index=True, return_inverse=True)
    codes = codes.reshape(-1).astype(np.int64)
    for start in range(0, len(signatures), _BLOCK_TEXTS):
        rows = np.arange(start, min(start + _BLOCK_TEXTS, len(signatures)))
        differs = rows[(signatures[rows] != signatures[first[codes[rows]]]).any(axis=1)]
        # Another signature with the same hash gets a number of its own; bands find those that are like it.
        codes[differs] = len(first) + differs
    return codes
