"""Which statistics a column gets."""

from __future__ import annotations

import pyarrow as pa

from headrace.datasets.column_statistics.base import NUM_TOP, ColumnStatistics
from headrace.datasets.column_statistics.decimals import DecimalStatistics
from headrace.datasets.column_statistics.lists import ListStatistics
from headrace.datasets.column_statistics.numbers import NumberStatistics
from headrace.datasets.column_statistics.opaque import OpaqueStatistics
from headrace.datasets.column_statistics.plain_arrays import has_untakeable_children, plain_type
from headrace.datasets.column_statistics.structs import StructStatistics
from headrace.datasets.column_statistics.texts import TextStatistics
from headrace.datasets.column_statistics.times import TimeStatistics
from headrace.datasets.column_statistics.vectors import VectorStatistics

__all__ = ["column_statistics"]

_DEPTH_LIMIT = 4


def column_statistics(
    data_type: pa.DataType, *, limit: int, num_top: int = NUM_TOP, depth: int = 0
) -> ColumnStatistics:
    """Statistics for a column of this type. Above `limit` distinct values they become approximate."""
    kind = plain_type(data_type)
    types = pa.types
    shown = str(data_type)
    if has_untakeable_children(data_type):
        return OpaqueStatistics(shown)
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind):
        return NumberStatistics(shown, kind, limit=limit)
    if types.is_decimal(kind):
        return DecimalStatistics(shown, kind, limit=limit)
    if types.is_temporal(kind) and not types.is_interval(kind):
        return TimeStatistics(shown, kind, limit=limit)
    if types.is_large_string(kind) or types.is_large_binary(kind):
        return TextStatistics(shown, limit=limit, num_top=num_top)
    if types.is_large_list(kind) and types.is_floating(plain_type(kind.value_type)):
        return VectorStatistics(shown, limit=limit)
    if types.is_large_list(kind) and depth < _DEPTH_LIMIT:
        items = column_statistics(kind.value_type, limit=limit, num_top=num_top, depth=depth + 1)
        return ListStatistics(shown, items, limit=limit)
    if types.is_struct(kind) and depth < _DEPTH_LIMIT:
        fields = {
            field.name: column_statistics(field.type, limit=limit, depth=depth + 1)
            for field in kind
            if kind.get_all_field_indices(field.name) == [kind.get_field_index(field.name)]
        }
        return StructStatistics(shown, fields)
    return OpaqueStatistics(shown)
