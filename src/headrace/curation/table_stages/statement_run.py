"""Prepared statements over files, in one DuckDB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa

from headrace.curation.table_stages.file_views import FileView
from headrace.curation.table_stages.partition_views import TableView
from headrace.curation.table_stages.result_columns import ResultColumns
from headrace.datasets.sql_connection import open_locked_connection
from headrace.datasets.sql_guard import read_engine_fault
from headrace.errors import HeadraceError, InvalidInput

__all__ = ["Engine"]

_BATCH_ROWS = 8_192
_TIMEOUT_SECONDS = 7 * 24 * 3600.0  # a stage may be long; who wants it shorter stops the run


class Engine:
    """A locked DuckDB that keeps its memory from one statement to the next: to get it anew costs a quarter of a
    statement's time. Not thread-safe.
    """

    def __init__(self, *, memory_bytes: int, num_threads: int, folder: Path) -> None:
        """`memory_bytes` are DuckDB's own; what does not fit is spilled below `folder`, which files lie in as well."""
        self.memory_bytes = memory_bytes
        self.folder = folder
        self._connection = open_locked_connection(
            memory_limit_bytes=memory_bytes, num_threads=num_threads, timeout_seconds=_TIMEOUT_SECONDS, folder=folder
        )

    def run(
        self, statement: str, views: Mapping[str, FileView | TableView], *, columns: ResultColumns
    ) -> Iterator[pa.Table]:
        """The result, batch by batch.

        Raises:
            InvalidInput: A value that SQL cannot work with (a cast that fails), or too little memory for one step.
        """
        try:
            for name, view in views.items():
                view.create(self._connection, name)
            with closing(self._connection.sql(statement).to_arrow_reader(_BATCH_ROWS)) as reader:
                for batch in reader:
                    yield columns.table(batch)
            for name, view in views.items():
                view.drop(self._connection, name)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise _refused(error, self.memory_bytes) from error

    def close(self) -> None:
        """Give everything back."""
        self._connection.close()


def _refused(error: Exception, memory_bytes: int) -> HeadraceError:
    fault = read_engine_fault(error)
    if fault.kind.startswith("Out of Memory"):
        return InvalidInput(
            f"sql: one step needs more than the {memory_bytes:,} bytes that DuckDB has here, besides what was spilled; "
            "raise --memory, or declare a key by which the rows can be parted"
        )
    return InvalidInput(f"sql: {fault.message}")
