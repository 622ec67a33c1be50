"""The rows of a snapshot as the first stage sees them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from headrace.curation.stage_rows import ROW_COLUMNS, StageRows, StageStore
from headrace.datasets.columns import MEDIA_VIEW_TYPE, media_kind
from headrace.datasets.snapshot import Snapshot

__all__ = ["source_rows", "source_schema"]


def source_schema(snapshot: Snapshot) -> pa.Schema:
    """Columns that rows of the snapshot have: where they come from, then their own, media as structs."""
    fields = [
        pa.field(field.name, MEDIA_VIEW_TYPE, field.nullable, field.metadata)
        if media_kind(field) is not None
        else field
        for field in snapshot.schema
    ]
    return pa.schema([*ROW_COLUMNS, *fields])


def source_rows(stage_store: StageStore, name: str, snapshot: Snapshot) -> StageRows:
    """Write the rows, in the snapshot's order; `name` is that of the recipe's source."""
    writer = stage_store.writer(source_schema(snapshot))
    start = 0
    for table in snapshot.narrow(["_id", "_digest", *snapshot.schema.names]):
        numbers = np.arange(start, start + table.num_rows)
        start += table.num_rows
        columns = {
            "_source": pa.array([name] * table.num_rows, pa.string()),
            "_row": pa.array(numbers, pa.int64()),
            **{column: table.column(column) for column in table.column_names},
        }
        writer.add(pa.table([columns[field.name] for field in writer.schema], schema=writer.schema))
    return writer.finish()
