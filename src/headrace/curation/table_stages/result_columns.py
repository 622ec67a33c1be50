"""The columns of an SQL stage's result: names, types, and how DuckDB's values become them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.curation.stage_rows import ROW_COLUMNS
from headrace.curation.table_stages.bound_plan import PlanColumn, ScannedColumn
from headrace.datasets.columns import media_kind, normal_type
from headrace.datasets.sql_guard import SqlText
from headrace.errors import InvalidInput
from headrace.storage.arrow_values import zero

__all__ = ["ResultColumns"]


@dataclass(frozen=True, slots=True)
class ResultColumns:
    """Which columns of the engine's result are kept, and as what."""

    indices: tuple[int, ...]  # of the engine's columns
    schema: pa.Schema

    @classmethod
    def of(
        cls,
        text: SqlText,
        engine: pa.Schema,
        *,
        kinds: Sequence[str],  # DuckDB's types
        origins: Sequence[PlanColumn],  # empty where not known
        schemas: Mapping[str, pa.Schema],
    ) -> ResultColumns:
        """Columns that SQL only passes on keep their type and stay media; others get the type that Headrace stores.

        Where several inputs bring `_id`, `_source`, `_row` and `_digest`, those of the first are kept: the rows are the
        first table's.

        Raises:
            InvalidInput: Two columns of one name, or a type that cannot be kept.
        """
        fields: dict[str, pa.Field] = {}
        indices: list[int] = []
        for idx, field in enumerate(engine):
            name = field.name
            if name in fields and name in ROW_COLUMNS.names:
                continue
            if name.casefold() in {known.casefold() for known in fields}:
                raise text.refusal(f'the result has two columns "{name}"; leave one out, or rename it: ... AS {name}_2')
            copies = origins[idx].copies if idx < len(origins) else ()
            fields[name] = _field(field, kinds[idx], copies, schemas, text)
            indices.append(idx)
        if not fields:
            raise text.refusal("the result has no columns")
        return cls(tuple(indices), pa.schema(_with_own_media(list(fields.values()), indices, origins)))

    def table(self, batch: pa.RecordBatch) -> pa.Table:
        """A batch of the engine's result as rows to keep. -0.0 becomes 0.0: DuckDB takes them for the same value.

        Raises:
            InvalidInput: A whole number above 64 bits, or a value that does not fit the column it was copied from.
        """
        arrays = []
        for idx, field in zip(self.indices, self.schema):
            values = batch.column(idx)
            if pa.types.is_floating(values.type):
                values = pc.add(values, zero(values.type))
            try:
                arrays.append(values if values.type == field.type else values.cast(field.type))
            except pa.ArrowInvalid as error:
                raise InvalidInput(
                    f"sql: column {field.name!r} does not fit {field.type}: {error}; cast it, such as "
                    f"{field.name}::DOUBLE or {field.name}::VARCHAR"
                ) from error
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def to_json(self) -> dict[str, Any]:
        """The document that `from_json` reads."""
        schema = base64.b64encode(self.schema.serialize().to_pybytes()).decode()
        return {"indices": list(self.indices), "schema": schema}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> ResultColumns:
        """What `to_json` made."""
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(document["schema"])))
        return cls(tuple(document["indices"]), schema)


def _field(
    field: pa.Field, kind: str, copies: Sequence[ScannedColumn], schemas: Mapping[str, pa.Schema], text: SqlText
) -> pa.Field:
    copied = {(each.type, tuple(sorted((each.metadata or {}).items()))) for each in _copied(copies, schemas)}
    if len(copied) == 1:
        type_, metadata = copied.pop()
        return pa.field(field.name, type_, metadata=dict(metadata) or None)
    if field.name in ROW_COLUMNS.names:
        return ROW_COLUMNS.field(field.name)
    if kind == "HUGEINT":  # sums of integers, which Arrow would show as decimals
        return pa.field(field.name, pa.int64())
    try:
        return pa.field(field.name, normal_type(field.type, column=field.name))
    except InvalidInput as error:
        raise text.refusal(f'column "{field.name}" of type {kind} cannot be kept; cast it ({error})') from error


def _copied(copies: Sequence[ScannedColumn], schemas: Mapping[str, pa.Schema]) -> list[pa.Field]:
    return [schemas[each.table].field(each.name) for each in copies]


def _with_own_media(fields: list[pa.Field], indices: Sequence[int], origins: Sequence[PlanColumn]) -> list[pa.Field]:
    """Media is found by `_source` and `_row`: a media column of other rows than theirs is a plain struct here."""
    owners = {
        field.name: [(each.table, each.scan) for each in origins[idx].copies] if idx < len(origins) else []
        for field, idx in zip(fields, indices)
    }
    source, row = owners.get("_source"), owners.get("_row")
    return [
        field.remove_metadata()
        if media_kind(field) is not None and not (source and source == row == owners[field.name])
        else field
        for field in fields
    ]
