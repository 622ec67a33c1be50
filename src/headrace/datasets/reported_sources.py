"""A source that says how much of it was read, in bytes of its own total."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from headrace.datasets.batches import FileEntry, Origin, RowBatch
from headrace.datasets.sources.source import FileSource, TableSource
from headrace.datasets.sources.table_file import table_format
from headrace.progress import Progress

__all__ = ["ReportedFiles", "ReportedTable", "RowsOnly"]


class ReportedTable:
    """Reports each batch before it hands it on."""

    def __init__(self, source: TableSource, progress: Progress) -> None:
        self.kind: Literal["table"] = "table"
        self.origins: list[Origin] = source.origins
        self.num_rows: int | None = source.num_rows
        self.num_bytes: int | None = source.num_bytes
        self.is_csv: bool = source.is_csv
        self._source = source
        self._progress = progress

    def batches(self) -> Iterator[RowBatch]:
        """As the source's."""
        for batch in self._source.batches():
            self._progress.advance(bytes=batch.num_bytes)
            yield batch


class ReportedFiles:
    """Reports each table once the next file is asked for; media is reported by whoever reads it."""

    def __init__(self, source: FileSource, progress: Progress) -> None:
        self.kind: Literal["files"] = "files"
        self.origins: list[Origin] = source.origins
        self.num_files: int | None = source.num_files
        self.num_bytes: int | None = source.num_bytes
        self._source = source
        self._progress = progress

    def files(self) -> Iterator[FileEntry]:
        """As the source's."""
        for entry in self._source.files():
            yield entry
            if table_format(entry.path) is not None:
                self._progress.advance(bytes=entry.media.size or 0)


class RowsOnly:
    """Progress without bytes, for what follows a source that reports its own."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def start(self, stage: str, *, total_rows: int | None = None, total_bytes: int | None = None) -> None:
        """As the progress below."""
        self._progress.start(stage, total_rows=total_rows, total_bytes=total_bytes)

    def advance(self, rows: int = 0, bytes: int = 0) -> None:  # noqa: A002 - the unit is the name
        """The rows alone."""
        self._progress.advance(rows)

    def finish(self) -> None:
        """As the progress below."""
        self._progress.finish()
