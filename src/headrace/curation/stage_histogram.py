"""A measured number over the rows that a stage kept and those that it dropped, with the cut between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.curation.stage_rows import StageRows, StageStore
from headrace.datasets.value_counts import NumberCounts

__all__ = ["ColumnNumbers", "CountedNumbers", "Cut", "Numbers", "StageHistogram", "draw_histogram"]

_NUM_BINS = 20  # as in the statistics of a dataset
_DISTINCT_LIMIT = 131_072  # values that are kept apart to find extremes and the median
_LOG_RATIO = 100.0  # greatest over least, from which on bins may grow by a factor
_CROWDED = 0.1  # share of the range that the lower half of the values lies in, where bins of equal width show nothing


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a stage divides the numbers.

    Attributes:
        text: As people read it, `blur >= 20`.
        is_lower: The number itself counts to those above it, as in `>=` and `<`.
    """

    number: float
    text: str
    is_lower: bool

    @property
    def edge(self) -> float:
        """The least number above the cut."""
        return self.number if self.is_lower else float(np.nextafter(self.number, np.inf))


@dataclass(frozen=True, slots=True)
class StageHistogram:
    """`kept[i]` and `dropped[i]` rows have a value in [edges[i], edges[i + 1]); the last bin is closed.

    Attributes:
        column: What was measured; a column, a field of one, or a name that an operator gives.
        scale: "log" where each bin is wider than the one before by the same factor.
        kept: None where the numbers of the rows that stayed are not kept.
        dropped: None where the stage drops no row by this number.
        cuts: Each with the number of bins below it.
        kept_missing: Rows that stayed without a finite number.
    """

    column: str
    scale: Literal["linear", "log"]
    edges: tuple[float, ...]
    kept: tuple[int, ...] | None
    dropped: tuple[int, ...] | None
    cuts: tuple[tuple[Cut, int], ...]
    kept_missing: int
    dropped_missing: int

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return {
            "column": self.column,
            "scale": self.scale,
            "edges": list(self.edges),
            "kept": None if self.kept is None else list(self.kept),
            "dropped": None if self.dropped is None else list(self.dropped),
            "cuts": [{"value": cut.number, "text": cut.text, "bins_below": place} for cut, place in self.cuts],
            "kept_missing": self.kept_missing,
            "dropped_missing": self.dropped_missing,
        }


class Numbers(Protocol):
    """Numbers of rows, in whatever way they are read."""

    def spread(self) -> NumberCounts:
        """Extremes and quantiles."""
        ...

    def counts(
        self,
        edges: NDArray[np.float64],  # [num_bins + 1]
    ) -> tuple[NDArray[np.int64], int]:  # [num_bins]
        """How many lie in each bin, and how many rows have no finite number."""
        ...


class ColumnNumbers:
    """A column of rows, read part by part each time it is asked for; only this column is in memory."""

    def __init__(
        self,
        stage_store: StageStore,
        rows: StageRows,
        column: str,
        *,
        of: Callable[[pa.ChunkedArray], pa.ChunkedArray] | None = None,
    ) -> None:
        """`of` takes numbers out of the column's values, [num_rows] to [num_rows]."""
        self._stage_store = stage_store
        self._rows = rows
        self._column = column
        self._of = of

    def spread(self) -> NumberCounts:
        """As `Numbers.spread`."""
        counts = NumberCounts(_DISTINCT_LIMIT)
        for values in self._parts():
            counts.add(values[np.isfinite(values)] + 0.0)  # -0.0 is 0.0
        return counts

    def counts(self, edges: NDArray[np.float64]) -> tuple[NDArray[np.int64], int]:
        """As `Numbers.counts`, exactly: [num_bins] from edges [num_bins + 1]."""
        found = np.zeros(len(edges) - 1, dtype=np.int64)
        num_missing = 0
        for values in self._parts():
            is_finite = np.isfinite(values)
            num_missing += len(values) - int(is_finite.sum())
            found += _binned(values[is_finite], edges)
        return found, num_missing

    def _parts(self) -> Iterator[NDArray[np.float64]]:
        """NaN where there is no number, [num_rows of a part]."""
        for table in self._stage_store.tables(self._rows, columns=[self._column]):
            values = table.column(self._column)
            numbers = values if self._of is None else self._of(values)
            yield np.asarray(pc.cast(numbers, pa.float64(), safe=False).to_numpy(zero_copy_only=False))


class CountedNumbers:
    """Numbers that were counted before: exact up to 131,072 different ones, then neighbours are merged."""

    def __init__(self) -> None:
        self._counts = NumberCounts(_DISTINCT_LIMIT)
        self._num_missing = 0

    def add(
        self,
        values: NDArray[np.float64],  # [num_rows]
    ) -> None:
        """NaN where a row has no number."""
        is_finite = np.isfinite(values)
        self._num_missing += len(values) - int(is_finite.sum())
        self._counts.add(values[is_finite] + 0.0)

    def spread(self) -> NumberCounts:
        """As `Numbers.spread`."""
        return self._counts

    def counts(self, edges: NDArray[np.float64]) -> tuple[NDArray[np.int64], int]:
        """As `Numbers.counts`: [num_bins] from edges [num_bins + 1]."""
        values, counts = self._counts.values()
        return _binned(np.asarray(values, dtype=np.float64), edges, counts), self._num_missing


def draw_histogram(
    column: str,
    *,
    kept: Numbers | None,
    dropped: Numbers | None = None,
    before: Numbers | None = None,
    cuts: Sequence[Cut] = (),
) -> StageHistogram | None:
    """The histogram; None where there is no finite number. A few whole numbers get a bin each.

    Args:
        dropped: Numbers of the rows that left.
        before: Of all rows that came, where `dropped` is what remains of them without `kept`.
    """
    whole = [numbers for numbers in ((before,) if before is not None else (kept, dropped)) if numbers is not None]
    spreads = [numbers.spread() for numbers in whole]
    extremes = [found for found in (spread.extremes() for spread in spreads) if found is not None]
    if not extremes:
        return None
    least = min(float(found[0]) for found in extremes)
    greatest = max(float(found[1]) for found in extremes)
    median = min(float(spread.quantiles()["0.5"]) for spread in spreads if spread.extremes() is not None)
    is_whole = all((spread.values()[0] % 1 == 0).all() for spread in spreads)
    edges, scale = _edges(least, greatest, median, cuts, is_whole=is_whole)
    kept_counts, kept_missing = (None, 0) if kept is None else kept.counts(edges)
    dropped_counts: NDArray[np.int64] | None = None
    dropped_missing = 0
    if before is not None and kept_counts is not None:
        all_counts, all_missing = before.counts(edges)
        dropped_counts, dropped_missing = all_counts - kept_counts, all_missing - kept_missing
    elif dropped is not None:
        dropped_counts, dropped_missing = dropped.counts(edges)
    return StageHistogram(
        column,
        scale,
        tuple(edges.tolist()),
        None if kept_counts is None else tuple(kept_counts.tolist()),
        None if dropped_counts is None else tuple(dropped_counts.tolist()),
        tuple((cut, _bins_below(edges, cut)) for cut in sorted(cuts, key=lambda cut: cut.edge)),
        kept_missing,
        dropped_missing,
    )


def _edges(
    least: float, greatest: float, median: float, cuts: Sequence[Cut], *, is_whole: bool
) -> tuple[NDArray[np.float64], Literal["linear", "log"]]:
    """Edges of the bins, [num_bins + 1]; each cut inside the range is one of them."""
    if is_whole and greatest - least < _NUM_BINS:
        return np.arange(least, greatest + 2), "linear"
    if least == greatest:
        return np.array([least, greatest]), "linear"
    share = np.arange(_NUM_BINS + 1) / _NUM_BINS
    is_crowded = median < least + _CROWDED * (greatest - least)
    if least > 0 and greatest / least >= _LOG_RATIO and is_crowded:
        edges = least * (greatest / least) ** share
        scale: Literal["linear", "log"] = "log"
    else:
        edges = least * (1 - share) + greatest * share  # no difference, which could overflow
        scale = "linear"
    edges[0], edges[-1] = least, greatest
    edges = np.maximum.accumulate(np.round(edges) if is_whole else edges)
    scaled: Callable[[float], float] = math.log if scale == "log" else float
    free = set(range(1, _NUM_BINS))
    for edge in sorted({cut.edge for cut in cuts}):
        if least < edge < greatest and free:
            nearest = min(free, key=lambda idx: (abs(scaled(float(edges[idx])) - scaled(edge)), idx))
            free.discard(nearest)
            edges[nearest] = edge
    return np.sort(edges), scale


def _binned(
    values: NDArray[np.float64],  # [num_values], finite
    edges: NDArray[np.float64],  # [num_bins + 1]
    counts: NDArray[np.int64] | None = None,  # [num_values]
) -> NDArray[np.int64]:  # [num_bins]
    bins = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return np.bincount(bins, weights=counts, minlength=len(edges) - 1).astype(np.int64)


def _bins_below(edges: NDArray[np.float64], cut: Cut) -> int:
    """How many bins lie below the cut: 0 where all numbers are above it."""
    if cut.edge > edges[-1]:
        return len(edges) - 1
    return min(int(np.searchsorted(edges, cut.edge, side="left")), len(edges) - 1)
