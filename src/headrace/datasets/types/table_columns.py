"""Finding and reading the columns of a tabular source that a type asks for."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from headrace.datasets.types.carried_columns import array_of
from headrace.errors import InvalidInput
from headrace.schema.near_misses import near_miss

__all__ = ["find_column", "has_column", "string_values"]


def has_column(schema: pa.Schema, names: Sequence[str]) -> str | None:
    """The first of the names that the schema has."""
    return next((name for name in names if schema.get_field_index(name) >= 0), None)


def find_column(schema: pa.Schema, names: Sequence[str], *, expected: str, place: str) -> str:
    """The first of the names that the schema has.

    Raises:
        InvalidInput: It has none, or the same name twice; names what was found and a near miss.
    """
    if len(set(schema.names)) != len(schema.names):
        twice = next(name for name in schema.names if schema.names.count(name) > 1)
        raise InvalidInput("the name appears twice; rename one of the columns", file=place, column=twice)
    name = has_column(schema, names)
    if name is not None:
        return name
    found = schema.names
    hint = next((hint for name in names if (hint := near_miss(name, found))), "")
    shown = ", ".join(map(repr, found[:20])) or "none"
    raise InvalidInput(
        f"there is no column {' or '.join(names)}; expected {expected}; found {shown}.{hint}",
        file=place,
    )


def string_values(values: pa.Array | pa.ChunkedArray, *, column: str, place: str) -> pa.Array:
    """A column as strings; integers (class numbers, ids) become their digits.

    Raises:
        InvalidInput: Neither text nor integers, or binary that is not UTF-8.
    """
    values = array_of(values)
    kind = values.type
    if kind == pa.string():
        return values
    types = pa.types
    if types.is_large_string(kind) or types.is_string_view(kind) or types.is_integer(kind) or types.is_null(kind):
        return values.cast(pa.string())
    raise InvalidInput(f"is {kind}; expected text", file=place, column=column)
