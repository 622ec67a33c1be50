"""Samples of a table whose media column holds bytes, paths or URIs."""

from __future__ import annotations

from collections.abc import Iterator

import blake3
import pyarrow as pa

from headrace.datasets.batches import Origin, RowBatch, SampleBatch
from headrace.datasets.media import MediaInput
from headrace.datasets.sources.source import TableSource
from headrace.datasets.types.carried_columns import CarriedColumns, keep_rows
from headrace.datasets.types.index_files import PATH_COLUMNS
from headrace.datasets.types.media_cells import MediaCells, pin_cell
from headrace.datasets.types.row_failures import RowFailures, row_lines
from headrace.datasets.types.sample_batches import sample_columns
from headrace.datasets.types.sample_columns import INVENTORY_COLUMN, SampleColumns
from headrace.datasets.types.sample_rules import SampleRules
from headrace.storage.locations import Locations

__all__ = ["samples_from_tables"]

_ID_HEX_DIGITS = 32


def samples_from_tables(
    source: TableSource, rules: SampleRules, *, failures: RowFailures, locations: Locations
) -> Iterator[SampleBatch]:
    """Rows in source order; no content behind a path or URI is read."""
    carried = CarriedColumns(("id", rules.media_column, *rules.value_names[:1]))
    cells: dict[int, MediaCells] = {}
    for batch in source.batches():
        if batch.origin_idx not in cells:
            known = source.origins
            origin = known[batch.origin_idx] if batch.origin_idx < len(known) else Origin("memory:rows")
            cells[batch.origin_idx] = MediaCells(origin, locations=locations)
        yield _convert(batch, rules, cells=cells[batch.origin_idx], carried=carried, failures=failures)


def _convert(
    batch: RowBatch, rules: SampleRules, *, cells: MediaCells, carried: CarriedColumns, failures: RowFailures
) -> SampleBatch:
    lines, origin_idx = row_lines(batch), batch.origin_idx
    expected = f"the columns {rules.media_column} (bytes, path or URI)"
    if rules.value_column is not None:
        expected += f", {rules.value_column}"
    columns = SampleColumns.of(
        batch.table,
        rules,
        media_names=(rules.media_column, *PATH_COLUMNS, INVENTORY_COLUMN),
        expected=f"{expected} and, if there is one, id",
        carried=carried,
        place=failures.place(origin_idx),
    )
    given_ids = columns.ids if columns.ids is not None else _paths(columns.media)
    kept: list[int] = []
    ids: list[str] = []
    media: list[MediaInput | None] = []
    for row_idx, cell in enumerate(cells.read(columns.media, column=columns.media_name)):
        if isinstance(cell, MediaInput):
            problem = columns.problem(row_idx, rules)
            if problem is None and columns.pins is not None:
                problem = pin_cell(cell, *columns.pins[row_idx])
            if problem is None:
                kept.append(row_idx)
                ids.append(given_ids[row_idx] or _content_id(cell))
                media.append(cell)
                continue
            reason, column = problem
        else:
            reason = cell or f"the {rules.media_column} is null; expected bytes, a path or a URI"
            column = columns.media_name
        failures.reject(reason, origin_idx=origin_idx, line=lines[row_idx], column=column)
    values = [columns.values[row_idx] for row_idx in kept]
    return SampleBatch(
        {
            **sample_columns(rules, ids=ids, media=media, values=values),
            **keep_rows(columns.further, kept, batch.table.num_rows),
        },
        num_rows=len(kept),
        origin_idx=origin_idx,
        lines=lines if len(kept) == len(lines) else [lines[row_idx] for row_idx in kept],
        rejected=failures.drain(),
    )


def _content_id(cell: MediaInput) -> str:
    """Bytes without a name are named after their content, the same on every machine."""
    digest = blake3.blake3(cell.data or b"").digest() if cell.indexed is None else cell.indexed.digest
    return digest.hex()[:_ID_HEX_DIGITS]


def _paths(values: pa.Array) -> list[str | None]:
    """The path or URI that each media cell holds, as the collector wrote it; None for bytes."""
    kind = values.type
    types = pa.types
    if types.is_struct(kind):
        return list(values.field("path").to_pylist()) if kind.get_field_index("path") >= 0 else [None] * len(values)
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return list(values.to_pylist())
    return [None] * len(values)
