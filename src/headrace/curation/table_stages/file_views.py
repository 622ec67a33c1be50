"""Parquet files in scratch as the tables of a statement."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["FileView", "write_empty_file"]


@dataclass(frozen=True, slots=True)
class FileView:
    """Columns of files that hold the same columns."""

    files: tuple[str, ...]  # at least one
    columns: tuple[str, ...]

    def create(self, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        """Give the rows a name. Columns are listed, so that virtual ones (file name, number) stay hidden."""
        files = ", ".join(_text(file) for file in self.files)
        connection.execute(
            f'CREATE VIEW "{name}" AS SELECT {_columns(self.columns)} '  # noqa: S608 - quoted names of our own files
            f"FROM read_parquet([{files}], hive_partitioning = false)"
        ).fetchall()

    def drop(self, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        """Forget the name."""
        connection.execute(f'DROP VIEW "{name}"').fetchall()


def write_empty_file(folder: Path, schema: pa.Schema) -> str:
    """A file without rows."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"empty-{uuid.uuid4().hex}.parquet"
    pq.write_table(pa.Table.from_batches([], schema=schema), path)
    return str(path)


def _columns(names: Sequence[str]) -> str:
    return ", ".join('"' + name.replace('"', '""') + '"' for name in names)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
