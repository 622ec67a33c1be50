"""Dropped and failed rows by why they left, in bounded memory however different their reasons are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.curation.stage_histogram import CountedNumbers

__all__ = ["DropGroup", "FailureGroup", "MeasuredDrops", "group_drops", "group_failures"]

_MAX_GROUPS = 200
_VARIABLE_WORD = r"\S*\d\S*"
_NUMBER = r"^[-+]?(\d+\.?\d*|\.\d+|\d{1,3}(,\d{3})+)([eE][-+]?\d+)?$"
_DOTS = "…"


@dataclass(frozen=True, slots=True)
class DropGroup:
    """Rows that left a stage for one reason.

    Attributes:
        reason: Words that differ from row to row, such as ids, are "…".
        threshold: None where there is none, or where it differs from row to row.
    """

    operator: str
    reason: str
    threshold: str | None
    num_rows: int


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Rows on which an operator failed with one class of error."""

    operator: str
    error_class: str
    num_rows: int


@dataclass(slots=True)
class MeasuredDrops:
    """The numbers that were measured of rows which left for one reason, against one threshold."""

    operator: str
    reason: str
    threshold: float
    threshold_text: str
    numbers: CountedNumbers = field(default_factory=CountedNumbers)

    @property
    def is_below(self) -> bool | None:
        """Whether all numbers lie below the threshold; False if all lie above it, None for anything else."""
        extremes = self.numbers.spread().extremes()
        if extremes is None:
            return None
        if float(extremes[1]) < self.threshold:
            return True
        return False if float(extremes[0]) > self.threshold else None

    @property
    def touches(self) -> bool | None:
        """As `is_below`, where the threshold itself was dropped: True from below, False from above."""
        extremes = self.numbers.spread().extremes()
        if extremes is None or self.is_below is not None:
            return None
        if float(extremes[1]) == self.threshold:
            return True
        return False if float(extremes[0]) == self.threshold else None


_Key = tuple[str, str, str | None]

_COARSER: tuple[int | None, ...] = (None, 4, 2, 0)
"""Words of a reason that tell groups apart, one step after another, once there are too many."""


def group_drops(parts: Iterable[pa.Table]) -> tuple[tuple[DropGroup, ...], tuple[MeasuredDrops, ...]]:
    """The groups, the largest first, and the numbers of those that measured some.

    Args:
        parts: operator, reason, value and threshold of rows that left.
    """
    counts: dict[_Key, int] = {}
    texts: dict[_Key, str | None] = {}  # the reason where it is the same for all rows of the group
    measured: dict[_Key, MeasuredDrops] = {}
    coarseness = 0
    for part in parts:
        if not part.num_rows:
            continue
        shapes = _shapes(part.column("reason"))
        keyed = pa.table(
            {
                "operator": part.column("operator"),
                "shape": shapes,
                "threshold": part.column("threshold"),
                "reason": part.column("reason"),
                "row": pa.array(np.arange(part.num_rows)),
            }
        )
        by_group = keyed.group_by(["operator", "shape", "threshold"], use_threads=False)
        found = by_group.aggregate([("reason", "count_distinct"), ("reason", "first"), ("row", "list")])
        for row in found.select([name for name in found.column_names if name != "row_list"]).to_pylist():
            key = (str(row["operator"]), str(row["shape"]), row["threshold"])
            text = row["reason_first"] if row["reason_count_distinct"] == 1 else None
            texts[key] = text if key not in texts or texts[key] == text else None
        rows_of = found.column("row_list").combine_chunks()
        numbers: NDArray[np.float64] | None = None
        for place, row in enumerate(found.select(["operator", "shape", "threshold"]).to_pylist()):
            key = (str(row["operator"]), str(row["shape"]), row["threshold"])
            rows = rows_of[place].values.to_numpy()
            counts[key] = counts.get(key, 0) + len(rows)
            threshold = _number(row["threshold"])
            if threshold is None or (key not in measured and len(measured) >= _MAX_GROUPS):
                continue
            numbers = _numbers(part.column("value")) if numbers is None else numbers
            if key not in measured:
                measured[key] = MeasuredDrops(key[0], key[1], threshold, str(row["threshold"]))
            measured[key].numbers.add(numbers[rows])
        if coarseness:
            counts = _merged(counts, _COARSER[coarseness - 1])
        while len(counts) > _MAX_GROUPS and coarseness < len(_COARSER):
            counts = _merged(counts, _COARSER[coarseness])
            coarseness += 1
        if coarseness:
            texts = {}
    groups = [
        DropGroup(operator, texts.get((operator, shape, threshold)) or shape, threshold, count)
        for (operator, shape, threshold), count in counts.items()
    ]
    for key, drops in measured.items():
        drops.reason = texts.get(key) or drops.reason
    by_size = sorted(groups, key=lambda group: (-group.num_rows, group.operator, group.reason, group.threshold or ""))
    kept = [drops for drops in measured.values() if drops.numbers.spread().extremes() is not None]
    return tuple(by_size), tuple(kept)


def group_failures(parts: Iterable[pa.Table]) -> tuple[FailureGroup, ...]:
    """The groups, the largest first.

    Args:
        parts: operator and class of rows in quarantine.
    """
    counts: dict[tuple[str, str], int] = {}
    for part in parts:
        found = part.group_by(["operator", "class"], use_threads=False).aggregate([([], "count_all")])
        for row in found.to_pylist():
            key = (str(row["operator"]), str(row["class"]))
            counts[key] = counts.get(key, 0) + row["count_all"]
    groups = [FailureGroup(operator, name, count) for (operator, name), count in counts.items()]
    return tuple(sorted(groups, key=lambda group: (-group.num_rows, group.operator, group.error_class)))


def _shapes(reasons: pa.ChunkedArray) -> pa.ChunkedArray:
    """Reasons with "…" for each word that holds a digit, [num_rows]: ids, ranks, values."""
    encoded = pc.dictionary_encode(reasons.combine_chunks())
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    shapes = pc.replace_substring_regex(encoded.dictionary, pattern=_VARIABLE_WORD, replacement=_DOTS)
    return pa.chunked_array([shapes.take(encoded.indices).fill_null("")])


def _merged(counts: dict[_Key, int], num_words: int | None) -> dict[_Key, int]:
    """Groups without thresholds, whose reasons begin with the same words; None takes all words."""
    fewer: dict[_Key, int] = {}
    for (operator, shape, _), count in counts.items():
        words = shape.removesuffix(_DOTS).split()
        is_cut = num_words is not None and len(words) > num_words
        text = " ".join([*words[:num_words], _DOTS]) if is_cut else shape
        fewer[operator, text, None] = fewer.get((operator, text, None), 0) + count
    return fewer


def _numbers(values: pa.ChunkedArray) -> NDArray[np.float64]:
    """Values that read as numbers, NaN for all others, [num_rows]."""
    texts = values.combine_chunks()
    is_number = pc.match_substring_regex(texts, pattern=_NUMBER)
    numbers = pc.if_else(is_number, texts, pa.scalar(None, pa.string()))
    plain = pc.replace_substring(numbers, pattern=",", replacement="")
    return np.asarray(plain.cast(pa.float64()).to_numpy(zero_copy_only=False))


def _number(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        return None
    return number if np.isfinite(number) else None
