"""Several tables, or batches whose types were inferred one by one, as one stream with one schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal, Protocol

import pyarrow as pa

from headrace.datasets.batches import Origin, RowBatch
from headrace.datasets.columns import normal_type
from headrace.datasets.sources.source import TableSource
from headrace.errors import InvalidInput

__all__ = ["OneSchemaTable", "one_schema", "unified_schema"]

_BUFFER_BYTES = 256 << 20


class _KnowsSchema(Protocol):
    schema: pa.Schema


class OneSchemaTable:
    """The rows of one or more sources in order, every batch with the same columns and types.

    Integers and floats of one column meet as floats, null meets anything, a missing column is null. The schema comes
    from the sources if all know theirs, otherwise from the first 256 MiB; what comes later must fit.
    """

    def __init__(self, sources: Sequence[TableSource], *, names: Sequence[str]) -> None:
        """`names`: of each source, for messages."""
        self.kind: Literal["table"] = "table"
        self.origins: list[Origin] = [origin for source in sources for origin in source.origins]
        self.num_rows: int | None = _sum([source.num_rows for source in sources])
        self.num_bytes: int | None = _sum([source.num_bytes for source in sources])
        self.is_csv = all(source.is_csv for source in sources)
        self.sources = sources
        self._names = names

    def batches(self) -> Iterator[RowBatch]:
        """As `TableSource.batches`.

        Raises:
            InvalidInput: Types of one column that cannot meet, or what a source raises.
        """
        schema = self._known_schema()
        held: list[RowBatch] = []
        held_bytes = 0
        for batch in self._all_batches():
            if schema is None:
                held.append(batch)
                held_bytes += batch.table.nbytes
                if held_bytes > _BUFFER_BYTES:
                    schema = self._schema_of(held)
                    yield from self._release(held, schema)
            else:
                yield self._fit(batch, schema)
        if schema is None:
            yield from self._release(held, self._schema_of(held))

    def _all_batches(self) -> Iterator[RowBatch]:
        first_origin = 0
        for source in self.sources:
            num_origins = len(source.origins)
            for batch in source.batches():
                yield replace(batch, origin_idx=first_origin + batch.origin_idx)
            self.origins[first_origin : first_origin + num_origins] = source.origins
            first_origin += num_origins

    def _release(self, held: list[RowBatch], schema: pa.Schema) -> Iterator[RowBatch]:
        held.reverse()
        while held:
            yield self._fit(held.pop(), schema)

    def _known_schema(self) -> pa.Schema | None:
        schemas: list[tuple[str, pa.Schema]] = []
        for name, source in zip(self._names, self.sources):
            schema = getattr(source, "schema", None)
            if not isinstance(schema, pa.Schema):
                return None
            schemas.append((name, schema))
        return unified_schema(schemas)

    def _schema_of(self, batches: list[RowBatch]) -> pa.Schema:
        schemas: list[tuple[str, pa.Schema]] = []
        for batch in batches:
            schema = batch.table.schema
            if not schemas or schemas[-1][1] != schema:
                schemas.append((self._name(batch), schema))
        return unified_schema(schemas)

    def _name(self, batch: RowBatch) -> str:
        end = 0
        for name, source in zip(self._names, self.sources):
            end += len(source.origins)
            if batch.origin_idx < end:
                return name
        return self._names[-1]

    def _fit(self, batch: RowBatch, schema: pa.Schema) -> RowBatch:
        table = batch.table
        if table.schema == schema:
            return batch
        for name in table.schema.names:
            if schema.get_field_index(name) < 0:
                raise InvalidInput(
                    f"column {name!r} appears only after {_BUFFER_BYTES >> 20} MiB of rows; declare a schema",
                    file=self._name(batch),
                    line=batch.lines[0] if batch.lines else None,
                    column=name,
                )
        columns = []
        for field in schema:
            idx = table.schema.get_field_index(field.name)
            if idx < 0:
                columns.append(pa.nulls(table.num_rows, field.type))
            elif table.column(idx).type == field.type:
                columns.append(table.column(idx))
            else:
                columns.append(self._cast(table.column(idx), field, batch))
        return replace(batch, table=pa.RecordBatch.from_arrays(columns, schema=schema))

    def _cast(self, array: pa.Array, field: pa.Field, batch: RowBatch) -> pa.Array:
        try:
            if isinstance(array.type, pa.BaseExtensionType):
                array = array.storage
            return array.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InvalidInput(
                f"column {field.name!r} is {array.type} in these rows and {field.type} in others ({error}); "
                "expected one type a column, so declare a schema or cast the source",
                file=self._name(batch),
                line=batch.lines[0] if batch.lines else None,
                column=field.name,
            ) from None


def one_schema(source: TableSource, *, name: str) -> TableSource:
    """The source with one schema for all its batches."""
    return OneSchemaTable([source], names=[name])


def unified_schema(schemas: list[tuple[str, pa.Schema]]) -> pa.Schema:
    """All columns of named tables in order of first appearance, each of the type that all its values fit.

    Raises:
        InvalidInput: A column has types that cannot meet.
    """
    merged: pa.Schema | None = None
    for name, schema in schemas:
        plain = pa.schema(
            [
                pa.field(field.name, normal_type(field.type, column=field.name), metadata=field.metadata)
                for field in schema
            ]
        )
        if merged is None:
            merged = plain
            continue
        try:
            merged = pa.unify_schemas([merged, plain], promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise InvalidInput(
                f"its columns do not go with those of the rows before: {error}; expected one type a column, "
                "so declare a schema or cast the source",
                file=name,
            ) from None
    if merged is None:
        raise InvalidInput("no rows; expected at least one")
    return merged


def _sum(values: list[int | None]) -> int | None:
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total
