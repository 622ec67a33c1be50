"""Everything else."""

from __future__ import annotations

import pyarrow as pa

from headrace.datasets.column_statistics.base import ColumnStatistics
from headrace.storage.canonical import JsonValue

__all__ = ["OpaqueStatistics"]


class OpaqueStatistics(ColumnStatistics):
    """Types without order and counting here (unions, intervals, null, very deep nesting): the nulls."""

    def add(self, array: pa.Array) -> None:
        self._null_count += array.null_count

    def _add(self, values: pa.Array) -> None:
        """Nothing is known of the values."""

    def _describe(self) -> dict[str, JsonValue]:
        return {"num_distinct": None}
