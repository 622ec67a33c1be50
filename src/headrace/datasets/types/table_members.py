"""Tables inside folders and archives, for types whose rows come from tables."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.datasets.batches import RowBatch
from headrace.datasets.sources.clutter import is_clutter
from headrace.datasets.sources.opening import read_table_entry
from headrace.datasets.sources.source import FileSource, TableSource
from headrace.datasets.sources.table_file import TABLE_SUFFIXES, table_format
from headrace.datasets.types.base import DatasetType
from headrace.datasets.types.row_failures import RowFailures
from headrace.errors import InvalidInput

__all__ = ["table_batches"]


def table_batches(
    source: TableSource | FileSource, dataset_type: DatasetType, *, failures: RowFailures
) -> Iterator[tuple[RowBatch, str | None]]:
    """Batches of a tabular source, or of every table of a folder or archive with its path there.

    The batches' `origin_idx` counts in `source`.

    Raises:
        InvalidInput: A file of the folder or archive is no table.
    """
    if source.kind == "table":
        for batch in source.batches():
            yield batch, None
        return
    for entry in source.files():
        if is_clutter(entry.path):
            continue
        if table_format(entry.path) is None:
            raise InvalidInput(
                f"{dataset_type.name} is read from tables, and this is none by its name; "
                f"expected {', '.join(TABLE_SUFFIXES)}",
                file=entry.media.name,
            )
        table = read_table_entry(
            entry,
            has_header=dataset_type.csv_has_header,
            on_bad_row=failures.bad_rows(origin_idx=entry.origin_idx, member=entry.path),
        )
        for batch in table.batches():
            batch.origin_idx = entry.origin_idx
            yield batch, entry.path
