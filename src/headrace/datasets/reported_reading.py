"""A snapshot that says how far its reading is, for views and exports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa

from headrace.progress import Progress

if TYPE_CHECKING:
    from headrace.datasets.snapshot import Snapshot

__all__ = ["ReportedReader", "reported"]


class ReportedReader:
    """A `ViewReader` that reports each batch before it hands it on."""

    def __init__(self, snapshot: Snapshot, progress: Progress) -> None:
        self._snapshot = snapshot
        self._progress = progress

    @property
    def schema(self) -> pa.Schema:
        """As the snapshot's."""
        return self._snapshot.schema

    @property
    def num_rows(self) -> int:
        """As the snapshot's."""
        return self._snapshot.num_rows

    @property
    def commit_row_counts(self) -> list[int]:
        """As the snapshot's."""
        return self._snapshot.commit_row_counts

    def scan(self, *, columns: list[str] | None = None, batch_size: int = 1024) -> Iterator[pa.RecordBatch]:
        """As the snapshot's."""
        for batch in self._snapshot.scan(batch_size, columns=columns):
            self._progress.advance(batch.num_rows, batch.nbytes)
            yield batch


@contextmanager
def reported(snapshot: Snapshot, stage: str, *, progress: Progress) -> Iterator[ReportedReader]:
    """The snapshot as a reader during one stage of work."""
    progress.start(stage, total_rows=snapshot.num_rows)
    try:
        yield ReportedReader(snapshot, progress)
    finally:
        progress.finish()
