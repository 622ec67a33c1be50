"""Lists and maps."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.column_statistics.base import ColumnStatistics, Label
from headrace.datasets.column_statistics.summaries import numbers_of, size_summary
from headrace.datasets.value_counts import NumberCounts
from headrace.storage.canonical import JsonValue

__all__ = ["ListStatistics"]


class ListStatistics(ColumnStatistics):
    """Lists and maps (by their keys): lengths, and the items where these are counted."""

    def __init__(self, shown: str, items: ColumnStatistics, *, limit: int) -> None:
        super().__init__(shown)
        self._items = items
        self._lengths = NumberCounts(limit)

    @property
    def is_approximate(self) -> bool:
        return self._items.is_approximate

    def labels(self, limit: int) -> tuple[int, list[Label]]:
        return self._items.labels(limit)

    def _add(self, values: pa.Array) -> None:
        self._lengths.add(numbers_of(pc.list_value_length(values)).astype(np.int64))
        self._items.add(pc.list_flatten(values))

    def _describe(self) -> dict[str, JsonValue]:
        items = self._items.finish()
        document: dict[str, JsonValue] = {"num_distinct": items["num_distinct"]}  # of items
        for name in ("min", "max", "top"):
            if name in items:
                document[name] = items[name]
        document["length"] = size_summary(self._lengths, with_histogram=False)
        return document
