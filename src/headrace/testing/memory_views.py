"""A snapshot and the files of its view, in memory."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import pyarrow as pa

__all__ = ["MemoryViewReader", "MemoryViewWriter"]


class MemoryViewReader:
    """Rows of some commits as a type's view reads them; media columns hold bytes."""

    def __init__(self, commits: Sequence[pa.Table], *, schema: pa.Schema, batch_rows: int | None = None) -> None:
        """`batch_rows` overrides the batch size that the type asks for, as a reader may."""
        self._commits = [commit.cast(schema) for commit in commits]
        self._schema = schema
        self._batch_rows = batch_rows

    @property
    def schema(self) -> pa.Schema:
        return self._schema

    @property
    def num_rows(self) -> int:
        return sum(self.commit_row_counts)

    @property
    def commit_row_counts(self) -> list[int]:
        return [commit.num_rows for commit in self._commits]

    def scan(self, *, columns: list[str] | None = None, batch_size: int = 1024) -> Iterator[pa.RecordBatch]:
        """As `ViewReader.scan`, without `_id` and `_digest`."""
        if not self._commits:
            return
        table = pa.concat_tables(self._commits).combine_chunks()
        yield from table.select(columns or table.column_names).to_batches(max_chunksize=self._batch_rows or batch_size)


class MemoryViewWriter:
    """Keeps the files of a view in `files`; a name can be written once."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self._open: set[str] = set()

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """As `ViewWriter.open`."""
        if name in self.files or name in self._open:
            raise ValueError(f"the view writes {name!r} twice")
        if not name or name.startswith("/") or any(part in ("", ".", "..") for part in name.split("/")):
            raise ValueError(f"the view writes {name!r}; expected a relative name with single slashes")
        self._open.add(name)
        buffer = io.BytesIO()
        yield buffer
        self._open.remove(name)
        self.files[name] = buffer.getvalue()
