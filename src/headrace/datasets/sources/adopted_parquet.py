"""Parquet files whose media bytes are adopted: rows with what was found out about each value instead of its bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pyarrow as pa

from headrace.datasets.batches import Origin, RowBatch
from headrace.datasets.indexed_cells import FOUND_CELLS_TYPE, INDEXED_CELLS_TYPE, indexed_cells
from headrace.datasets.kept_indexes import KeptIndexes, ordered
from headrace.datasets.parquet_indexing import ParquetIndex, leaf_of_bytes
from headrace.datasets.sources.one_schema import OneSchemaTable, unified_schema
from headrace.datasets.sources.parquet_table import ParquetTable
from headrace.datasets.sources.source import TableSource
from headrace.datasets.sources.table_file import share_of_bytes
from headrace.storage.containers import Container

__all__ = ["AdoptedParquet", "parquet_with_bytes"]

_BATCH_ROWS = 1024
_PARALLEL_FILES = 4  # of a store; each may pass through a temporary file


class AdoptedParquet:
    """Rows of Parquet files, one file after the other. No media byte is in memory."""

    def __init__(
        self,
        tables: Sequence[tuple[ParquetTable, Container]],
        media: Sequence[str],
        indexes: KeptIndexes[ParquetIndex],
    ) -> None:
        """`tables`: each with the file that it is; `media`: names of media columns.

        Raises:
            InvalidInput: The columns of the files do not go together.
        """
        self.kind: Literal["table"] = "table"
        self.origins: list[Origin] = [origin for table, _ in tables for origin in table.origins]
        self.num_rows: int | None = sum(table.num_rows or 0 for table, _ in tables)
        self.num_bytes: int | None = sum(container.size for _, container in tables)
        self.is_csv = False
        # The same files are refused as when they are copied, also those whose media columns do not go together.
        unified_schema([(container.name, table.schema) for table, container in tables])
        self.schema = unified_schema(
            [(container.name, _without_bytes(table.schema, media)) for table, container in tables]
        )
        self._tables = tables
        self._media = media
        self._indexes = indexes

    def batches(self) -> Iterator[RowBatch]:
        """As `TableSource.batches`; files are indexed side by side, a few ahead.

        Raises:
            InvalidInput: A file is damaged, or changed since it was listed.
        """
        containers = [container for _, container in self._tables]
        is_remote = any(container.path is None for container in containers)
        num_threads = _PARALLEL_FILES if is_remote else (os.cpu_count() or 2)
        self._indexes.open(containers)
        with ThreadPoolExecutor(num_threads, thread_name_prefix="headrace-adopt") as pool:
            indexes = ordered(pool, containers, self._indexes, ahead=num_threads + 1)
            for idx, index in enumerate(indexes):
                container = containers[idx]
                self.origins[idx] = Origin(container.uri, container.size, index.digest)
                yield from self._rows(index, idx)

    def _rows(self, index: ParquetIndex, origin_idx: int) -> Iterator[RowBatch]:
        table, container = self._tables[origin_idx]
        row_start = 0
        for batch in index.table.to_batches(max_chunksize=_BATCH_ROWS):
            columns: list[pa.Array] = []
            for name, values in zip(batch.schema.names, batch.columns, strict=True):
                if values.type != FOUND_CELLS_TYPE or name not in self._media:
                    columns.append(values)
                    continue
                column = leaf_of_bytes(table.schema.field(name)) or name
                columns.append(indexed_cells(values, column=column, uri=container.uri, version=container.version))
            row_end = row_start + batch.num_rows
            share = share_of_bytes(container.size, row_start, row_end, num_rows=index.table.num_rows)
            rows = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
            yield RowBatch(rows, origin_idx, row_start=row_start, num_bytes=share)
            row_start = row_end


def parquet_with_bytes(source: TableSource, media: Sequence[str]) -> list[tuple[ParquetTable, Container]] | None:
    """The files of a source that consists of Parquet files with bytes in media columns; None if it is another."""
    sources = source.sources if isinstance(source, OneSchemaTable) else [source]
    tables = [
        (item, item.container) for item in sources if isinstance(item, ParquetTable) and item.container is not None
    ]
    if len(tables) < len(sources):
        return None
    has_bytes = any(
        field.name in media and leaf_of_bytes(field) is not None for table, _ in tables for field in table.schema
    )
    return tables if has_bytes else None


def _without_bytes(schema: pa.Schema, media: Sequence[str]) -> pa.Schema:
    return pa.schema(
        [
            pa.field(field.name, INDEXED_CELLS_TYPE)
            if field.name in media and leaf_of_bytes(field) is not None
            else field
            for field in schema
        ]
    )
