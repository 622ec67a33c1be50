"""Row groups of Parquet files, decoded side by side and handed out in order, with the digests of the files."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Literal

import blake3
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.datasets.batches import Origin, RowBatch
from headrace.datasets.sources.one_schema import OneSchemaTable
from headrace.datasets.sources.parquet_table import ParquetTable
from headrace.datasets.sources.source import TableSource

__all__ = ["parquet_tables", "read_ahead"]

_HELD_BYTES = 128 << 20  # decoded before their turn
_BATCH_BYTES = 32 << 20
_BATCH_ROWS = 1 << 17
_PROBED_ROWS = 1 << 10
_MAX_THREADS = 8
_DIGEST_BYTES = 8 << 20


def parquet_tables(source: TableSource) -> list[ParquetTable] | None:
    """The Parquet files that a source consists of; None if it has others."""
    parts = source.sources if isinstance(source, OneSchemaTable) else [source]
    tables = [part for part in parts if isinstance(part, ParquetTable)]
    return tables if len(tables) == len(parts) else None


@contextmanager
def read_ahead(source: TableSource, *, held_bytes: int = _HELD_BYTES) -> Iterator[TableSource]:
    """The same rows; those of local Parquet files are decoded by a thread for each core. To be read once.

    Memory stays within `held_bytes` and a batch for each thread. Leaving waits for the batches in hand.
    """
    tables = parquet_tables(source)
    paths = [table.file.path for table in tables or () if table.file.path is not None]
    if tables is None or len(paths) < len(tables):
        yield source
        return
    with ThreadPoolExecutor(_num_threads(), thread_name_prefix="headrace-rows") as pool:
        ahead = _InOrder(held_bytes)
        parts = []
        first = 0
        try:
            for table, path in zip(tables, paths):
                parts.append(_TableAhead(table, ahead, pool, path=path, first_number=first))
                first += table.num_row_groups
            whole = isinstance(source, OneSchemaTable)
            yield OneSchemaTable(parts, names=[table.file.name for table in tables]) if whole else parts[0]
        finally:
            ahead.stop()
            pool.shutdown(cancel_futures=True)


def _num_threads() -> int:
    return min(len(os.sched_getaffinity(0)), _MAX_THREADS)


class _Stopped(Exception):
    """Nobody wants the rest any more."""


class _InOrder:
    """Batches of numbered row groups between the threads that make them and the one that takes them in order.

    Groups must be begun in order. So much is held at most, but the group whose turn it is never waits: it is the one
    that makes room.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._changed = threading.Condition()
        self._ready: dict[int, deque[pa.RecordBatch | BaseException | None]] = {}
        self._held_bytes = 0
        self._turn = 0
        self._is_stopped = False

    def put(self, number: int, item: pa.RecordBatch | BaseException | None) -> None:
        """Add to a group: a batch, the error that ends it, or None for its end.

        Raises:
            _Stopped: The taker left.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_stopped or number == self._turn or self._held_bytes < self._limit_bytes
            )
            if self._is_stopped:
                raise _Stopped
            self._ready.setdefault(number, deque()).append(item)
            if isinstance(item, pa.RecordBatch):
                self._held_bytes += item.nbytes
            self._changed.notify_all()

    def take(self, number: int) -> Iterator[pa.RecordBatch]:
        """The batches of a group; groups one after the other from 0."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._ready.get(number)))
                item = self._ready[number].popleft()
                if item is None:
                    del self._ready[number]
                    self._turn = number + 1
                elif isinstance(item, pa.RecordBatch):
                    self._held_bytes -= item.nbytes
                self._changed.notify_all()
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def stop(self) -> None:
        """End those that wait."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()


class _TableAhead:
    """A Parquet file whose row groups are decoded elsewhere; a `TableSource` to be read once."""

    def __init__(
        self, table: ParquetTable, ahead: _InOrder, pool: ThreadPoolExecutor, *, path: str, first_number: int
    ) -> None:
        self.kind: Literal["table"] = "table"
        self.origins: list[Origin] = list(table.origins)
        self.num_rows = table.num_rows
        self.num_bytes = table.num_bytes
        self.is_csv = False
        self.schema = table.schema
        self._table = table
        self._ahead = ahead
        self._first_number = first_number
        self._lock = threading.Lock()
        self._opened: tuple[pq.FileMetaData, int] | None = None
        self._digest: Future[tuple[str, int]] = pool.submit(_digest, path)
        for idx in range(table.num_row_groups):
            pool.submit(self._decode, idx)

    def batches(self) -> Iterator[RowBatch]:
        """As `TableSource.batches`."""
        row_start = 0
        for idx in range(self._table.num_row_groups):
            for batch in self._ahead.take(self._first_number + idx):
                yield RowBatch(batch, 0, row_start=row_start)
                row_start += batch.num_rows
        self._table.check_num_rows(row_start)
        digest, num_bytes = self._digest.result()
        self.origins[0] = self._table.file.origin(digest, size=num_bytes)
        self._opened = None  # footers of wide files take much memory

    def _decode(self, idx: int) -> None:
        number = self._first_number + idx
        try:
            footer, batch_rows = self._footer_and_batch_rows()
            for batch in self._table.row_group(idx, footer=footer, batch_rows=batch_rows):
                self._ahead.put(number, batch)
            self._ahead.put(number, None)
        except _Stopped:
            return
        except BaseException as error:  # noqa: BLE001 - raised where the rows are taken
            self._ahead.put(number, error)

    def _footer_and_batch_rows(self) -> tuple[pq.FileMetaData, int]:
        """How many rows are decoded at once is decided by the first ones: encodings hide how large they are."""
        with self._lock:
            if self._opened is None:
                footer = self._table.footer()
                first = next(self._table.row_group(0, footer=footer, batch_rows=_PROBED_ROWS), None)
                row_bytes = max(1, self._table.row_bytes, 0 if first is None else first.nbytes // first.num_rows)
                self._opened = footer, max(1, min(_BATCH_ROWS, _BATCH_BYTES // row_bytes))
            return self._opened


def _digest(path: str) -> tuple[str, int]:
    """BLAKE3 and size of a file; read, because a file that shrinks under a map ends the process."""
    hasher = blake3.blake3()
    num_bytes = 0
    buffer = memoryview(bytearray(_DIGEST_BYTES))  # one for all: new memory takes as long as hashing what is in it
    with open(path, "rb", buffering=0) as raw:
        while size := raw.readinto(buffer):
            hasher.update(buffer[:size])
            num_bytes += size
    return str(hasher.hexdigest()), num_bytes
