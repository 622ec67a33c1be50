"""Pairs are checked once each, and not where others have joined them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headrace.curation.dedup.components import Components
from headrace.curation.identity.judged_pairs import JudgedPairs
from headrace.curation.identity.pairs import Pairs


class SameTens:
    """Holds for numbers with the same tens, and counts."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def holds(self, pairs: Pairs) -> NDArray[np.bool_]:
        self.seen += list(zip(pairs[0].tolist(), pairs[1].tolist()))
        found: NDArray[np.bool_] = pairs[0] // 10 == pairs[1] // 10
        return found


def test_each_pair_is_checked_once_and_joined_ones_are_not() -> None:
    check, components = SameTens(), Components(30)
    judged = JudgedPairs(components, [check])
    judged.offer(np.array([1, 2, 9, 2]), np.array([2, 1, 10, 25]))
    judged.settle()
    judged.offer(np.array([10, 1, 25, 11]), np.array([9, 2, 2, 19]))
    judged.settle()
    judged.settle()
    assert sorted(check.seen) == [(1, 2), (2, 25), (9, 10), (11, 19)]
    assert judged.num_checked == 4
    assert components.labels[[2, 19, 25, 10]].tolist() == [1, 11, 25, 10]


def test_many_pairs_of_one_thing_are_not_all_checked() -> None:
    components, check = Components(2_000), SameTens()
    check.holds = lambda pairs: np.ones(len(pairs[0]), dtype=np.bool_)  # type: ignore[method-assign]  # all are one
    judged = JudgedPairs(components, [check])
    left, right = np.triu_indices(2_000, 1)
    judged.offer(left, right)
    judged.settle()
    assert not components.labels.any()
    assert judged.num_checked < 100_000
