"""Which added columns a selection asks for, and which names columns may have beside those that are there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from headrace.datasets.dataset_state import DatasetState
from headrace.datasets.records import ColumnRecord
from headrace.errors import InvalidInput
from headrace.schema.names import check_column_name

__all__ = ["asked_columns", "check_added_name", "check_commit_names", "with_added"]


def asked_columns(
    state: DatasetState, schema: pa.Schema, *, columns: Sequence[str] | None, where: str | None
) -> list[ColumnRecord]:
    """The added columns that are named, or that the filter reads, by name."""
    known = {name: record for name, record in state.columns.items() if name not in schema.names}
    if not known:
        return []
    names = set(columns) if columns is not None and not isinstance(columns, str) else set()
    if where is not None:
        from headrace.datasets.filters import Filter  # brings DuckDB, which few commands need

        names.update(Filter.parse(where, with_added(schema, known.values())).columns)
    return [known[name] for name in sorted(names.intersection(known))]


def with_added(schema: pa.Schema, records: Iterable[ColumnRecord]) -> pa.Schema:
    """The schema with added columns behind the others; their values may be missing."""
    fields = [pa.field(record.name, record.data_type) for record in records]
    return pa.schema([*schema, *fields]) if fields else schema


def check_added_name(name: str, state: DatasetState) -> None:
    """Raise `InvalidInput` for a name that rows have a column of already, or that no column may have."""
    if not isinstance(name, str):
        raise InvalidInput(f"name={name!r}: expected the text that the column shall be called")
    check_column_name(name)
    declared = [] if state.declared is None else state.declared.names
    for known in dict.fromkeys([*declared, *state.schema.names]):
        if known.lower() == name.lower():
            raise InvalidInput(
                f"the rows have a column {known!r} of their own; add the values under another name", column=name
            )
    for other in state.columns:
        if other != name and other.lower() == name.lower():
            raise InvalidInput(
                f"differs from the added column {other!r} only in upper and lower case; use that name", column=name
            )


def check_commit_names(schema: pa.Schema, state: DatasetState) -> None:
    """Raise `InvalidInput` if rows would bring a column of the name of an added one."""
    added = {name.lower(): name for name in state.columns}
    for name in schema.names:
        if name.lower() in added:
            raise InvalidInput(
                f"this dataset has an added column {added[name.lower()]!r}; rename the column in the source, or drop "
                "the added one",
                column=name,
            )
