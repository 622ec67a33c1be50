"""Clusters of hashes that differ in few bits: exact, no pair is missed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from headrace.curation.dedup.bucket_links import link_buckets
from headrace.curation.dedup.components import Components
from headrace.curation.dedup.equal_rows import EqualRows
from headrace.curation.dedup.hash_blocks import choose_blocks
from headrace.curation.dedup.scope import Scope

__all__ = ["near_hash_clusters"]

_MAX_BUCKET_PAIRS: Final = 1 << 22
_MAX_DEPTH: Final = 3


def near_hash_clusters(
    hashes: NDArray[np.uint64],  # [num_rows]
    scope: Scope,
    *,
    max_distance: int,
) -> NDArray[np.int64]:  # [num_rows]
    """A cluster for each row, as the smallest row in it: rows linked by pairs that differ in at most so many bits.

    Equal hashes are looked at once, so a million equal ones cost a sort. Memory is about 150 bytes for each different
    hash.
    """
    equal = EqualRows.of_values(hashes, scope)
    found = Components(equal.num_nodes)
    equal.join_equal(found)
    values = equal.first_of(hashes)  # [num_nodes]
    if max_distance > 0:
        _link(found, np.arange(equal.num_nodes), values, equal.scope, max_distance, depth=0)
    return equal.row_clusters(found)


def _link(
    found: Components,
    nodes: NDArray[np.int64],  # ascending
    values: NDArray[np.uint64],  # of all nodes
    scope: Scope,  # of all nodes
    max_distance: int,
    *,
    depth: int,
) -> None:
    """Link all near pairs among these nodes; a bucket that is too full is taken apart by bits of its own."""
    groups = None if scope.is_across else scope.codes[nodes]
    if groups is not None and (not len(groups) or groups[0] == groups[-1]):
        groups = None
    sources = scope.codes if scope.is_across else None

    def nearness(
        order: NDArray[np.int64],
    ) -> Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]:
        ordered = values[order]
        ordered_sources = None if sources is None else sources[order]

        def is_near(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
            near: NDArray[np.bool_] = np.bitwise_count(ordered[left] ^ ordered[right]) <= max_distance
            if ordered_sources is not None:
                near &= ordered_sources[left] != ordered_sources[right]
            return near

        return is_near

    limit = _MAX_BUCKET_PAIRS if depth < _MAX_DEPTH else None
    blocks = choose_blocks(values[nodes], max_distance=max_distance)
    if not blocks.bits:
        limit = None  # nothing would take it apart
    for keys in blocks.keys(values[nodes]):
        for bucket in link_buckets(found, nodes, keys, groups, nearness, sources=sources, max_pairs=limit):
            _link(found, bucket, values, scope, max_distance, depth=depth + 1)
