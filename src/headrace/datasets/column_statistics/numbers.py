"""Booleans, integers and floats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from headrace.datasets.column_statistics.base import NUM_TOP
from headrace.datasets.column_statistics.counted import CountedStatistics
from headrace.datasets.column_statistics.summaries import histogram, json_number, numbers_of, repeated
from headrace.storage.canonical import JsonValue

__all__ = ["NumberStatistics"]


class NumberStatistics(CountedStatistics):
    """Booleans, integers and floats. NaN and infinities count as distinct values and appear nowhere else."""

    def __init__(self, shown: str, kind: pa.DataType, *, limit: int) -> None:
        super().__init__(shown, kind, limit=limit)
        self._is_bool = pa.types.is_boolean(kind)
        self._is_float = pa.types.is_floating(kind)
        self._non_finite = np.zeros(3, dtype=np.int64)  # NaN, -inf, +inf

    def _add(self, values: pa.Array) -> None:
        numbers = numbers_of(values.cast(pa.uint8()) if self._is_bool else values)  # [num_values]
        if self._is_float:
            finite = np.isfinite(numbers)  # [num_values]
            if not finite.all():
                self._non_finite += [
                    np.count_nonzero(np.isnan(numbers)),
                    np.count_nonzero(np.isneginf(numbers)),
                    np.count_nonzero(np.isposinf(numbers)),
                ]
                numbers = numbers[finite]
            numbers = numbers + 0.0  # -0.0 is 0.0
        self._counts.add(numbers)

    def _describe(self) -> dict[str, JsonValue]:
        document = self._extremes()
        if not self._is_bool:
            document["quantiles"] = self._quantiles()
            document["histogram"] = histogram(self._counts)
        if not self._is_float:
            document["top"] = repeated([[self._value(value), count] for value, count in self._counts.top(NUM_TOP)])
        if self._non_finite.any():
            document["non_finite_count"] = int(self._non_finite.sum())
        return document

    def _num_distinct(self) -> int:
        return self._counts.num_distinct() + int(np.count_nonzero(self._non_finite))

    def _value(self, number: Any) -> JsonValue:
        return bool(number) if self._is_bool else json_number(number)

    def _text(self, number: Any) -> str:
        return str(self._value(number)).lower()
