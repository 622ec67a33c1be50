"""Pages: rows as a flat, memory-mapped Arrow file, so that any row is read without decoding and all processes of a node
share the memory. Made once from an immutable part or an index, named by what they were made of.

Format: Arrow IPC file, one record batch, uncompressed (Arrow Columnar Format 1.5). A media column stands there as
several flat columns that say where its values lie, or hold them.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.columns import media_kind
from headrace.errors import NotFound
from headrace.storage.arrow_values import row_numbers
from headrace.streaming.file_lock import locked, sync
from headrace.streaming.media_fetching import Container
from headrace.streaming.stoppable_file import StoppableFile

__all__ = ["NULL_CONTAINER", "OWN_FIRST", "MediaColumn", "Page", "PageFolder", "page_table"]

_SEPARATOR = "\x1f"  # no name of a column holds it
_CONTAINERS = b"headrace.containers"
NULL_CONTAINER = -1
OWN_FIRST = -2
"""Container numbers from here down mean the page's own containers; from 0 up the shards of a layout."""


@dataclass(frozen=True, slots=True)
class MediaColumn:
    """Where the values of a media column lie, or the values themselves."""

    containers: pa.Array | None = None  # int32; from 0 a shard of the layout, -1 null, from -2 down the page's own
    paths: pa.Array | None = None  # string; each value is a file of its own
    offsets: pa.Array | None = None  # int64
    sizes: pa.Array | None = None  # int64
    checks: pa.Array | None = None  # fixed size binary, 16 bytes
    data: pa.Array | None = None  # large binary
    locators: pa.Array | None = None  # as the lake stores them, where values lie inside of Parquet files

    def flat(self, name: str) -> dict[str, pa.Array]:
        """The columns of the page."""
        parts = {
            "container": self.containers,
            "path": self.paths,
            "offset": self.offsets,
            "size": self.sizes,
            "check": self.checks,
            "data": self.data,
            "locator": self.locators,
        }
        return {f"{name}{_SEPARATOR}{part}": array for part, array in parts.items() if array is not None}


def page_table(columns: dict[str, pa.Array | MediaColumn], *, containers: Sequence[Container] = ()) -> pa.Table:
    """A page's rows; `containers` are those that numbers from -2 down mean."""
    flat: dict[str, pa.Array] = {}
    for name, column in columns.items():
        flat.update(column.flat(name) if isinstance(column, MediaColumn) else {name: column})
    own = json.dumps([[item.uri, item.version] for item in containers])
    return pa.table(flat).replace_schema_metadata({_CONTAINERS: own})


_TOUCHED_BYTES = 16 << 20

_PlaceReader = tuple[Callable[..., int], Callable[..., int], Callable[..., int], np.ndarray]


def _value_reader(array: pa.Array) -> Callable[[int], Any]:
    """Reads one value; for numbers and texts without nulls without making Arrow's scalar, which takes 1 to 2 us."""
    kind = array.type
    if array.null_count == 0 and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        item: Callable[[int], Any] = array.to_numpy(zero_copy_only=True).item
        return item
    if array.null_count == 0 and len(array) and pa.types.is_string(kind):
        _, offsets, data = array.buffers()
        start = np.frombuffer(offsets, dtype=np.int32)[array.offset : array.offset + len(array) + 1].item
        content = memoryview(data or b"")
        return lambda row: str(content[start(row) : start(row + 1)], "utf-8")
    return lambda row: array[row].as_py()


class Page:
    """Rows of one page by number. Thread-safe."""

    def __init__(self, table: pa.Table) -> None:
        """A page in memory, of what `page_table` gave."""
        metadata = table.schema.metadata or {}
        self.containers = [Container(None, uri, version) for uri, version in json.loads(metadata[_CONTAINERS])]
        self.num_rows = table.num_rows
        self._arrays = {
            name: column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
            for name, column in zip(table.column_names, table.columns)
        }
        self._numbers: dict[str, np.ndarray] = {}
        self._values: dict[str, Callable[[int], Any]] = {}
        self._places: dict[str, _PlaceReader] = {}

    @classmethod
    def mapped(cls, path: str) -> Page:
        """A page on disk; its arrays hold the map."""
        source = pa.memory_map(path)
        reader = pa.ipc.open_file(source)
        batches = [reader.get_batch(idx) for idx in range(reader.num_record_batches)]
        page = cls(pa.Table.from_batches(batches, schema=reader.schema))
        if source.size() <= _TOUCHED_BYTES:
            page._touch()
        return page

    def _touch(self) -> None:
        """Have the whole page mapped now: a fault in the middle of a random row costs it 10 to 30 us."""
        for array in self._arrays.values():
            for buffer in array.buffers():
                if buffer is not None and buffer.size:
                    np.frombuffer(buffer, dtype=np.uint8)[:: mmap.PAGESIZE].max()

    @property
    def names(self) -> list[str]:
        """Columns; a media column by its flat parts."""
        return list(self._arrays)

    def array(self, name: str) -> pa.Array:
        """All values of a plain column."""
        return self._arrays[name]

    def has(self, name: str) -> bool:
        """Whether there is a plain column of that name."""
        return name in self._arrays

    def part(self, name: str, part: str) -> pa.Array | None:
        """One flat part of a media column."""
        return self._arrays.get(f"{name}{_SEPARATOR}{part}")

    def has_part(self, name: str, part: str) -> bool:
        """Whether a media column has that flat part."""
        return f"{name}{_SEPARATOR}{part}" in self._arrays

    def numbers(self, name: str, part: str) -> np.ndarray:
        """A part without nulls as an array that maps the file: [num_rows], or uint8 [num_rows, width] of binary."""
        key = f"{name}{_SEPARATOR}{part}"
        known = self._numbers.get(key)
        if known is None:
            array = self._arrays[key]
            if pa.types.is_fixed_size_binary(array.type):
                flat = np.frombuffer(array.buffers()[1], dtype=np.uint8)
                width = array.type.byte_width
                known = flat[array.offset * width : (array.offset + len(array)) * width].reshape(len(array), width)
            else:
                known = array.to_numpy(zero_copy_only=True)
            self._numbers[key] = known
        return known

    def values(self, name: str, rows: np.ndarray) -> list[Any]:
        """Python values of a plain column, one for each row asked."""
        array = self._arrays[name]
        values: list[Any] = array.take(row_numbers(rows)).to_pylist()
        return values

    def value(self, name: str, row: int) -> Any:
        """The Python value of a plain column in one row."""
        read = self._values.get(name)
        if read is None:
            read = self._values[name] = _value_reader(self._arrays[name])
        return read(row)

    def place(self, name: str, row: int) -> tuple[int, int, int, bytes]:
        """Container, offset, size and check of a media value; of a column that has these four parts."""
        places = self._places.get(name)
        if places is None:
            numbers = [self.numbers(name, part) for part in ("container", "offset", "size", "check")]
            places = self._places[name] = (numbers[0].item, numbers[1].item, numbers[2].item, numbers[3])
        container, offset, size, check = places
        return container(row), offset(row), size(row), check[row].tobytes()

    def data(self, name: str, rows: np.ndarray) -> list[bytes | None]:
        """Bytes of a media column that lies in the page."""
        array = self._arrays[f"{name}{_SEPARATOR}data"]
        return [array[row].as_py() for row in rows.tolist()]


class PageFolder:
    """Where pages lie. Several processes may ask for the same page: one makes it, the others wait."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = os.fspath(folder)
        self._pages: dict[str, Page] = {}

    def __reduce__(self) -> tuple[type[PageFolder], tuple[str]]:
        return PageFolder, (self.folder,)

    def page(self, name: str, make: Callable[[], pa.Table | Iterable[pa.Table]]) -> Page:
        """The page of that name, made if it is not there."""
        page = self._pages.get(name)
        if page is None:
            path = os.path.join(self.folder, f"{name}.arrow")
            page = self._pages.setdefault(name, _opened(path) or self._made(path, make))
        return page

    def _made(self, path: str, make: Callable[[], pa.Table | Iterable[pa.Table]]) -> Page:
        with locked(path + ".lock"):
            page = _opened(path)  # somebody else may have been faster
            if page is None:
                _write(path, make())
                page = Page.mapped(path)
            return page

    def write(self, name: str, table: pa.Table, *, check: Callable[[], None] | None = None) -> str:
        """Write a page under a lock that the caller holds; its path. `check` is called between pieces of it and ends
        the writing by raising."""
        path = os.path.join(self.folder, f"{name}.arrow")
        _write(path, table, check=check)
        return path

    def opened(self, name: str) -> Page:
        """A page that was written before.

        Raises:
            NotFound: Somebody removed it.
        """
        page = self._pages.get(name)
        if page is None:
            path = os.path.join(self.folder, f"{name}.arrow")
            try:
                page = self._pages.setdefault(name, Page.mapped(path))
            except FileNotFoundError as error:
                raise NotFound(f"{path} was removed while it was in use; open the dataset again to make it") from error
        return page


def _opened(path: str) -> Page | None:
    """The page, unless it is not there or no page, as a file that was cut off."""
    try:
        return Page.mapped(path)
    except (FileNotFoundError, pa.ArrowInvalid):
        return None


def _write(path: str, tables: pa.Table | Iterable[pa.Table], *, check: Callable[[], None] | None = None) -> None:
    """A page that appears as a whole, also after a power cut: nobody compares its bytes when it is read."""
    temporary = f"{path}.{secrets.token_hex(8)}.tmp"
    try:
        if not isinstance(tables, pa.Table):
            tables = pa.concat_tables(list(tables))
        if check is None:
            _write_file(temporary, tables.combine_chunks())
        else:
            with StoppableFile(temporary, check) as file:
                _write_file(pa.PythonFile(file, mode="w"), tables.combine_chunks())
        sync(temporary)
        os.replace(temporary, path)
        sync(os.path.dirname(path))
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _write_file(target: str | pa.PythonFile, table: pa.Table) -> None:
    with (
        pa.OSFile(target, "wb") if isinstance(target, str) else target as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table)


def plain_columns(table: pa.Table) -> dict[str, pa.Array]:
    """Columns of a table that are no media, one array each."""
    return {field.name: _single(table.column(field.name)) for field in table.schema if media_kind(field) is None}


def inline_media(column: pa.ChunkedArray) -> MediaColumn:
    """A media column whose bytes stand in the page."""
    return MediaColumn(data=_single(column).cast(pa.large_binary()))


def null_filled(array: pa.Array, value: object) -> pa.Array:
    """The array with a value in place of nulls, so that it can be mapped."""
    return pc.fill_null(array, value) if array.null_count else array


def _single(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined
