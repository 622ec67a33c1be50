"""Columns that Headrace itself adds to rows that it hands out."""

from __future__ import annotations

from typing import TypeVar

import pyarrow as pa

__all__ = ["SYSTEM_COLUMNS", "without_system_columns"]

SYSTEM_COLUMNS = frozenset({"_id", "_digest", "_commit"})

Columns = TypeVar("Columns", pa.Schema, pa.RecordBatch)


def without_system_columns(columns: Columns) -> Columns:
    """The columns of the rows themselves, so that an export can be committed again as it is.

    A table came from here if it has both `_id` and `_digest`. An `_id` alone is somebody else's and stays, to be
    refused by its name.
    """
    if not {"_id", "_digest"} <= set(columns.names if isinstance(columns, pa.Schema) else columns.schema.names):
        return columns
    if isinstance(columns, pa.Schema):
        return pa.schema([field for field in columns if field.name not in SYSTEM_COLUMNS])
    return columns.select([name for name in columns.schema.names if name not in SYSTEM_COLUMNS])
