"""Nodes joined to clusters: connected components."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Components", "Links"]

_PENDING: Final = 1 << 18  # links that are joined at once: each time all nodes are looked at

Links = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Both ends, each [num_links]"""


class Components:
    """Connected components that grow as links are found; links are not kept.

    Memory is 8 bytes a node. The result does not depend on the order of the links. Not for several threads.

    Attributes:
        labels: The smallest node of each node's component, [num_nodes].
    """

    labels: NDArray[np.int64]

    def __init__(self, num_nodes: int) -> None:
        self.labels = np.arange(num_nodes, dtype=np.int64)

    def join(
        self,
        left: NDArray[np.int64],  # [num_links]
        right: NDArray[np.int64],  # [num_links]
    ) -> None:
        """Put the two ends of each link into one component.

        Each root hooks onto the smallest root that it is linked with, then paths are halved until all nodes point at
        roots (Shiloach and Vishkin, 1982). Any smaller root would do in the end, but a star whose centre is the largest
        node would then lose one ray a round.
        """
        while True:
            left, right = self.labels[left], self.labels[right]  # [num_links], roots
            is_open = left != right
            if not is_open.any():
                return
            left, right = left[is_open], right[is_open]
            np.minimum.at(self.labels, np.maximum(left, right), np.minimum(left, right))
            while True:
                roots = self.labels[self.labels]  # [num_nodes]
                if np.array_equal(roots, self.labels):
                    break
                self.labels = roots

    def join_all(self, pieces: Iterable[Links]) -> None:
        """Join many small pieces in few steps; `labels` may lag behind until the end."""
        pending: list[Links] = []
        num_pending = 0
        for piece in pieces:
            pending.append(piece)
            num_pending += len(piece[0])
            if num_pending >= _PENDING:
                self.join(*(np.concatenate(side) for side in zip(*pending)))
                pending.clear()
                num_pending = 0
        if pending:
            self.join(*(np.concatenate(side) for side in zip(*pending)))
