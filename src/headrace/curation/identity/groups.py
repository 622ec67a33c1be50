"""Pairs joined to groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from headrace.curation.identity.pairs import PairCheck, PairFinder, Pairs

__all__ = ["checked_pairs", "smallest_members"]

_WAITING = 1_000_000  # pairs that are joined at once


def checked_pairs(finder: PairFinder, checks: Sequence[PairCheck], *, is_new: NDArray[np.bool_]) -> Iterable[Pairs]:
    """The pairs that all checks hold for. `is_new`: [num_items]."""
    for left, right in finder.pairs(is_new):
        holds = np.ones(len(left), dtype=np.bool_)
        for check in checks:
            holds[holds] = check.holds((left[holds], right[holds]))
        yield left[holds], right[holds]


def smallest_members(num_items: int, pairs: Iterable[Pairs]) -> NDArray[np.int64]:  # [num_items]
    """The smallest position in each item's group; of an item that is in no pair its own. In any order of pairs."""
    smallest = np.arange(num_items)
    waiting: list[Pairs] = []
    for pair in pairs:
        waiting.append(pair)
        if sum(len(left) for left, _ in waiting) > _WAITING:
            smallest, waiting = _joined(smallest, waiting), []
    return _joined(smallest, waiting)


def _joined(smallest: NDArray[np.int64], pairs: Sequence[Pairs]) -> NDArray[np.int64]:
    """Smallest members after joining more pairs: roots hang below smaller roots until both of each pair agree."""
    if not pairs:
        return smallest
    left, right = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    while True:
        low, high = np.minimum(smallest[left], smallest[right]), np.maximum(smallest[left], smallest[right])
        is_open = low != high
        if not is_open.any():
            return smallest
        left, right = left[is_open], right[is_open]
        np.minimum.at(smallest, high[is_open], low[is_open])
        while not np.array_equal(smallest, smallest[smallest]):
            smallest = smallest[smallest]
