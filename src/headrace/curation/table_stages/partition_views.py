"""Rows of one partition of a key: in the Arrow files that scattering wrote, and as a table of a statement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from headrace.datasets.columns import schema_from_json, schema_to_json

__all__ = ["PartitionView", "TableView"]


@dataclass(frozen=True, slots=True)
class TableView:
    """Rows in memory.

    Of such a table DuckDB knows the number of rows, which joins are planned by, and unlike Parquet's its statistics are
    not led astray by NaN.
    """

    table: pa.Table

    def create(self, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        """Give the rows a name."""
        connection.register(name, self.table)

    def drop(self, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        """Let go of the rows."""
        connection.unregister(name)


@dataclass(frozen=True, slots=True)
class PartitionView:
    """Batches of files of one schema."""

    schema: pa.Schema
    batches: tuple[tuple[str, int, int], ...]  # file, first batch, end

    def to_json(self) -> dict[str, Any]:
        """The document that `from_json` reads."""
        return {"schema": schema_to_json(self.schema), "batches": [list(each) for each in self.batches]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> PartitionView:
        """What `to_json` made."""
        batches = tuple((file, first, end) for file, first, end in document["batches"])
        return cls(schema_from_json(document["schema"]), batches)

    def table(self) -> pa.Table:
        """All rows."""
        found: list[pa.RecordBatch] = []
        for file, first, end in self.batches:
            with pa.OSFile(file) as source:
                reader = pa.ipc.open_file(source)
                found += [reader.get_batch(idx) for idx in range(first, end)]
        return pa.Table.from_batches(found, schema=self.schema)
