"""What every source looks like to a dataset type, whatever it was read from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

from headrace.datasets.batches import FileEntry, Origin, RowBatch

__all__ = ["FileSource", "Source", "SourceKind", "TableSource"]

SourceKind = Literal["table", "files"]


class TableSource(Protocol):
    """Rows with columns: CSV, JSON, Parquet, Arrow, data frames, dicts."""

    kind: Literal["table"]
    origins: list[Origin]  # complete once `batches` is exhausted
    num_rows: int | None  # if known beforehand
    num_bytes: int | None  # if known beforehand, for progress
    is_csv: bool  # without header when the type says so

    def batches(self) -> Iterator[RowBatch]:
        """Rows in source order, at most a few thousand a batch."""
        ...


class FileSource(Protocol):
    """Named files: folder, listing, glob, zip or tar. Paths are unique, relative and do not escape."""

    kind: Literal["files"]
    origins: list[Origin]
    num_files: int | None
    num_bytes: int | None

    def files(self) -> Iterator[FileEntry]:
        """Files in path order for folders and listings, in archive order for archives."""
        ...


Source = TableSource | FileSource
