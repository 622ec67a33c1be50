"""Clusters of hashes that differ in few bits: exact, no pair is missed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from headrace.curation.dedup.bucket_links import link_buckets
from headrace.curation.dedup.components import Components
from headrace.curation.dedup.equal_rows import EqualRows
from headrace.curation.dedup.hash_blocks import PAIR_SECONDS, choose_blocks
from headrace.curation.dedup.scope import Scope

__all__ = ["Accept", "link_near_hashes", "near_hash_clusters"]

_MAX_BUCKET_PAIRS: Final = 1 << 22
_MAX_DEPTH: Final = 3

Accept = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]
"""(nodes, other nodes that are near, each [num_pairs]) -> which of these pairs are joined, [num_pairs]"""


def near_hash_clusters(
    hashes: NDArray[np.uint64],  # [num_rows]
    scope: Scope,
    *,
    max_distance: int,
    pair_seconds: float = PAIR_SECONDS,
    max_bucket_pairs: int = _MAX_BUCKET_PAIRS,
) -> NDArray[np.int64]:  # [num_rows]
    """A cluster for each row, as the smallest row in it: rows linked by pairs that differ in at most so many bits.

    Equal hashes are looked at once, so a million equal ones cost a sort. Memory is about 150 bytes for each different
    hash.

    Args:
        pair_seconds: See `choose_blocks`; changes the way, not the clusters.
        max_bucket_pairs: A bucket with more pairs is taken apart by bits of its own; changes the way as well.
    """
    equal = EqualRows.of_values(hashes, scope)
    found = Components(equal.num_nodes)
    equal.join_equal(found)
    values = equal.first_of(hashes)  # [num_nodes]
    if max_distance > 0:
        linking = _Linking(found, values, equal.scope, max_distance, pair_seconds, max_bucket_pairs)
        linking.link(np.arange(equal.num_nodes), depth=0)
    return equal.row_clusters(found)


def link_near_hashes(
    found: Components,
    hashes: NDArray[np.uint64],  # [num_nodes], equal ones too
    nodes: NDArray[np.int64],  # that are compared, ascending
    *,
    max_distance: int,
    accept: Accept,
) -> None:
    """Join nodes whose hashes differ in at most so many bits where `accept` says so; no such pair is missed.

    Pairs that are in one component already are not asked for; one that is not accepted may be asked for again.
    """
    scope = Scope(np.zeros(len(hashes), dtype=np.int64))
    linking = _Linking(found, hashes, scope, max_distance, PAIR_SECONDS, _MAX_BUCKET_PAIRS, accept)
    linking.link(nodes, depth=0)


@dataclass(frozen=True, slots=True)
class _Linking:
    """Joins the near ones of some nodes."""

    found: Components
    values: NDArray[np.uint64]  # [num_nodes]
    scope: Scope  # of the nodes
    max_distance: int
    pair_seconds: float
    max_bucket_pairs: int
    accept: Accept | None = None

    def link(
        self,
        nodes: NDArray[np.int64],  # ascending
        *,
        depth: int,
    ) -> None:
        """Link all near pairs among these nodes; a bucket that is too full is taken apart by bits of its own."""
        groups = None if self.scope.is_across else self.scope.codes[nodes]
        if groups is not None and (not len(groups) or groups[0] == groups[-1]):
            groups = None
        sources = self.scope.codes if self.scope.is_across else None
        values = self.values[nodes]
        limit = self.max_bucket_pairs if depth < _MAX_DEPTH else None
        blocks = choose_blocks(values, max_distance=self.max_distance, pair_seconds=self.pair_seconds)
        if not blocks.bits:
            limit = None  # nothing would take it apart
        for keys in blocks.keys(values):
            buckets = link_buckets(self.found, nodes, keys, groups, self._nearness, sources=sources, max_pairs=limit)
            for bucket in buckets:
                self.link(bucket, depth=depth + 1)

    def _nearness(
        self, order: NDArray[np.int64]
    ) -> Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]:
        ordered = self.values[order]
        sources = self.scope.codes[order] if self.scope.is_across else None

        def is_near(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
            near: NDArray[np.bool_] = np.bitwise_count(ordered[left] ^ ordered[right]) <= self.max_distance
            if sources is not None:
                near &= sources[left] != sources[right]
            if self.accept is not None:
                near[near] = self.accept(order[left[near]], order[right[near]])
            return near

        return is_near
