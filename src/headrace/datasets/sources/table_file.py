"""One file that holds a table: where its bytes come from, expanded on the way, and their digest."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Literal, cast

import blake3

from headrace.datasets.batches import Origin
from headrace.storage.archive_limits import ArchiveLimits
from headrace.storage.containers import Container
from headrace.storage.expanding import Compression, ExpandingReader

__all__ = [
    "TABLE_SUFFIXES",
    "HashingReader",
    "TableFile",
    "TableFormat",
    "share_of_bytes",
    "table_file_of",
    "table_format",
]

TableFormat = Literal["csv", "tsv", "json", "jsonl", "parquet"]

_FORMATS: dict[str, TableFormat] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_COMPRESSIONS: dict[str, Compression] = {".gz": "gzip", ".zst": "zstd"}

TABLE_SUFFIXES: tuple[str, ...] = (
    *_FORMATS,
    *(suffix + ending for suffix in _FORMATS if suffix != ".parquet" for ending in _COMPRESSIONS),
)
"""Extensions of files that are read as tables."""


def table_format(name: str) -> tuple[TableFormat, Compression | None] | None:
    """What kind of table a file is by its extension; None if it is none."""
    lower = name.lower()
    if not lower.endswith(TABLE_SUFFIXES):  # at once for a folder's many other files
        return None
    compression: Compression | None = None
    for ending, kind in _COMPRESSIONS.items():
        if lower.endswith(ending):
            lower = lower[: -len(ending)]
            compression = kind
            break
    for suffix, table in _FORMATS.items():
        if lower.endswith(suffix):
            return None if compression is not None and table == "parquet" else (table, compression)
    return None


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file with a table in it; `open` gives its raw bytes as often as asked."""

    name: str  # for messages
    uri: str
    size: int | None  # bytes as stored
    open: Callable[[], BinaryIO]
    compression: Compression | None = None
    path: str | None = None  # if it is a local file as a whole
    container: Container | None = None  # if it is a file or object as a whole
    limits: ArchiveLimits = ArchiveLimits()  # noqa: RUF009 - frozen

    def origin(self, digest: str | None = None, *, size: int | None = None) -> Origin:
        """Where its rows come from; `digest` and `size` once they are known."""
        return Origin(self.uri, self.size if size is None else size, digest)

    @contextmanager
    def reading(self) -> Iterator[tuple[BinaryIO, HashingReader]]:
        """The expanded stream, and the reader below it that knows the digest once all was read."""
        with self.open() as raw:
            hashing = HashingReader(raw)
            if self.compression is None:
                yield cast(BinaryIO, hashing), hashing
            else:
                with ExpandingReader(
                    cast(BinaryIO, hashing), compression=self.compression, name=self.name, limits=self.limits
                ) as expanding:
                    yield cast(BinaryIO, expanding), hashing


class HashingReader(io.RawIOBase):
    """Passes bytes on and hashes them. For one thread."""

    def __init__(self, raw: BinaryIO) -> None:
        super().__init__()
        self._raw = raw
        self._hasher = blake3.blake3()
        self.num_bytes = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._raw.read(size)
        self._hasher.update(data)
        self.num_bytes += len(data)
        return data

    def finish(self) -> str:
        """The BLAKE3 of the whole file in hex; reads what is left of it."""
        while self.read(1 << 20):
            pass
        return str(self._hasher.hexdigest())


def share_of_bytes(num_bytes: int, row_start: int, row_end: int, *, num_rows: int) -> int:
    """What some rows count for where bytes cannot be told apart; the shares of all rows add up to `num_bytes`."""
    return num_bytes * row_end // num_rows - num_bytes * row_start // num_rows


def table_file_of(
    container: Container, *, compression: Compression | None = None, limits: ArchiveLimits | None = None
) -> TableFile:
    """A local file or stored object as a table file."""
    return TableFile(
        name=container.name,
        uri=container.uri,
        size=container.size,
        open=container.open,
        compression=compression,
        path=container.path,
        container=container,
        limits=limits or ArchiveLimits(),
    )
