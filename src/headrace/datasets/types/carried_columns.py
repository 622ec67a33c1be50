"""Columns that a type does not ask for and carries along, the same in every batch of a source."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pyarrow as pa

from headrace.datasets.columns import normal_type
from headrace.errors import InvalidInput
from headrace.schema.names import check_column_name

__all__ = ["CarriedColumns", "array_of", "keep_rows"]


class CarriedColumns:
    """Picks the further columns of each batch; the first batch decides which there are and their types."""

    __slots__ = ("_fields", "_own")

    def __init__(self, own: Collection[str]) -> None:
        """`own`: columns of the type itself."""
        self._own = {name.lower(): name for name in own}
        self._fields: dict[str, pa.DataType] | None = None

    def select(self, table: pa.RecordBatch, *, used: Collection[str], place: str) -> dict[str, pa.Array]:
        """The columns of `table` that are not in `used`, in their order; a missing one is null.

        Raises:
            InvalidInput: A name that is not allowed or taken, a column that earlier rows lack, or another type.
        """
        names = [name for name in table.schema.names if name not in used]
        if self._fields is None:
            self._fields = self._first_fields(table.schema, names, place=place)
        fields = self._fields
        columns = {name: array_of(table.column(name)) for name in names}
        for name in names:
            if name not in fields:
                raise InvalidInput(
                    f"a further column appears here for the first time; earlier rows have {_listed(fields)}; "
                    "give every file the same columns",
                    file=place,
                    column=name,
                )
        return {
            name: _cast(columns[name], kind, column=name, place=place)
            if name in columns
            else pa.nulls(table.num_rows, kind)
            for name, kind in fields.items()
        }

    def _first_fields(self, schema: pa.Schema, names: list[str], *, place: str) -> dict[str, pa.DataType]:
        fields: dict[str, pa.DataType] = {}
        seen = dict(self._own)
        for name in names:
            try:
                check_column_name(name)
                kind = normal_type(schema.field(name).type, column=name)
            except InvalidInput as error:
                raise InvalidInput(error.message, file=place, column=name) from None
            if name.lower() in seen:
                raise InvalidInput(
                    f"differs from column {seen[name.lower()]!r} only in upper and lower case; rename it in the source",
                    file=place,
                    column=name,
                )
            seen[name.lower()] = name
            fields[name] = kind
        return fields


def array_of(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One array, dictionaries and extension types resolved to their values."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
        if isinstance(values, pa.ChunkedArray):
            values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    if pa.types.is_dictionary(values.type):
        if pa.types.is_string_view(values.type.value_type) or pa.types.is_binary_view(values.type.value_type):
            # Arrow cannot take from views; polars gives them for its categories.
            kind = pa.string() if pa.types.is_string_view(values.type.value_type) else pa.large_binary()
            values = pa.DictionaryArray.from_arrays(values.indices, values.dictionary.cast(kind))
        values = values.dictionary_decode()
    return values


def keep_rows(columns: dict[str, pa.Array], kept: Sequence[int], num_rows: int) -> dict[str, pa.Array]:
    """The columns at the positions `kept`; unchanged when that is every row."""
    if len(kept) == num_rows:
        return columns
    positions = pa.array(kept, pa.int64())
    return {name: values.take(positions) for name, values in columns.items()}


def _cast(values: pa.Array, kind: pa.DataType, *, column: str, place: str) -> pa.Array:
    if values.type == kind:
        return values
    try:
        return values.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidInput(
            f"is {values.type} here but {kind} in earlier rows of this source: {error}", file=place, column=column
        ) from None


def _listed(fields: Collection[str]) -> str:
    return ", ".join(fields) or "no further columns"
