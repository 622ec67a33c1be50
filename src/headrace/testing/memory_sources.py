"""Sources that live in memory, for tests of dataset types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import pyarrow as pa

from headrace.datasets.batches import FileEntry, Origin, RowBatch
from headrace.datasets.media import MediaInput

__all__ = ["MemoryFiles", "MemoryTable"]


class MemoryTable:
    """Rows of an Arrow table as a tabular source; can be read as often as asked."""

    kind: Literal["table"]

    def __init__(
        self,
        table: pa.Table,
        *,
        name: str = "memory:table",
        batch_rows: int = 1000,
        extra_fields: Sequence[Sequence[str]] | None = None,
        lines: Sequence[int] | None = None,
        is_csv: bool = False,
    ) -> None:
        """`extra_fields`: fields after the first for each row, as a CSV file without header gives them."""
        self.kind = "table"
        self.origins = [Origin(name)]
        self.num_rows: int | None = table.num_rows
        self.num_bytes: int | None = table.nbytes
        self.is_csv = is_csv or extra_fields is not None
        self._table = table
        self._batch_rows = batch_rows
        self._extra_fields = extra_fields
        self._lines = lines

    @classmethod
    def from_csv_rows(cls, rows: Sequence[Sequence[str]], *, name: str = "memory:rows.csv") -> MemoryTable:
        """Rows as a CSV file without header gives them, one a line."""
        return cls(
            pa.table({"text": pa.array([row[0] for row in rows], pa.string())}),
            name=name,
            extra_fields=[list(row[1:]) for row in rows],
            lines=range(1, len(rows) + 1),
        )

    def in_batches_of(self, batch_rows: int) -> MemoryTable:
        """The same rows, cut differently."""
        return MemoryTable(
            self._table,
            name=self.origins[0].uri,
            batch_rows=batch_rows,
            extra_fields=self._extra_fields,
            lines=self._lines,
            is_csv=self.is_csv,
        )

    def batches(self) -> Iterator[RowBatch]:
        """As `TableSource.batches`."""
        for start in range(0, self._table.num_rows, self._batch_rows):
            piece = self._table.slice(start, self._batch_rows).combine_chunks()
            columns = [column.chunk(0) for column in piece.columns]
            end = start + piece.num_rows
            yield RowBatch(
                pa.RecordBatch.from_arrays(columns, schema=piece.schema),
                0,
                lines=None if self._lines is None else self._lines[start:end],
                row_start=start,
                extra_fields=None if self._extra_fields is None else self._extra_fields[start:end],
            )


class MemoryFiles:
    """Named bytes as a source of files, in the order of the mapping."""

    kind: Literal["files"]

    def __init__(self, files: Mapping[str, bytes], *, name: str = "memory:files") -> None:
        self.kind = "files"
        self.origins = [Origin(name)]
        self.num_files: int | None = len(files)
        self.num_bytes: int | None = sum(map(len, files.values()))
        self._files = dict(files)

    def files(self) -> Iterator[FileEntry]:
        """As `FileSource.files`."""
        root = self.origins[0].uri
        for path, data in self._files.items():
            yield FileEntry(path, MediaInput(f"{root}/{path}", data=data, size=len(data)), 0)
