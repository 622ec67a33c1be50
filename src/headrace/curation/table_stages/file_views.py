"""Parquet files in scratch as the tables of a statement."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["PARTITION", "FileView", "create_view", "write_empty_file"]

PARTITION = "_headrace_partition"
"""Column of the files that scattering writes: the number of the partition, each in row groups of its own."""


@dataclass(frozen=True, slots=True)
class FileView:
    """Columns of files that hold the same columns; of one partition, or of whole files."""

    files: tuple[str, ...]  # at least one
    columns: tuple[str, ...]
    partition: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The document that `from_json` reads."""
        return {"files": list(self.files), "columns": list(self.columns), "partition": self.partition}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> FileView:
        """What `to_json` made."""
        return cls(tuple(document["files"]), tuple(document["columns"]), document["partition"])


def create_view(connection: duckdb.DuckDBPyConnection, name: str, view: FileView) -> None:
    """Give the rows of the files a name. Columns are listed, so that virtual ones (file name, number) stay hidden."""
    files = ", ".join(_text(file) for file in view.files)
    where = "" if view.partition is None else f" WHERE {PARTITION} = {view.partition}"
    connection.execute(
        f'CREATE VIEW "{name}" AS SELECT {_columns(view.columns)} '  # noqa: S608 - quoted names of our own files
        f"FROM read_parquet([{files}], hive_partitioning = false){where}"
    ).fetchall()


def write_empty_file(folder: Path, schema: pa.Schema) -> str:
    """A file without rows."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"empty-{uuid.uuid4().hex}.parquet"
    pq.write_table(schema.empty_table(), path)
    return str(path)


def _columns(names: Sequence[str]) -> str:
    return ", ".join('"' + name.replace('"', '""') + '"' for name in names)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
