"""Nodes that share a bucket, compared with each other and joined where they are near."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from headrace.curation.dedup.components import Components

__all__ = ["Nearness", "link_buckets"]

Nearness = Callable[
    [NDArray[np.int64]],  # nodes in the order in which they are compared, [num_nodes]
    Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]],
]
"""(nodes in order) -> (positions, other positions in that order, each [num_pairs]) -> which are near, [num_pairs]

In two steps, so that values are brought into that order once and not for each pair.
"""

_BLOCK: Final = 1 << 16  # positions whose pairs are looked at together, so that they stay in the processor's cache
_PENDING: Final = 1 << 18  # links kept until they are joined
_RESORT_SHARE: Final = 64  # one link for so many nodes makes it worth while to sort anew


def link_buckets(
    components: Components,
    nodes: NDArray[np.int64],  # [num_nodes], ascending
    keys: NDArray[np.uint32],  # [num_nodes]
    groups: NDArray[np.int64] | None,  # [num_nodes], ascending; None: all are one
    nearness: Nearness,
    *,
    sources: NDArray[np.int64] | None = None,  # of all nodes; only different ones are near
    max_pairs: int | None = None,
) -> list[NDArray[np.int64]]:
    """Compare nodes of the same group that have equal keys, and join those that are near.

    Nodes that are in one component already are not compared: that is what keeps a bucket with very many near nodes
    from costing the square of their number. Nor are nodes of one source that are joined with nobody. Memory is about
    60 bytes a node.

    Args:
        sources: `nearness` looks at them as well.
        max_pairs: Buckets with more pairs to compare are left out.

    Returns:
        The nodes of each bucket that was left out.
    """
    if len(nodes) < 2:
        return []
    sweep = _Sweep(components, nodes, keys, groups, sources)
    if sweep.link_neighbours(nearness) * _RESORT_SHARE > len(nodes):
        sweep = _Sweep(components, nodes, keys, groups, sources)
    return sweep.link_all(nearness, max_pairs)


class _Sweep:
    """Nodes in the order of bucket and component, and where the bucket, and what need not be compared in it, end."""

    def __init__(
        self,
        components: Components,
        nodes: NDArray[np.int64],
        keys: NDArray[np.uint32],
        groups: NDArray[np.int64] | None,
        sources: NDArray[np.int64] | None,
    ) -> None:
        self._components = components
        labels = components.labels[nodes]
        if sources is not None:
            sizes = np.bincount(components.labels)
            labels = np.where(sizes[labels] == 1, len(components.labels) + sources[nodes], labels)
        # Components never leave their group, and nodes ascend by group: so this is the order of the groups as well.
        # (There are no groups where there are sources.)
        by_label = np.argsort(labels, kind="stable")
        places = np.arange(len(nodes), dtype=np.uint64)
        packed = np.sort((keys[by_label].astype(np.uint64) << np.uint64(32)) | places)
        order = by_label[(packed & np.uint64(0xFFFFFFFF)).astype(np.int64)]
        keys = (packed >> np.uint64(32)).astype(np.uint32)
        self._nodes = nodes[order]  # [num_nodes]
        labels = labels[order]
        opens = np.ones(len(nodes), dtype=np.bool_)  # whether a bucket begins here
        opens[1:] = keys[1:] != keys[:-1]
        if groups is not None:
            groups = groups[order]
            opens[1:] |= groups[1:] != groups[:-1]
        is_other = opens.copy()  # whether another component begins here
        is_other[1:] |= labels[1:] != labels[:-1]
        self._opens = opens
        self._bucket_ends = _ends(opens)  # [num_nodes], exclusive
        self._joined_ends = _ends(is_other)
        self._joined = is_other

    def link_neighbours(self, nearness: Nearness) -> int:
        """Compare each node with the next one only; how many were near."""
        firsts = np.flatnonzero(self._joined[1:] & ~self._opens[1:])
        if not len(firsts):
            return 0
        found = firsts[nearness(self._nodes)(firsts, firsts + 1)]
        self._components.join(self._nodes[found], self._nodes[found + 1])
        return len(found)

    def link_all(self, nearness: Nearness, max_pairs: int | None) -> list[NDArray[np.int64]]:
        """Compare each node with those of other components behind it in its bucket."""
        left_over: list[NDArray[np.int64]] = []
        counts = self._bucket_ends - self._joined_ends  # [num_nodes], pairs of each node
        if max_pairs is not None:
            starts = np.flatnonzero(self._opens)
            pairs = np.add.reduceat(counts, starts)  # [num_buckets]
            for bucket in np.flatnonzero(pairs > max_pairs).tolist():
                first = int(starts[bucket])
                last = int(self._bucket_ends[first])
                left_over.append(np.sort(self._nodes[first:last]))
                counts[first:last] = 0
        compared = np.flatnonzero(counts)
        if not len(compared):
            return left_over
        is_near = nearness(self._nodes)
        pending: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        num_pending = 0
        for start in range(0, len(compared), _BLOCK):
            block = compared[start : start + _BLOCK]
            # The longest first: those that still have pairs are always the first ones of the block.
            block = block[np.argsort(-counts[block], kind="stable")]
            others = self._joined_ends[block]
            depths = np.bincount(counts[block])  # nodes by number of pairs
            still = len(block) - np.cumsum(depths)  # [max_count + 1], nodes with more than so many pairs
            for shift in range(len(depths) - 1):
                num = int(still[shift])
                found = np.flatnonzero(is_near(block[:num], others[:num] + shift))
                if not len(found):
                    continue
                left, right = self._nodes[block[found]], self._nodes[others[found] + shift]
                is_new = self._components.labels[left] != self._components.labels[right]
                pending.append((left[is_new], right[is_new]))
                num_pending += int(is_new.sum())
                if num_pending >= _PENDING:
                    self._join(pending)
                    num_pending = 0
        self._join(pending)
        return left_over

    def _join(self, pending: list[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> None:
        if pending:
            self._components.join(*(np.concatenate(side) for side in zip(*pending)))
            pending.clear()


def _ends(opens: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each place where the stretch that it is in ends, exclusive, [num_nodes]."""
    starts = np.flatnonzero(opens)
    stops = np.append(starts[1:], len(opens))
    return np.repeat(stops, stops - starts)
