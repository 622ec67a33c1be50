"""Samples that were read one by one as a batch of rows."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from headrace.datasets.batches import FileEntry, SampleBatch
from headrace.datasets.media import MediaInput
from headrace.datasets.types.row_failures import RowFailures
from headrace.datasets.types.sample_rules import SampleRules

__all__ = ["file_batch", "sample_columns"]


def sample_columns(
    rules: SampleRules, *, ids: Sequence[str], media: list[MediaInput | None], values: Sequence[str | None]
) -> dict[str, pa.Array | list[MediaInput | None]]:
    """The columns of the ingest schema."""
    columns: dict[str, pa.Array | list[MediaInput | None]] = {
        "id": pa.array(ids, pa.string()),
        rules.media_column: media,
    }
    if rules.value_column is not None:
        columns[rules.value_column] = pa.array(values, pa.string())
    return columns


def file_batch(
    rules: SampleRules,
    *,
    ids: Sequence[str],
    entries: Sequence[FileEntry],
    values: Sequence[str | None],
    failures: RowFailures,
) -> SampleBatch:
    """Samples that are files of a folder or archive; takes along the rows rejected so far."""
    return SampleBatch(
        sample_columns(rules, ids=ids, media=[entry.media for entry in entries], values=values),
        num_rows=len(entries),
        origin_idx=[entry.origin_idx for entry in entries],
        members=[entry.path for entry in entries],
        rejected=failures.drain(),
    )
