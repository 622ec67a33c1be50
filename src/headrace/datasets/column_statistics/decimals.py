"""Decimals."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from headrace.datasets.column_statistics.counted import CountedStatistics
from headrace.datasets.column_statistics.summaries import value_counts
from headrace.storage.canonical import JsonValue

__all__ = ["DecimalStatistics"]

# Wide enough for decimal256 (76 digits); the default context would round.
_DECIMALS = Context(prec=100)


class DecimalStatistics(CountedStatistics):
    """Decimals, exactly: counted as whole numbers of the last digit, shown as text."""

    def _add(self, values: pa.Array) -> None:
        distinct, counts = value_counts(values)
        units = [int(value.scaleb(self._kind.scale, _DECIMALS)) for value in distinct.to_pylist()]
        self._counts.add(np.array(units, dtype=object), counts)

    def _describe(self) -> dict[str, JsonValue]:
        return {**self._extremes(), "quantiles": self._quantiles(), "histogram": self._histogram()}

    def _histogram(self) -> JsonValue:
        found = self._counts.histogram()
        if found is None:
            return None
        edges = [float(Decimal(edge).scaleb(-self._kind.scale, _DECIMALS)) for edge in found.edges]
        return {"edges": edges, "counts": found.counts}

    def _value(self, number: Any) -> str:
        return format(Decimal(int(number)).scaleb(-self._kind.scale, _DECIMALS), "f")
