"""Scatter: some parts of one input become one file, sorted by key, with row groups cut where partitions begin."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from headrace.curation.table_stages.file_views import PARTITION

__all__ = ["partition_rows", "scatter"]

_ROW_GROUP_ROWS = 122_880  # DuckDB's own


def scatter(
    *, files: Sequence[str], columns: Sequence[str], key: Sequence[str], bounds: str, out: str
) -> dict[str, Any]:
    """Write `out`; gives {"rows": number of rows}.

    Args:
        files: Parquet, of one schema; all are in memory at once, twice for a moment.
        key: As the columns are called in these files.
        bounds: Arrow file with the smallest key of each partition but the first, ascending.
        out: Appears only when it is complete.
    """
    table = pa.concat_tables(pq.read_table(file, columns=list(columns), use_threads=False) for file in files)
    table = table.combine_chunks()
    with pa.OSFile(bounds) as source:
        edges = pa.ipc.open_file(source).read_all()
    order, counts = partition_rows(table.select(list(key)), edges.rename_columns(list(key)))
    table = table.take(pa.array(order))
    temporary = f"{out}.partial"
    schema = pa.schema([*table.schema.remove_metadata(), pa.field(PARTITION, pa.int32())])
    # The file lives for seconds, so the quickest codec; DuckDB skips row groups by the partition's statistics only.
    with pq.ParquetWriter(temporary, schema, compression="lz4", write_statistics=[PARTITION]) as writer:
        row_start = 0
        for partition, count in enumerate(counts.tolist()):
            if count:
                piece = table.slice(row_start, count)
                numbers = pa.array(np.full(count, partition, dtype=np.int32))
                writer.write_table(
                    piece.append_column(schema.field(PARTITION), numbers), row_group_size=_ROW_GROUP_ROWS
                )
            row_start += count
    os.replace(temporary, out)
    return {"rows": table.num_rows}


def partition_rows(
    keys: pa.Table,  # [num_rows]
    edges: pa.Table,  # [num_partitions - 1], ascending; same columns
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # [num_rows], [num_partitions]
    """Positions of the rows by key, and how many of them each partition has; null and NaN come last, as in DuckDB."""
    num_edges = edges.num_rows
    schema = keys.schema.remove_metadata()
    # Edges stand first and the sort is stable: an edge comes before the rows with its key, which are its partition's.
    both = pa.concat_tables([edges.cast(schema), keys.cast(schema)]).combine_chunks()
    sort_keys = [(name, "ascending", "at_end") for name in keys.column_names]
    positions = pa.compute.sort_indices(both, sort_keys=sort_keys).to_numpy().astype(np.int64)
    is_edge = positions < num_edges
    partitions = np.cumsum(is_edge)[~is_edge]  # [num_rows]
    return positions[~is_edge] - num_edges, np.bincount(partitions, minlength=num_edges + 1)
