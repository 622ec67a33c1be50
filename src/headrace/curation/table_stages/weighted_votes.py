"""Votes of sources on values: how sure each value is of each group, in a fixed order of computing.

Of a group, S are the sources that say anything at all of the field and whose vocabulary holds the value t; p_s(t) is
how sure s is of it, 0 where it does not say it:

    weighted vote  c(t) = sum_s w_s p_s(t) / sum_s w_s
    noisy-or       c(t) = 1 - prod_s (1 - w_s p_s(t))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Entries", "Votes", "take_votes"]

_TIES = 2.0**40
"""Confidences that agree to twelve digits are equal: what rounding adds must not decide about the order."""

_GROUP_BITS = 62 - 41


@dataclass(frozen=True, slots=True)
class Entries:
    """Who says what of which group, each [num_entries]."""

    groups: NDArray[np.int64]
    sources: NDArray[np.int64]
    values: NDArray[np.int64]  # positions in the vocabulary, that is, in the order of ties
    shares: NDArray[np.float64]  # 0 to 1


@dataclass(frozen=True, slots=True)
class Votes:
    """Values of each group: the groups ascending, in each the surest first."""

    groups: NDArray[np.int64]  # [num_votes]
    values: NDArray[np.int64]  # [num_votes]
    confidences: NDArray[np.float64]  # [num_votes], above 0 and up to 1
    said: NDArray[np.bool_]  # [num_votes, num_sources]


def take_votes(
    entries: Entries,
    *,
    speaks: NDArray[np.bool_],  # [num_groups, num_sources], whether the source says anything of the field, if only []
    covers: NDArray[np.bool_],  # [num_values, num_sources]
    weights: Sequence[float],  # [num_sources]
    is_noisy_or: bool,
) -> Votes:
    """The confidence of every value that a source says of a group; what its vocabulary does not hold is no vote."""
    counts = covers[entries.values, entries.sources] & (entries.shares > 0)
    cells = entries.groups[counts] * len(covers) + entries.values[counts]
    sources, shares = entries.sources[counts], entries.shares[counts]
    order = np.argsort(cells * len(weights) + sources, kind="stable")
    ordered, sources, shares = cells[order], sources[order], shares[order]
    is_first = np.ones(len(ordered), dtype=np.bool_)
    is_first[1:] = ordered[1:] != ordered[:-1]
    votes = np.cumsum(is_first) - 1  # [num_entries], which vote each entry is of
    groups, values = np.divmod(ordered[is_first], max(len(covers), 1))
    sure = np.zeros((len(weights), len(groups)))  # [num_sources, num_votes], p
    if np.any((ordered[1:] == ordered[:-1]) & (sources[1:] == sources[:-1])):
        np.maximum.at(sure, (sources, votes), shares)  # a source says a value twice: the surest counts
    else:
        sure[sources, votes] = shares
    confidences = _noisy_or(sure, weights) if is_noisy_or else _weighted(sure, speaks[groups] & covers[values], weights)
    ties = np.floor(confidences * _TIES + 0.5).astype(np.int64)  # [num_votes]
    if len(speaks) < 1 << _GROUP_BITS:
        place = np.argsort(groups * (1 << 41) + (int(_TIES) - ties), kind="stable")  # by group, then the surest first
    else:
        place = np.lexsort((-ties, groups))
    return Votes(groups[place], values[place], confidences[place], (sure > 0).T[place])


def _weighted(
    sure: NDArray[np.float64],  # [num_sources, num_votes]
    counts: NDArray[np.bool_],  # [num_votes, num_sources]
    weights: Sequence[float],
) -> NDArray[np.float64]:
    votes, total = np.zeros(sure.shape[1]), np.zeros(sure.shape[1])
    for idx, weight in enumerate(weights):  # source after source: sums of floats depend on their order
        votes += weight * sure[idx]
        total += weight * counts[:, idx]
    return votes / total


def _noisy_or(sure: NDArray[np.float64], weights: Sequence[float]) -> NDArray[np.float64]:
    doubt = np.ones(sure.shape[1])
    for idx, weight in enumerate(weights):
        doubt *= 1.0 - weight * sure[idx]
    return 1.0 - doubt
