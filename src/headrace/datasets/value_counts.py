"""Distinct values and how often each occurs: exact up to a limit, bounded memory above it.

Values are folded in chunk by chunk; the result does not depend on how the rows were cut into chunks, as long as the
limit is not reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3
from numpy.typing import NDArray

__all__ = ["HashCounts", "Histogram", "NumberCounts", "QUANTILES", "TEXT_LIMIT", "TextCounts", "shorten"]

Counts = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Numbers = NDArray[Any]  # any sortable dtype, also object with Python ints

TEXT_LIMIT = 256  # characters of a value that are kept to be shown
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_NUM_BINS = 20


class _SortedRuns:
    """Sorted (values, counts) runs, merged when the newer one has grown to half of the older: n log n in all."""

    def __init__(self) -> None:
        self._runs: list[tuple[Numbers, Counts]] = []

    def add(self, values: Numbers, counts: Counts) -> None:
        """`values` are distinct and ascending, shape [n]; `counts` has the same shape."""
        if not len(values):
            return
        self._runs.append((values, counts))
        while len(self._runs) > 1 and 2 * len(self._runs[-1][0]) >= len(self._runs[-2][0]):
            newer = self._runs.pop()
            self._runs.append(_merge(self._runs.pop(), newer))

    def largest(self) -> int:
        """Length of the longest run."""
        return max((len(values) for values, _ in self._runs), default=0)

    def merged(self) -> tuple[Numbers, Counts]:
        """All values, distinct and ascending."""
        while len(self._runs) > 1:
            newer = self._runs.pop()
            self._runs.append(_merge(self._runs.pop(), newer))
        return self._runs[0] if self._runs else (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))

    def replace(self, values: Numbers, counts: Counts) -> None:
        self._runs = [(values, counts)] if len(values) else []

    def counts_of(self, values: Numbers) -> Counts:
        """Count of each value so far, 0 where it is new. Shape [n]."""
        found = np.zeros(len(values), dtype=np.int64)
        for known, counts in self._runs:
            idx = np.minimum(np.searchsorted(known, values), len(known) - 1)
            found += np.where(known[idx] == values, counts[idx], 0)
        return found


def _merge(one: tuple[Numbers, Counts], two: tuple[Numbers, Counts]) -> tuple[Numbers, Counts]:
    return _distinct(np.concatenate([one[0], two[0]]), np.concatenate([one[1], two[1]]))


def _distinct(values: Numbers, counts: Counts | None) -> tuple[Numbers, Counts]:
    """Sort, and add up the counts of equal values."""
    if not len(values):
        return values, np.zeros(0, dtype=np.int64)
    if counts is None:
        values = np.sort(values)
    else:
        order = np.argsort(values, kind="stable")
        values, counts = values[order], counts[order]
    starts = np.flatnonzero(np.concatenate([[True], np.asarray(values[1:] != values[:-1], dtype=bool)]))
    if counts is None:
        return values[starts], np.diff(starts, append=len(values)).astype(np.int64)
    return values[starts], np.add.reduceat(counts, starts)


class HashCounts:
    """Counts of evenly spread 64-bit hashes.

    Two different values share a hash with a probability below one in a million at five million values. Above the limit
    only hashes whose lowest `level` bits are 0 are kept, and the number of distinct values is an estimate.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._level = 0
        self._runs = _SortedRuns()

    @property
    def is_approximate(self) -> bool:
        return self._level > 0

    def add(self, hashes: Hashes, counts: Counts | None = None) -> None:
        """`hashes` in any order, also repeated; shape [n]."""
        hashes, counts = self._kept(hashes, counts)
        self._runs.add(*_distinct(hashes, counts))
        while self._runs.largest() > self._limit:
            self._level += 1
            self._runs.replace(*self._kept(*self._runs.merged()))

    def counts_of(self, hashes: Hashes) -> Counts:
        """Counts so far, 0 for new hashes and for those that are no longer kept."""
        return self._runs.counts_of(hashes)

    def num_distinct(self) -> int:
        return len(self._runs.merged()[0]) << self._level

    def _kept(self, hashes: Hashes, counts: Counts | None) -> tuple[Hashes, Counts]:
        if counts is None:
            counts = np.ones(len(hashes), dtype=np.int64)
        if not self._level:
            return hashes, counts
        keep = (hashes & np.uint64((1 << self._level) - 1)) == 0
        return hashes[keep], counts[keep]


def _spread(values: Numbers) -> Hashes:
    """Evenly spread hashes of numbers (the finalizer of splitmix64)."""
    if values.dtype == object:
        return np.array(
            [int.from_bytes(blake3(str(value).encode()).digest(8), "little") for value in values], dtype=np.uint64
        )
    bits = np.ascontiguousarray(values.astype(np.float64) if values.dtype.kind == "f" else values)
    hashes: Hashes = bits.view(np.uint64).copy() if bits.dtype.itemsize == 8 else bits.astype(np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        hashes = (hashes ^ (hashes >> np.uint64(shift))) * np.uint64(factor)
    return hashes


@dataclass(frozen=True, slots=True)
class Histogram:
    """`counts[i]` values lie in [edges[i], edges[i + 1]), the last bin is closed."""

    edges: list[float] | list[int]
    counts: list[int]


class NumberCounts:
    """Finite numbers and their counts: quantiles, histogram, most frequent values.

    Above the limit neighbouring values are merged, so that quantiles and histogram become approximate; extremes and
    mean stay exact.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._runs = _SortedRuns()
        self._sketch: HashCounts | None = None
        self._min: Any = None
        self._max: Any = None

    @property
    def is_approximate(self) -> bool:
        return self._sketch is not None

    def add(self, numbers: Numbers, counts: Counts | None = None) -> None:
        """`numbers` in any order, also repeated, no NaN; shape [n]."""
        if not len(numbers):
            return
        values, counts = _distinct(numbers, counts)
        self._min = values[0] if self._min is None else min(self._min, values[0])
        self._max = values[-1] if self._max is None else max(self._max, values[-1])
        if self._sketch is not None:
            self._sketch.add(_spread(values))
        self._runs.add(values, counts)
        if self._runs.largest() > self._limit:
            values, counts = self._runs.merged()
            if self._sketch is None:
                self._sketch = HashCounts(self._limit)
                self._sketch.add(_spread(values))
            while len(values) > self._limit // 2:
                values, counts = _coarser(values, counts)
            self._runs.replace(values, counts)

    def values(self) -> tuple[Numbers, Counts]:
        """Distinct values ascending, and their counts."""
        return self._runs.merged()

    def num_distinct(self) -> int:
        return len(self._runs.merged()[0]) if self._sketch is None else self._sketch.num_distinct()

    def extremes(self) -> tuple[Any, Any] | None:
        """Least and greatest value, None without values."""
        return None if self._min is None else (self._min, self._max)

    def total(self) -> int:
        """Sum of integers, exact."""
        values, counts = self._runs.merged()
        if values.dtype == object or (len(values) and max(abs(int(values[0])), abs(int(values[-1]))) > 1 << 31):
            return sum(int(value) * int(count) for value, count in zip(values, counts, strict=True))
        return int(np.dot(values.astype(np.int64), counts))

    def mean(self) -> float | None:
        values, counts = self._runs.merged()
        if not len(values):
            return None
        if values.dtype.kind == "f":
            weights = counts / counts.sum()  # before the product, so that large values do not overflow
            return float(np.dot(values.astype(np.float64), weights))
        return self.total() / int(counts.sum())

    def quantiles(self) -> dict[str, Any]:
        """Quantile -> the smallest value that at least this share of all values does not exceed."""
        values, counts = self._runs.merged()
        if not len(values):
            return {}
        cumulative = np.cumsum(counts)
        ranks = [max(1, int(np.ceil(share * int(cumulative[-1]) - 1e-9))) for share in QUANTILES]
        found = values[np.searchsorted(cumulative, ranks)]
        return {str(share): value for share, value in zip(QUANTILES, found, strict=True)}

    def top(self, num_values: int) -> list[tuple[Any, int]]:
        """The most frequent values, ties ascending; nothing once values were merged."""
        if self.is_approximate:
            return []
        values, counts = self._runs.merged()
        threshold = 0
        if len(counts) > num_values:
            threshold = int(np.partition(counts, len(counts) - num_values)[len(counts) - num_values])
        chosen = np.flatnonzero(counts >= threshold)  # ascending by value
        order = chosen[np.argsort(-counts[chosen], kind="stable")][:num_values]
        return [(values[idx], int(counts[idx])) for idx in order]

    def histogram(self) -> Histogram | None:
        """20 bins of equal width from min to max; one bin a value for few integers."""
        values, counts = self._runs.merged()
        if not len(values):
            return None
        least, greatest = self._min, self._max
        if values.dtype.kind != "f" and int(greatest) - int(least) < _NUM_BINS:
            first = int(least)
            bins = np.array([int(value) - first for value in values], dtype=np.int64)
            width = int(greatest) - first + 1
            summed = np.bincount(bins, weights=counts, minlength=width)
            return Histogram([first + step for step in range(width + 1)], [int(count) for count in summed])
        floats = values.astype(np.float64)
        share = np.arange(_NUM_BINS + 1) / _NUM_BINS
        if float(least) == float(greatest):
            return Histogram([float(least), float(greatest)], [int(counts.sum())])
        edges = float(least) * (1 - share) + float(greatest) * share  # no difference, which could overflow
        edges[0], edges[-1] = float(least), float(greatest)
        edges = np.maximum.accumulate(edges)
        bins = np.clip(np.searchsorted(edges, floats, side="right") - 1, 0, _NUM_BINS - 1)
        summed = np.bincount(bins, weights=counts, minlength=_NUM_BINS)
        return Histogram([float(edge) for edge in edges], [int(count) for count in summed])


def _coarser(values: Numbers, counts: Counts) -> tuple[Numbers, Counts]:
    """Merge neighbours in pairs; the more frequent value of a pair stands for both."""
    even = len(values) // 2 * 2
    left, right = counts[0:even:2], counts[1:even:2]
    kept = np.where(left >= right, values[0:even:2], values[1:even:2])
    if even == len(values):
        return kept, left + right
    return np.concatenate([kept, values[even:]]), np.concatenate([left + right, counts[even:]])


class TextCounts:
    """Counts of strings or byte strings, with the most frequent ones.

    The first chunk is kept as it is. From the second on only hashes are kept, and the `num_top` most frequent values:
    a value that falls out can only come back by occurring again, so these are exact below the limit.
    """

    def __init__(self, limit: int, *, num_top: int) -> None:
        self._num_top = num_top
        self._hashes = HashCounts(limit)
        self._first: tuple[pa.Array, Counts] | None = None
        self._has_hashes = False
        self._top: dict[int, tuple[int, str | bytes]] = {}  # hash -> (count, shortened value)

    @property
    def is_approximate(self) -> bool:
        return self._hashes.is_approximate

    def add(self, values: pa.Array, counts: Counts) -> None:
        """`values`: distinct strings or binaries without nulls; shape [n]."""
        if not len(values):
            return
        if self._first is None and not self._has_hashes:
            self._first = (values, counts)
            return
        if self._first is not None:
            first, self._first = self._first, None
            self._has_hashes = True
            self._absorb(*first)
        self._absorb(values, counts)

    def num_distinct(self) -> int:
        if self._first is not None:
            return len(self._first[0])
        return self._hashes.num_distinct()

    def top(self, num_values: int) -> list[tuple[str | bytes, int]]:
        """The most frequent values, ties ascending; each cut to `TEXT_LIMIT`."""
        if self._first is not None:
            values, counts = self._first
            chosen = _most_frequent(values, counts, num_values)
            return [(shorten(values[idx].as_py()), int(counts[idx])) for idx in chosen]
        ranked = sorted(self._top.values(), key=lambda item: (-item[0], item[1]))
        return [(value, count) for count, value in ranked[:num_values]]

    def _absorb(self, values: pa.Array, counts: Counts) -> None:
        hashes = _hash_values(values)
        totals = self._hashes.counts_of(hashes) + counts
        self._hashes.add(hashes, counts)
        if self._top:
            known = np.fromiter(self._top, dtype=np.uint64, count=len(self._top))
            for seen in np.flatnonzero(np.isin(hashes, known)):
                totals[seen] = self._top[int(hashes[seen])][0] + counts[seen]
        for idx in _most_frequent(values, totals, self._num_top):
            self._top[int(hashes[idx])] = (int(totals[idx]), shorten(values[idx].as_py()))
        if len(self._top) > self._num_top:
            ranked = sorted(self._top.items(), key=lambda item: (-item[1][0], item[1][1]))
            self._top = dict(ranked[: self._num_top])


def _hash_values(values: pa.Array) -> Hashes:
    digests = b"".join([blake3(value).digest(8) for value in values.cast(pa.large_binary()).to_pylist()])
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def _most_frequent(values: pa.Array, counts: Counts, num_values: int) -> Sequence[int]:
    """Positions of the highest counts, ties in ascending order of the values."""
    if len(counts) > num_values:
        threshold = np.partition(counts, len(counts) - num_values)[len(counts) - num_values]
        above = np.flatnonzero(counts > threshold)
        ties = np.flatnonzero(counts == threshold)
        missing = num_values - len(above)
        if len(ties) > missing:
            texts = values.take(pa.array(ties))
            least = pc.select_k_unstable(pa.table({"value": texts}), missing, [("value", "ascending")])
            ties = ties[least.to_numpy()]
        chosen: NDArray[np.int64] = np.concatenate([above, ties])
    else:
        chosen = np.arange(len(counts))
    order = pc.sort_indices(
        pa.table({"count": counts[chosen], "value": values.take(pa.array(chosen))}),
        sort_keys=[("count", "descending"), ("value", "ascending")],
    )
    return [int(idx) for idx in chosen[order.to_numpy()]]


def shorten(value: str | bytes) -> str | bytes:
    """At most `TEXT_LIMIT` characters or bytes."""
    return value[:TEXT_LIMIT]
