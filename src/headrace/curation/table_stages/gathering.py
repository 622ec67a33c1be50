"""Gather: the stage's SQL on one partition of all inputs, the result as one file in its final order."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.curation.table_stages.partition_views import PartitionView, TableView
from headrace.curation.table_stages.result_columns import ResultColumns
from headrace.curation.table_stages.statement_run import Engine

__all__ = ["Gatherer", "read_gathered"]


class Gatherer:
    """Runs partition after partition in one engine. Not thread-safe."""

    def __init__(self) -> None:
        self._engine: Engine | None = None

    def gather(
        self,
        *,
        statement: str,
        views: Mapping[str, Mapping[str, Any]],
        columns: Mapping[str, Any],
        memory_bytes: int,
        folder: str,
        out: str,
    ) -> dict[str, Any]:
        """Write `out`, an Arrow file that appears only when it is complete; gives {"rows": number of rows}."""
        tables = self.tables(
            {name: PartitionView.from_json(view).table() for name, view in views.items()},
            statement=statement,
            columns=columns,
            memory_bytes=memory_bytes,
            folder=Path(folder),
        )
        temporary = f"{out}.partial"
        num_rows = 0
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        schema = ResultColumns.from_json(dict(columns)).schema
        with pa.OSFile(temporary, "wb") as sink, pa.ipc.new_file(sink, schema, options=options) as writer:
            for table in tables:
                num_rows += table.num_rows
                writer.write_table(table)
        os.replace(temporary, out)
        return {"rows": num_rows}

    def tables(
        self,
        tables: Mapping[str, pa.Table],
        *,
        statement: str,
        columns: Mapping[str, Any],
        memory_bytes: int,
        folder: Path,
    ) -> Iterator[pa.Table]:
        """The result over the rows of each input, batch by batch.

        Args:
            memory_bytes: Of DuckDB, which spills below `folder`; both count for the first partition of an engine.
        """
        if self._engine is None:
            self._engine = Engine(memory_bytes=memory_bytes, num_threads=1, folder=folder)
        views = {name: TableView(table) for name, table in tables.items()}
        return self._engine.run(statement, views, columns=ResultColumns.from_json(dict(columns)))

    def close(self) -> None:
        """End the engine."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None


def read_gathered(path: Path) -> Iterator[pa.Table]:
    """The batches of a file that `gather` wrote, one at a time."""
    with pa.OSFile(str(path)) as source:
        reader = pa.ipc.open_file(source)
        for idx in range(reader.num_record_batches):
            yield pa.Table.from_batches([reader.get_batch(idx)])
