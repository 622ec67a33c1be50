"""A table whose columns are known only once its first rows are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pyarrow as pa

from headrace.datasets.batches import Origin, RowBatch
from headrace.datasets.sources.source import FileSource, TableSource
from headrace.errors import InvalidInput

__all__ = ["PeekedTable"]


class PeekedTable:
    """A table source whose first batch was read to learn the columns; streams can be read only once."""

    kind: Literal["table"]

    def __init__(self, source: TableSource, *, first: RowBatch, rest: Iterator[RowBatch]) -> None:
        self.kind = "table"
        self.origins: list[Origin] = source.origins
        self.num_rows: int | None = source.num_rows
        self.num_bytes: int | None = source.num_bytes
        self.is_csv: bool = source.is_csv
        self.schema: pa.Schema = first.table.schema
        self._first = first
        self._rest = rest

    @classmethod
    def of(cls, source: TableSource | FileSource) -> PeekedTable:
        """Read the first batch.

        Raises:
            InvalidInput: The source has no columns or no rows.
        """
        if source.kind != "table":
            raise InvalidInput(
                "a TABLE needs rows with columns: CSV, JSON, Parquet, Arrow, a data frame or dicts, not a "
                "folder of files"
            )
        batches = source.batches()
        first = next(batches, None)
        if first is None:
            raise InvalidInput("the source has no rows, so its columns are unknown; declare them with schema=")
        return cls(source, first=first, rest=batches)

    def batches(self) -> Iterator[RowBatch]:
        """All rows, once."""
        yield self._first
        yield from self._rest
