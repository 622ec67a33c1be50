"""Values of binary columns of Parquet objects, read where they lie: a column chunk is fetched, decoded, kept a while.

A chunk is decoded front to back in windows of some rows, because pages cannot be entered in the middle; whoever asks
for neighbouring rows goes on where the last one stopped.
"""

from __future__ import annotations

import io
import os
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.errors import DataCorrupted, HeadraceError
from headrace.storage.store import ObjectStore

__all__ = ["CellChunk", "CellLimits", "ParquetCells", "leaf_values"]

_FOOTER_LIMIT_BYTES = 64 * 1024 * 1024
_MAX_CURSORS = 16
_WINDOW_ROWS = 1024  # a dictionary makes many large values out of few bytes, so bytes alone would bound nothing


class CellChunk(NamedTuple):
    """One column of one row group of one version of an object."""

    key: str
    version: str
    size: int  # bytes of the object
    row_group: int
    column: str  # path of the leaf column, as Parquet names it


@dataclass(frozen=True, slots=True)
class CellLimits:
    """How much memory reading takes, in bytes."""

    kept: int = 256 * 1024 * 1024  # decoded values, those used last
    window: int = 16 * 1024 * 1024  # decoded at once
    whole: int = 16 * 1024 * 1024  # compressed; larger chunks are fetched piece by piece while they are decoded
    piece: int = 8 * 1024 * 1024


_LIMITS = CellLimits()


class ParquetCells:
    """Reads values by row. Thread-safe; a chunk is decoded by one thread at a time."""

    def __init__(self, *, limits: CellLimits = _LIMITS) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._footers: OrderedDict[tuple[str, str], pq.FileMetaData] = OrderedDict()
        self._footer_bytes = 0
        self._chunks: OrderedDict[tuple[str, CellChunk], _Chunk] = OrderedDict()
        self._windows: OrderedDict[tuple[str, CellChunk, int], pa.LargeBinaryArray] = OrderedDict()
        self._window_bytes = 0

    def read_into(
        self, store: ObjectStore, chunk: CellChunk, *, rows: Sequence[int], targets: Sequence[memoryview]
    ) -> None:
        """Write values into targets of their sizes. `rows` count in the row group, ascend and may repeat.

        Raises:
            DataCorrupted: The object holds no such value, or is no Parquet file.
        """
        found = self._chunk(store, chunk)
        position = 0
        while position < len(rows):
            window_idx = rows[position] // found.window_rows
            window_start = window_idx * found.window_rows
            end = bisect_left(rows, window_start + found.window_rows, lo=position)
            values = self._window(store, found, window_idx)
            offsets = np.frombuffer(values.buffers()[1], dtype=np.int64)[values.offset :].tolist()
            data = memoryview(values.buffers()[2] or b"").cast("B")
            for row, target in zip(rows[position:end], targets[position:end], strict=True):
                idx = row - window_start
                if idx >= len(values) or offsets[idx + 1] - offsets[idx] != len(target):
                    raise found.corrupted(f"row {row} is not the value of {len(target)} bytes that was adopted")
                target[:] = data[offsets[idx] : offsets[idx + 1]]
            position = end

    def _chunk(self, store: ObjectStore, chunk: CellChunk) -> _Chunk:
        key = (store.uri, chunk)
        with self._lock:
            known = self._chunks.get(key)
            if known is not None:
                self._chunks.move_to_end(key)
                return known
        made = _Chunk.of(store.uri, chunk, self._footer(store, chunk), window_bytes=self._limits.window)
        with self._lock:
            made = self._chunks.setdefault(key, made)
            while len(self._chunks) > _MAX_CURSORS:
                self._chunks.popitem(last=False)
        return made

    def _footer(self, store: ObjectStore, chunk: CellChunk) -> pq.FileMetaData:
        key = (f"{store.uri}/{chunk.key}", chunk.version)
        with self._lock:
            known = self._footers.get(key)
            if known is not None:
                self._footers.move_to_end(key)
                return known
        try:
            footer = pq.read_metadata(_file(store, chunk))
        except HeadraceError:
            raise
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _corrupted(key[0], f"no readable Parquet file ({_reason(error)})") from error
        with self._lock:
            if key not in self._footers:
                self._footer_bytes += footer.serialized_size
            self._footers[key] = footer
            while self._footer_bytes > _FOOTER_LIMIT_BYTES and len(self._footers) > 1:
                _, dropped = self._footers.popitem(last=False)
                self._footer_bytes -= dropped.serialized_size
        return footer

    def _window(self, store: ObjectStore, chunk: _Chunk, idx: int) -> pa.LargeBinaryArray:
        key = (store.uri, chunk.chunk, idx)
        found = self._kept(key)
        if found is not None:
            return found
        with chunk.lock:
            found = self._kept(key)  # another thread may have decoded it meanwhile
            if found is not None:
                return found
            try:
                if chunk.cursor is None or chunk.next_idx > idx:
                    chunk.cursor, chunk.next_idx = _decoded(store, chunk, limits=self._limits), 0
                cursor = chunk.cursor
                while True:
                    values = next(cursor, None)
                    if values is None:
                        raise chunk.corrupted("it has fewer rows than were adopted")
                    self._keep((store.uri, chunk.chunk, chunk.next_idx), values)
                    chunk.next_idx += 1
                    if chunk.next_idx * chunk.window_rows >= chunk.num_rows:
                        chunk.cursor = None  # lets go of what was fetched
                    if chunk.next_idx > idx:
                        return values
            except HeadraceError:
                chunk.cursor = None
                raise
            except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
                chunk.cursor = None
                raise chunk.corrupted(_reason(error)) from error

    def _kept(self, key: tuple[str, CellChunk, int]) -> pa.LargeBinaryArray | None:
        with self._lock:
            values = self._windows.get(key)
            if values is not None:
                self._windows.move_to_end(key)
            return values

    def _keep(self, key: tuple[str, CellChunk, int], values: pa.LargeBinaryArray) -> None:
        with self._lock:
            replaced = self._windows.pop(key, None)
            self._window_bytes += values.nbytes - (0 if replaced is None else replaced.nbytes)
            self._windows[key] = values
            while self._window_bytes > self._limits.kept and len(self._windows) > 1:
                _, dropped = self._windows.popitem(last=False)
                self._window_bytes -= dropped.nbytes


@dataclass(slots=True)
class _Chunk:
    """What a footer says of a chunk, and how far it is decoded."""

    store_uri: str
    chunk: CellChunk
    footer: pq.FileMetaData
    num_rows: int
    num_bytes: int  # compressed
    window_rows: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    cursor: Iterator[pa.LargeBinaryArray] | None = None
    next_idx: int = 0  # window that the cursor gives next

    @classmethod
    def of(cls, store_uri: str, chunk: CellChunk, footer: pq.FileMetaData, *, window_bytes: int) -> _Chunk:
        name = f"{store_uri}/{chunk.key}"
        if not 0 <= chunk.row_group < footer.num_row_groups:
            raise _corrupted(name, f"it has {footer.num_row_groups} row groups, and number {chunk.row_group} is asked")
        group = footer.row_group(chunk.row_group)
        columns = [group.column(idx) for idx in range(group.num_columns)]
        column = next((item for item in columns if item.path_in_schema == chunk.column), None)
        if column is None:
            raise _corrupted(name, f"it has no column {chunk.column!r}")
        window_rows = group.num_rows * window_bytes // max(1, column.total_uncompressed_size)
        return cls(
            store_uri,
            chunk,
            footer,
            group.num_rows,
            column.total_compressed_size,
            max(1, min(window_rows, _WINDOW_ROWS)),
        )

    def corrupted(self, reason: str) -> DataCorrupted:
        place = f"row group {self.chunk.row_group}, column {self.chunk.column}"
        return _corrupted(f"{self.store_uri}/{self.chunk.key}", f"{place}: {reason}")


def leaf_values(values: pa.Array) -> pa.LargeBinaryArray:
    """A column of bytes, or of structs of which one field with bytes was read, as plain large binary."""
    while True:
        if isinstance(values, pa.ExtensionArray):
            values = values.storage
        elif pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        elif pa.types.is_struct(values.type):
            values = values.field(0)
        else:
            return values if pa.types.is_large_binary(values.type) else values.cast(pa.large_binary())


def _decoded(store: ObjectStore, chunk: _Chunk, *, limits: CellLimits) -> Iterator[pa.LargeBinaryArray]:
    """The windows of a chunk, one after the other."""
    name = chunk.chunk.column
    buffer_bytes = 0 if chunk.num_bytes <= limits.whole else limits.piece
    parquet = pq.ParquetFile(
        _file(store, chunk.chunk), metadata=chunk.footer, buffer_size=buffer_bytes, pre_buffer=False
    )
    batches = parquet.iter_batches(
        batch_size=chunk.window_rows, row_groups=[chunk.chunk.row_group], columns=[name], use_threads=False
    )
    pieces: list[pa.LargeBinaryArray] = []
    num_rows, num_left = 0, chunk.num_rows
    for batch in batches:
        # A name with a dot selects a field of a struct, and a column of its own if there is one by this name.
        idx = batch.schema.get_field_index(name)
        pieces.append(leaf_values(batch.column(idx if idx >= 0 else name.partition(".")[0])))
        num_rows += batch.num_rows
        if num_rows >= min(chunk.window_rows, num_left):
            yield pieces[0] if len(pieces) == 1 else pa.concat_arrays(pieces)
            num_left -= num_rows
            pieces, num_rows = [], 0


def _file(store: ObjectStore, chunk: CellChunk) -> pa.PythonFile:
    return pa.PythonFile(_Ranges(store, chunk), mode="r")


class _Ranges(io.RawIOBase):
    """An object as a file that fetches exactly what is asked for. For one thread."""

    def __init__(self, store: ObjectStore, chunk: CellChunk) -> None:
        super().__init__()
        self._store = store
        self._key = chunk.key
        self._size = chunk.size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence] + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        end = self._size if size < 0 else min(self._position + size, self._size)
        if end <= self._position:
            return b""
        data = self._store.get_ranges(self._key, [(self._position, end)])[0]
        self._position = end
        return data


def _corrupted(name: str, reason: str) -> DataCorrupted:
    return DataCorrupted(
        f"{name} does not hold what was adopted in place: {reason}. Restore the object, or commit it again"
    )


def _reason(error: BaseException) -> str:
    return str(error).split("\n", 1)[0][:300]
