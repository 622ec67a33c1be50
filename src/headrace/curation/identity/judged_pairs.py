"""Pairs that may be the same, checked once each and joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from headrace.curation.dedup.components import Components
from headrace.curation.identity.pairs import PairCheck

__all__ = ["JudgedPairs"]

_WAITING: Final = 1 << 20  # pairs that are kept until they are checked
_CHECKED_AT_ONCE: Final = 2_048  # then those that were joined meanwhile are left out


class JudgedPairs:
    """Joins pairs for which all checks hold. Checks are dear, so no pair is checked twice, nor one that is joined.

    Memory is 16 bytes for each pair that waits, and 8 for each that a check refused.
    """

    def __init__(self, components: Components, checks: Sequence[PairCheck]) -> None:
        self._components = components
        self._checks = checks
        self._waiting: list[NDArray[np.uint64]] = []
        self._num_waiting = 0
        self._refused = np.zeros(0, dtype=np.uint64)  # ascending
        self.num_checked = 0

    def offer(
        self,
        left: NDArray[np.int64],  # [num_pairs]
        right: NDArray[np.int64],  # [num_pairs]
    ) -> None:
        """Take pairs, in any order, the same ones again too."""
        low, high = np.minimum(left, right).astype(np.uint64), np.maximum(left, right).astype(np.uint64)
        self._waiting.append((low << np.uint64(32)) | high)
        self._num_waiting += len(left)
        if self._num_waiting >= _WAITING:
            self.settle()

    def settle(self) -> None:
        """Check and join all that wait."""
        codes = np.unique(np.concatenate([np.zeros(0, dtype=np.uint64), *self._waiting]))
        self._waiting.clear()
        self._num_waiting = 0
        codes = codes[~np.isin(codes, self._refused, assume_unique=True)]
        refused = [self._refused]
        for start in range(0, len(codes), _CHECKED_AT_ONCE):
            block = codes[start : start + _CHECKED_AT_ONCE]
            left, right = (block >> np.uint64(32)).astype(np.int64), (block & np.uint64(0xFFFFFFFF)).astype(np.int64)
            is_open = self._components.labels[left] != self._components.labels[right]
            block, left, right = block[is_open], left[is_open], right[is_open]
            holds = np.ones(len(block), dtype=np.bool_)
            for check in self._checks:
                holds[holds] = check.holds((left[holds], right[holds]))
            self.num_checked += len(block)
            self._components.join(left[holds], right[holds])
            refused.append(block[~holds])
        self._refused = np.sort(np.concatenate(refused))
