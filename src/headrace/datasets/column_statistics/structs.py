"""Structs that are no media."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.column_statistics.base import ColumnStatistics
from headrace.datasets.column_statistics.plain_arrays import plain_array
from headrace.storage.canonical import JsonValue

__all__ = ["StructStatistics"]


class StructStatistics(ColumnStatistics):
    """Structs that are no media: the statistics of each field, null where the struct is."""

    def __init__(self, shown: str, fields: dict[str, ColumnStatistics]) -> None:
        super().__init__(shown)
        self._fields = fields

    @property
    def is_approximate(self) -> bool:
        return any(field.is_approximate for field in self._fields.values())

    def add(self, array: pa.Array) -> None:
        values = plain_array(array)
        self._null_count += values.null_count
        self._add(values)  # a field is null where its struct is, and counts as such

    def _add(self, values: pa.Array) -> None:
        for name, field in self._fields.items():
            field.add(pc.struct_field(values, [values.type.get_field_index(name)]))

    def _describe(self) -> dict[str, JsonValue]:
        return {"num_distinct": None, "fields": {name: field.finish() for name, field in self._fields.items()}}
