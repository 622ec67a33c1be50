"""Lists of floats."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.column_statistics.base import ColumnStatistics
from headrace.datasets.column_statistics.plain_arrays import plain_array
from headrace.datasets.column_statistics.summaries import numbers_of, size_summary
from headrace.datasets.value_counts import NumberCounts
from headrace.storage.canonical import JsonValue

__all__ = ["VectorStatistics"]


class VectorStatistics(ColumnStatistics):
    """Lists of floats, such as embeddings: extremes of the items, not each distinct one."""

    def __init__(self, shown: str, *, limit: int) -> None:
        super().__init__(shown)
        self._lengths = NumberCounts(limit)
        self._least: float | None = None
        self._greatest: float | None = None

    def _add(self, values: pa.Array) -> None:
        self._lengths.add(numbers_of(pc.list_value_length(values)).astype(np.int64))
        items = numbers_of(plain_array(pc.list_flatten(values)).drop_null())  # [num_items]
        items = items[np.isfinite(items)]  # [num_finite]
        if len(items):
            least, greatest = float(items.min()) + 0.0, float(items.max()) + 0.0
            self._least = least if self._least is None else min(self._least, least)
            self._greatest = greatest if self._greatest is None else max(self._greatest, greatest)

    def _describe(self) -> dict[str, JsonValue]:
        return {
            "num_distinct": None,
            "min": self._least,
            "max": self._greatest,
            "length": size_summary(self._lengths, with_histogram=False),
        }
