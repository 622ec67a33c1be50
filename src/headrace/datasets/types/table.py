"""TABLE: rows of any declared schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.datasets.batches import Origin, RowBatch, SampleBatch
from headrace.datasets.columns import check_columns, media_kind, stored_field
from headrace.datasets.media import MediaInput
from headrace.datasets.sources.source import FileSource, TableSource
from headrace.datasets.type_widening import wider_type
from headrace.datasets.types.base import DatasetType, IngestContext
from headrace.datasets.types.carried_columns import CarriedColumns, keep_rows
from headrace.datasets.types.column_cast import cast_column
from headrace.datasets.types.media_cells import MediaCells
from headrace.datasets.types.row_failures import RowFailures, row_lines
from headrace.datasets.types.table_columns import find_column
from headrace.datasets.types.table_members import table_batches
from headrace.datasets.views import ViewReader, ViewWriter
from headrace.errors import InvalidInput
from headrace.schema.near_misses import near_miss

__all__ = ["Table"]

_ROW_GROUP_ROWS: Final = 65_536
_MEDIA_ROW_GROUP_ROWS: Final = 256


class Table(DatasetType):
    """Rows of a schema that the user declares, or that the first source has; the key is declared or there is none.

    Values are cast to the declared types where nothing is lost; a missing nullable column is null. A later source may
    bring further columns, which are null in earlier rows, and wider numbers of the same kind; a name that looks like a
    missing column's is an error. Columns may be media (`media_field`): bytes, path relative to the table, or URI.

    The view is `data.parquet`.
    """

    name: ClassVar[str] = "TABLE"
    accepts_extra_columns: ClassVar[bool] = True

    def ingest_schema(self, declared: pa.Schema | None) -> pa.Schema:
        """The declared columns in the types that are stored.

        Raises:
            InvalidInput: No schema, no columns, a name or an Arrow type that is not allowed.
        """
        if declared is None:
            raise InvalidInput(
                "type TABLE needs columns; pass a pyarrow schema as schema=, or a first source that has them"
            )
        check_columns(declared)
        return pa.schema([stored_field(field) for field in declared])

    def training_schema(self, declared: pa.Schema | None) -> pa.Schema:
        """The same columns."""
        return self.ingest_schema(declared)

    def ingest(self, source: TableSource | FileSource, context: IngestContext) -> Iterator[SampleBatch]:
        """As the base class says; a null key is an error."""
        failures = RowFailures(context.on_invalid, source.origins)
        is_csv = source.kind == "table" and source.is_csv
        carried = CarriedColumns(context.schema.names)
        widened: dict[str, pa.DataType] = {}
        for batch, member in table_batches(source, self, failures=failures):
            empty_is_null = is_csv or (member or "").lower().endswith((".csv", ".tsv"))
            known = source.origins
            origin = known[batch.origin_idx] if batch.origin_idx < len(known) else Origin("memory:rows")
            yield self._convert(
                batch,
                context,
                failures,
                member=member,
                cells=MediaCells(origin, member=member, locations=context.locations),
                empty_is_null=empty_is_null,
                carried=carried,
                widened=widened,
            )

    def materialise(self, reader: ViewReader, writer: ViewWriter) -> None:
        """Write `data.parquet`, its row groups cut at the same rows however the reader cuts its batches."""
        schema = reader.schema
        has_media = any(media_kind(field) is not None for field in schema)
        group_rows = _MEDIA_ROW_GROUP_ROWS if has_media else _ROW_GROUP_ROWS
        with (
            writer.open("data.parquet") as file,
            pq.ParquetWriter(file, schema, compression="zstd", compression_level=3) as parquet,
        ):
            pending: list[pa.RecordBatch] = []
            num_pending = 0
            for batch in reader.scan(columns=schema.names, batch_size=min(group_rows, 8192)):
                pending.append(batch)
                num_pending += batch.num_rows
                while num_pending >= group_rows:
                    table = pa.Table.from_batches(pending, schema=schema)
                    parquet.write_table(table.slice(0, group_rows).combine_chunks(), row_group_size=group_rows)
                    rest = table.slice(group_rows)
                    pending, num_pending = rest.to_batches(), rest.num_rows
            if num_pending:
                table = pa.Table.from_batches(pending, schema=schema).combine_chunks()
                parquet.write_table(table, row_group_size=group_rows)

    def _convert(
        self,
        batch: RowBatch,
        context: IngestContext,
        failures: RowFailures,
        *,
        member: str | None,
        cells: MediaCells,
        empty_is_null: bool,
        carried: CarriedColumns,
        widened: dict[str, pa.DataType],
    ) -> SampleBatch:
        table, lines, origin_idx = batch.table, row_lines(batch), batch.origin_idx
        place = failures.place(origin_idx, member)
        self._check_names(table.schema, context, place=place)
        bad: dict[int, tuple[str, str]] = {}  # row -> column, reason; the first column that breaks
        columns: dict[str, pa.Array | list[MediaInput | None]] = {}
        for field in context.schema:
            present = table.schema.get_field_index(field.name) >= 0
            must_be_there = not field.nullable or field.name == context.key
            if media_kind(field) is not None:
                media: list[MediaInput | None] = [None] * table.num_rows
                if present:
                    for row_idx, cell in enumerate(
                        cells.read(table.column(field.name), column=field.name, empty_is_null=empty_is_null)
                    ):
                        if isinstance(cell, str):
                            bad.setdefault(row_idx, (field.name, cell))
                        elif cell is None and must_be_there:
                            bad.setdefault(row_idx, (field.name, "is null; expected bytes, a path or a URI"))
                        else:
                            media[row_idx] = cell
                columns[field.name] = media
                continue
            if not present:
                columns[field.name] = pa.nulls(table.num_rows, widened.get(field.name, field.type))
                continue
            target = widened.get(field.name, field.type)
            values, reasons = cast_column(table.column(field.name), target, empty_is_null=empty_is_null)
            wider = wider_type(target, table.column(field.name).type)
            if reasons and context.on_invalid == "raise" and wider not in (None, target) and field.name != context.key:
                # The source says itself that its numbers are wider; text and dicts are read in the declared type.
                widened[field.name] = wider
                values, reasons = cast_column(table.column(field.name), wider, empty_is_null=empty_is_null)
            for row_idx, reason in reasons.items():
                bad.setdefault(row_idx, (field.name, reason))
            if must_be_there and values.null_count:
                what = "the key is null" if field.name == context.key else "is null"
                for row_idx, is_valid in enumerate(values.is_valid().to_pylist()):
                    if not is_valid:
                        bad.setdefault(row_idx, (field.name, f"{what}; expected {field.type}"))
            columns[field.name] = values
        columns.update(carried.select(table, used=context.schema.names, place=place))
        kept: list[int] | range = range(table.num_rows)
        if bad:
            for row_idx in sorted(bad):
                column, reason = bad[row_idx]
                failures.reject(reason, origin_idx=origin_idx, member=member, line=lines[row_idx], column=column)
            kept = [row_idx for row_idx in kept if row_idx not in bad]
            for name, values in columns.items():
                if isinstance(values, list):
                    columns[name] = [values[row_idx] for row_idx in kept]
                else:
                    columns.update(keep_rows({name: values}, kept, table.num_rows))
        return SampleBatch(
            columns,
            num_rows=len(kept),
            origin_idx=origin_idx,
            members=None if member is None else [member] * len(kept),
            lines=[lines[row_idx] for row_idx in kept] if bad else lines,
            rejected=failures.drain(),
        )

    def _check_names(self, found: pa.Schema, context: IngestContext, *, place: str) -> None:
        names = context.schema.names
        expected = f"the declared columns {', '.join(names)}"
        for field in context.schema:
            if not field.nullable or field.name == context.key:
                find_column(found, (field.name,), expected=expected, place=place)
        known = set(names)
        missing = [name for name in names if name not in found.names]
        for name in found.names:
            hint = near_miss(name, missing)
            if name not in known and hint:
                raise InvalidInput(
                    "the schema of this dataset has no such column, and one with nearly this name is missing; "
                    f"expected {expected}.{hint}",
                    file=place,
                    column=name,
                )
            if found.names.count(name) > 1:
                raise InvalidInput("the name appears twice; rename one of the columns", file=place, column=name)
