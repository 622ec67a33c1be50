"""How a type's training view reads a snapshot and writes its files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

import pyarrow as pa

__all__ = ["ViewReader", "ViewWriter"]


class ViewReader(Protocol):
    """A snapshot as its type sees it."""

    @property
    def schema(self) -> pa.Schema:
        """Columns of the snapshot, media columns as large binary with kind metadata."""
        ...

    @property
    def num_rows(self) -> int: ...

    @property
    def commit_row_counts(self) -> list[int]:
        """Rows that each picked commit contributes, in commit order."""
        ...

    def scan(self, *, columns: list[str] | None = None, batch_size: int = 1024) -> Iterator[pa.RecordBatch]:
        """Rows in snapshot order; media columns hold verified bytes. `_id` and `_digest` may be asked for too."""
        ...


class ViewWriter(Protocol):
    """A folder that becomes visible as a whole once the view is complete."""

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Create one file of the view; `name` is relative and '/'-separated. Seekable."""
        ...
