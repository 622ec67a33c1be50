"""Types of Arrow columns as DuckDB has them when it reads Parquet: a statement must not see which way its rows came."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from headrace.errors import InvalidInput

__all__ = ["engine_schema", "unlike_column"]


def engine_schema(schema: pa.Schema, names: Sequence[str]) -> pa.Schema:
    """These columns with types that DuckDB takes from Arrow as it takes the given ones from Parquet.

    Raises:
        InvalidInput: A column has none; see `unlike_column`.
    """
    return pa.schema([pa.field(name, _engine_type(schema.field(name).type)) for name in names])


def unlike_column(schema: pa.Schema, names: Sequence[str]) -> str | None:
    """The first of these columns that DuckDB reads from Parquet only, or None."""
    for name in names:
        try:
            engine_schema(schema, [name])
        except InvalidInput:
            return name
    return None


def _engine_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _engine_type(kind.value_type)
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_timestamp(kind) and kind.tz is None and kind.unit in ("s", "ms"):
        return pa.timestamp("us")
    if pa.types.is_duration(kind):
        return pa.int64()
    if pa.types.is_decimal256(kind):
        raise InvalidInput(f"{kind} is read from Parquet only")  # as a DOUBLE, rounded in DuckDB's own way
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind):
        return pa.list_(_engine_field(kind.value_field))
    if pa.types.is_large_list(kind):
        return pa.large_list(_engine_field(kind.value_field))
    if pa.types.is_struct(kind):
        return pa.struct([_engine_field(field) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_engine_type(kind.key_type), _engine_type(kind.item_type))
    return kind


def _engine_field(field: pa.Field) -> pa.Field:
    return field.with_type(_engine_type(field.type)).remove_metadata()
