"""Strings and binaries."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.column_statistics.base import NUM_TOP, ColumnStatistics, Label
from headrace.datasets.column_statistics.summaries import (
    numbers_of,
    repeated,
    size_summary,
    text_value,
    value_counts,
)
from headrace.datasets.value_counts import NumberCounts, TextCounts
from headrace.storage.canonical import JsonValue

__all__ = ["TextStatistics"]


class TextStatistics(ColumnStatistics):
    """Strings (in Unicode characters) and binaries (in bytes, shown as hex)."""

    def __init__(self, shown: str, *, limit: int, num_top: int) -> None:
        super().__init__(shown)
        self._is_text = True
        self._counts = TextCounts(limit, num_top=num_top)
        self._lengths = NumberCounts(limit)
        self._least: str | bytes | None = None
        self._greatest: str | bytes | None = None

    @property
    def is_approximate(self) -> bool:
        return self._counts.is_approximate

    def labels(self, limit: int) -> tuple[int, list[Label]]:
        return self._counts.num_distinct(), [[text_value(value), count] for value, count in self._counts.top(limit)]

    def _add(self, values: pa.Array) -> None:
        self._is_text = pa.types.is_large_string(values.type)
        distinct, counts = value_counts(values)
        if not len(distinct):
            return
        self._counts.add(distinct, counts)
        lengths = pc.utf8_length(distinct) if self._is_text else pc.binary_length(distinct)
        self._lengths.add(numbers_of(lengths), counts)
        extremes = pc.min_max(distinct)
        least, greatest = extremes["min"].as_py(), extremes["max"].as_py()
        self._least = least if self._least is None else min(self._least, least)
        self._greatest = greatest if self._greatest is None else max(self._greatest, greatest)

    def _describe(self) -> dict[str, JsonValue]:
        document: dict[str, JsonValue] = {
            "num_distinct": self._counts.num_distinct(),
            "min": None if self._least is None else text_value(self._least),
            "max": None if self._greatest is None else text_value(self._greatest),
        }
        if self._is_text:
            document["top"] = repeated([[text_value(value), count] for value, count in self._counts.top(NUM_TOP)])
        document["length"] = size_summary(self._lengths, with_histogram=False)
        return document
