"""Finds the row that had a key first, in about 20 bytes a row where a dictionary of texts takes 200."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["KeyIndex"]

_MIN_SLOTS = 1024
_MAX_LOAD = 0.7
_FREE = 0xFFFF_FFFF  # no row has this ordinal

IsSame = Callable[
    [
        NDArray[np.int64],  # [num_pairs], ordinals of rows in the index
        NDArray[np.int64],  # [num_pairs], positions among the keys looked for
    ],
    NDArray[np.bool_],  # [num_pairs]
]
"""Compares keys whose hashes are equal, so that a hash may collide."""


class KeyIndex:
    """A hash table with open addressing, from hashes of keys to ordinals of rows below 2^32 - 1. Not thread-safe.

    It holds no keys: who looks for some compares them with those of the rows that have the same hash.
    """

    def __init__(self) -> None:
        self._hashes = np.zeros(_MIN_SLOTS, np.uint64)  # [num_slots]
        self._ordinals = np.full(_MIN_SLOTS, _FREE, np.uint32)  # [num_slots]
        self._num_keys = 0

    def find(self, hashes: NDArray[np.uint64], *, is_same: IsSame) -> NDArray[np.int64]:
        """The ordinal of each key's row, -1 for keys that are not in the index; both [num_keys]."""
        found = np.full(len(hashes), -1, np.int64)  # [num_keys]
        mask = np.uint64(len(self._hashes) - 1)
        slots = hashes & mask  # [num_keys]
        active = np.arange(len(hashes))  # [num_active], positions that may still be found
        while len(active):
            ordinals = self._ordinals[slots[active]]  # [num_active]
            is_taken = ordinals != _FREE  # [num_active]
            active, ordinals = active[is_taken], ordinals[is_taken]
            is_hit = self._hashes[slots[active]] == hashes[active]  # [num_active]
            if is_hit.any():
                candidates = active[is_hit]  # [num_hits]
                rows = ordinals[is_hit].astype(np.int64)  # [num_hits]
                is_key = is_same(rows, candidates)  # [num_hits]
                found[candidates[is_key]] = rows[is_key]
                active = active[found[active] < 0]
            slots[active] = (slots[active] + np.uint64(1)) & mask
        return found

    def add(self, hashes: NDArray[np.uint64], ordinals: NDArray[np.int64]) -> None:
        """Add keys that differ from each other and from those in the index; both arguments [num_keys]."""
        if self._num_keys + len(hashes) > _MAX_LOAD * len(self._hashes):
            self._grow(self._num_keys + len(hashes))
        self._num_keys += len(hashes)
        self._insert(hashes, ordinals.astype(np.uint32))

    def _grow(self, num_keys: int) -> None:
        num_slots = len(self._hashes)
        while num_keys > _MAX_LOAD * num_slots:
            num_slots *= 2
        is_taken = self._ordinals != _FREE
        hashes, ordinals = self._hashes[is_taken], self._ordinals[is_taken]  # each [num_keys]
        self._hashes = np.zeros(num_slots, np.uint64)
        self._ordinals = np.full(num_slots, _FREE, np.uint32)
        self._insert(hashes, ordinals)

    def _insert(self, hashes: NDArray[np.uint64], ordinals: NDArray[np.uint32]) -> None:
        mask = np.uint64(len(self._hashes) - 1)
        slots = hashes & mask  # [num_keys]
        active = np.arange(len(hashes))  # [num_active], positions without a slot
        while len(active):
            free = active[self._ordinals[slots[active]] == _FREE]  # [num_free]
            # Of several that want one slot the last gets it.
            self._ordinals[slots[free]] = ordinals[free]
            has_slot = np.zeros(len(hashes), np.bool_)  # [num_keys]
            has_slot[free] = self._ordinals[slots[free]] == ordinals[free]
            placed = free[has_slot[free]]
            self._hashes[slots[placed]] = hashes[placed]
            active = active[~has_slot[active]]
            slots[active] = (slots[active] + np.uint64(1)) & mask
