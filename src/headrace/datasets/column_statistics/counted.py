"""Columns whose values are counted as numbers."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import pyarrow as pa

from headrace.datasets.column_statistics.base import ColumnStatistics, Label
from headrace.datasets.value_counts import NumberCounts
from headrace.storage.canonical import JsonValue

__all__ = ["CountedStatistics"]


class CountedStatistics(ColumnStatistics):
    """Counts numbers that stand for the values; `_value` shows one as the document does."""

    def __init__(self, shown: str, kind: pa.DataType, *, limit: int) -> None:
        """`kind`: the column's plain type."""
        super().__init__(shown)
        self._kind = kind
        self._counts = NumberCounts(limit)

    @property
    def is_approximate(self) -> bool:
        return self._counts.is_approximate

    def labels(self, limit: int) -> tuple[int, list[Label]]:
        return self._num_distinct(), [[self._text(value), count] for value, count in self._counts.top(limit)]

    @abstractmethod
    def _value(self, number: Any) -> JsonValue:
        """What a number stands for."""

    def _text(self, number: Any) -> str:
        return str(self._value(number))

    def _num_distinct(self) -> int:
        return self._counts.num_distinct()

    def _extremes(self) -> dict[str, JsonValue]:
        """`num_distinct`, `min` and `max`."""
        extremes = self._counts.extremes()
        return {
            "num_distinct": self._num_distinct(),
            "min": None if extremes is None else self._value(extremes[0]),
            "max": None if extremes is None else self._value(extremes[1]),
        }

    def _quantiles(self) -> dict[str, JsonValue]:
        return {share: self._value(value) for share, value in self._counts.quantiles().items()}
