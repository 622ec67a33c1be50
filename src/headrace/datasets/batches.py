"""The two shapes that rows have between a source and the lake."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from headrace.datasets.media import MediaInput
from headrace.errors import InvalidInput

__all__ = ["BadRow", "FileEntry", "Origin", "RejectedRow", "RowBatch", "SampleBatch"]


@dataclass(frozen=True, slots=True)
class Origin:
    """One source that rows came from: a file, a folder, an archive, or memory."""

    uri: str  # file:///..., s3://..., or "memory:" + kind for values handed over in the process
    size: int | None = None  # bytes
    digest: str | None = None  # BLAKE3 hex of the file's bytes; None for folders, listings and memory


@dataclass(slots=True)
class FileEntry:
    """One file of a folder, listing or archive. `path` is relative, '/'-separated, never escapes.

    Nobody changes one; it is not frozen because that takes 0.9 us instead of 0.3 us to make, and folders hold millions.
    """

    path: str
    media: MediaInput
    origin_idx: int  # into the source's origins


@dataclass(slots=True)
class RowBatch:
    """Rows of a tabular source, as read."""

    table: pa.RecordBatch
    origin_idx: int  # into the source's origins
    lines: Sequence[int] | None = None  # 1-based line where each row starts (CSV, JSON lines), else None
    row_start: int = 0  # 0-based ordinal in the origin of the first row, for messages when there are no lines
    extra_fields: Sequence[Sequence[str]] | None = None  # CSV without header only: fields after the first, per row
    num_bytes: int = 0  # of the source's file as stored, read since the batch before; 0 where there is no file


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that was left out because the caller asked to skip invalid ones."""

    origin_uri: str
    member: str | None  # path in the folder or archive, or the row's key
    line: int | None  # 1-based
    reason: str


BadRow = Callable[[InvalidInput], None]
"""Takes the error of a row that a source cannot read, where such rows are left out; else the error is raised."""


@dataclass(slots=True)
class SampleBatch:
    """Rows in a type's ingest schema, ready to be written.

    `columns` has one entry for each column: an Arrow array of the schema's type, or for a media column a list
    of `MediaInput` (None = null).
    """

    columns: dict[str, pa.Array | list[MediaInput | None]]
    num_rows: int
    origin_idx: Sequence[int] | int  # one for all rows, or one for each
    members: Sequence[str | None] | None = None  # path within the origin
    lines: Sequence[int | None] | None = None  # 1-based line in the origin
    rejected: list[RejectedRow] = field(default_factory=list)

    def origin_of(self, idx: int) -> int:
        """Position, among the source's origins, of the one that a row came from."""
        return self.origin_idx if isinstance(self.origin_idx, int) else self.origin_idx[idx]

    def member_of(self, idx: int) -> str | None:
        """Path of a row within its origin."""
        return None if self.members is None else self.members[idx]

    def line_of(self, idx: int) -> int | None:
        """Line of a row in its origin, from 1."""
        return None if self.lines is None else self.lines[idx]

    def slice(self, start: int, end: int) -> SampleBatch:
        """The rows from `start` up to `end`, without those that were rejected before."""
        return SampleBatch(
            {name: values[start:end] for name, values in self.columns.items()},
            num_rows=end - start,
            origin_idx=self.origin_idx if isinstance(self.origin_idx, int) else self.origin_idx[start:end],
            members=None if self.members is None else self.members[start:end],
            lines=None if self.lines is None else self.lines[start:end],
        )
