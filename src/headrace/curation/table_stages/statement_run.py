"""One prepared statement over files, in one DuckDB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa

from headrace.curation.table_stages.file_views import FileView
from headrace.curation.table_stages.partition_views import PartitionView
from headrace.curation.table_stages.result_columns import ResultColumns
from headrace.datasets.sql_connection import open_locked_connection
from headrace.datasets.sql_guard import read_engine_fault
from headrace.errors import HeadraceError, InvalidInput

__all__ = ["run_statement"]

_BATCH_ROWS = 8_192
_TIMEOUT_SECONDS = 7 * 24 * 3600.0  # a stage may be long; who wants it shorter stops the run


def run_statement(
    statement: str,
    views: Mapping[str, FileView | PartitionView],
    *,
    columns: ResultColumns,
    memory_bytes: int,
    num_threads: int,
    folder: Path,
) -> Iterator[pa.Table]:
    """The result, batch by batch.

    Args:
        memory_bytes: DuckDB's own; what does not fit is spilled below `folder`, which the files lie in as well.

    Raises:
        InvalidInput: A value that SQL cannot work with (a cast that fails), or too little memory for one step.
    """
    connection = open_locked_connection(
        memory_limit_bytes=memory_bytes, num_threads=num_threads, timeout_seconds=_TIMEOUT_SECONDS, folder=folder
    )
    with closing(connection):
        try:
            for name, view in views.items():
                view.create(connection, name)
            reader: pa.RecordBatchReader = connection.sql(statement).to_arrow_reader(_BATCH_ROWS)
            for batch in reader:
                yield columns.table(batch)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise _refused(error, memory_bytes) from error


def _refused(error: Exception, memory_bytes: int) -> HeadraceError:
    fault = read_engine_fault(error)
    if fault.kind.startswith("Out of Memory"):
        return InvalidInput(
            f"sql: one step needs more than the {memory_bytes:,} bytes that DuckDB has here, besides what was spilled; "
            "raise --memory, or declare a key by which the rows can be parted"
        )
    return InvalidInput(f"sql: {fault.message}")
