"""Scatter: some parts of one input become one Arrow file, partition after partition of the key."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from headrace.datasets.columns import schema_from_json
from headrace.storage.arrow_values import places, row_numbers

__all__ = ["partition_rows", "scatter", "scattered"]


def scatter(
    *, files: Sequence[str], schema: Sequence[Any], key: Sequence[str], bounds: str, out: str
) -> dict[str, Any]:
    """Write `out`; gives {"rows": number of rows, "starts": [num_partitions + 1], each partition's first batch}.

    Args:
        files: Parquet, of one schema; all are in memory at once, twice for a moment.
        schema: Columns to take and the types to give them.
        key: As the columns are called in these files.
        bounds: Arrow file with the smallest key of each partition but the first, ascending.
        out: Appears only when it is complete. It lives for seconds, so it is not compressed.
    """
    kinds = schema_from_json(schema)
    with pa.OSFile(bounds) as source:
        edges = pa.ipc.open_file(source).read_all()
    temporary = f"{out}.partial"
    starts = [0]
    num_rows = 0
    with pa.OSFile(temporary, "wb") as sink, pa.ipc.new_file(sink, kinds) as writer:
        for batches in scattered(files, schema=kinds, key=key, edges=edges):
            for batch in batches:
                writer.write_batch(batch)
                num_rows += batch.num_rows
            starts.append(starts[-1] + len(batches))
    os.replace(temporary, out)
    return {"rows": num_rows, "starts": starts}


def scattered(
    files: Iterable[str | BinaryIO],
    *,
    schema: pa.Schema,
    key: Sequence[str],
    edges: pa.Table,  # [num_partitions - 1], ascending
) -> Iterator[list[pa.RecordBatch]]:
    """The rows of each partition, partition after partition; arguments as for `scatter`."""
    table = pa.concat_tables(_columns(file, schema) for file in files).combine_chunks()
    order, counts = partition_rows(table.select(list(key)), edges.rename_columns(list(key)))
    for rows in np.split(order, np.cumsum(counts)[:-1]):  # [rows of the partition]
        yield table.take(row_numbers(rows)).combine_chunks().to_batches() if len(rows) else []


def _columns(file: str | BinaryIO, schema: pa.Schema) -> pa.Table:
    with pq.ParquetFile(file) as reader:  # `pq.read_table` imports pandas
        return reader.read(columns=schema.names, use_threads=False).select(schema.names).cast(schema)


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
    positions = places(pc.sort_indices(both, sort_keys=sort_keys))
    is_edge = positions < num_edges
    partitions = np.cumsum(is_edge)[~is_edge]  # [num_rows]
    return positions[~is_edge] - num_edges, np.bincount(partitions, minlength=num_edges + 1)
