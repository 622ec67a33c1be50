"""Runs a dataset type over a source and gathers what it gives, as a lake would, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from headrace.datasets.batches import RejectedRow
from headrace.datasets.columns import MEDIA_KIND, media_kind
from headrace.datasets.media import MediaHeader
from headrace.datasets.sources.source import FileSource, TableSource
from headrace.datasets.type_widening import wider_type
from headrace.datasets.types.base import DatasetType, IngestContext, OnInvalid

__all__ = ["IngestResult", "ingest_rows"]


@dataclass(slots=True)
class IngestResult:
    """The rows of one source."""

    table: pa.Table  # ingest schema, then further columns; media as bytes
    rejected: list[RejectedRow]
    members: list[str | None]
    lines: list[int | None]
    headers: dict[str, list[MediaHeader | None]] = field(default_factory=dict)  # media column -> one a row
    batch_sizes: list[int] = field(default_factory=list)


def ingest_rows(
    dataset_type: DatasetType,
    source: TableSource | FileSource,
    *,
    declared: pa.Schema | None = None,
    key: str | None = None,
    on_invalid: OnInvalid = "raise",
    probe: bool = True,
) -> IngestResult:
    """Rows of a source, each batch checked against the rules that a lake relies on.

    Raises:
        AssertionError: The type breaks a rule: columns missing, of another type or length, null where it must not be.
    """
    schema = dataset_type.ingest_schema(declared)
    context = IngestContext(schema, key or dataset_type.key, on_invalid)
    probes = dict(dataset_type.probes(schema)) if probe else {}
    result = IngestResult(pa.table({}), [], [], [], {name: [] for name in probes})
    tables: list[pa.Table] = []
    for batch in dataset_type.ingest(source, context):
        _require(list(batch.columns)[: len(schema)] == schema.names, "declared columns come first, in order")
        result.rejected.extend(batch.rejected)
        result.batch_sizes.append(batch.num_rows)
        arrays: list[pa.Array] = []
        fields: list[pa.Field] = []
        for name, values in batch.columns.items():
            declared_idx = schema.get_field_index(name)
            wanted = schema.field(declared_idx) if declared_idx >= 0 else None
            _require(len(values) == batch.num_rows, f"column {name} has {len(values)} values, not {batch.num_rows}")
            if isinstance(values, list):
                contents = [None if value is None else value.load() for value in values]
                array = pa.array(contents, pa.large_binary())
                kind = "bytes" if wanted is None else media_kind(wanted) or "bytes"
                fields.append(pa.field(name, array.type, metadata={MEDIA_KIND: kind.encode()}))
                if name in probes:
                    result.headers[name] += [
                        None if data is None or value is None else probes[name](data, value.name)
                        for data, value in zip(contents, values)
                    ]
            else:
                array = values
                is_fit = wanted is None or wider_type(wanted.type, array.type) == array.type  # numbers may grow
                _require(is_fit, f"column {name} is {array.type}")
                fields.append(pa.field(name, array.type))
            nullable = (wanted is None or wanted.nullable) and name != context.key
            _require(nullable or array.null_count == 0, f"column {name} holds null")
            arrays.append(array)
        tables.append(pa.Table.from_arrays(arrays, schema=pa.schema(fields)))
        result.members += list(batch.members) if batch.members is not None else [None] * batch.num_rows
        result.lines += list(batch.lines) if batch.lines is not None else [None] * batch.num_rows
        origins = [batch.origin_idx] if isinstance(batch.origin_idx, int) else list(batch.origin_idx)
        _require(isinstance(batch.origin_idx, int) or len(origins) == batch.num_rows, "an origin for each row")
        _require(all(0 <= idx < max(1, len(source.origins)) for idx in origins), "origins exist")
        _require(batch.members is None or len(batch.members) == batch.num_rows, "a member for each row")
        _require(batch.lines is None or len(batch.lines) == batch.num_rows, "a line for each row")
    if tables:
        # Batches without rows only list rejected ones and need not have further columns.
        result.table = pa.concat_tables(
            [table for table in tables if table.num_rows] or tables[:1], promote_options="default"
        ).combine_chunks()
    else:
        result.table = schema.empty_table()
    return result


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise AssertionError(f"the type breaks a rule of DatasetType.ingest: {rule}")
