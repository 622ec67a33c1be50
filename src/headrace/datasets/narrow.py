"""Rows without media bytes: the form in which filters, queries, splits and statistics see them."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.columns import MEDIA_VIEW_TYPE, media_kind

__all__ = ["media_view", "narrow_table"]


def narrow_table(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows of a part with media columns in the form that filters and statistics see, and `_digest`."""
    columns = []
    names = []
    for field in schema:
        if field.name not in table.column_names:
            continue
        values = table.column(field.name)
        columns.append(media_view(values) if media_kind(field) is not None else values)
        names.append(field.name)
    return pa.table([*columns, table.column("_digest")], names=[*names, "_digest"])


def media_view(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of locators without the place where the bytes lie."""
    chunks = []
    for chunk in values.chunks:
        parts = [pc.struct_field(chunk, name) for name in (field.name for field in MEDIA_VIEW_TYPE)]
        mask = chunk.is_null() if chunk.null_count else None
        chunks.append(pa.StructArray.from_arrays(parts, fields=list(MEDIA_VIEW_TYPE), mask=mask))
    return pa.chunked_array(chunks, MEDIA_VIEW_TYPE)
