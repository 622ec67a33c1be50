"""Media in the cells of a table: bytes, or a path or URI that says where the bytes are."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import partial
from urllib.parse import unquote

import pyarrow as pa

from headrace.datasets.batches import Origin
from headrace.datasets.indexed_cells import INDEXED_CELLS_TYPE, inputs_of_cells
from headrace.datasets.media import MediaInput
from headrace.datasets.types.carried_columns import array_of
from headrace.datasets.types.row_failures import place_of
from headrace.errors import HeadraceError, InvalidInput, NotFound
from headrace.storage.containers import file_uri, local_error
from headrace.storage.front_reading import read_pinned
from headrace.storage.locations import Locations
from headrace.storage.store import ObjectStore

__all__ = ["MediaCells", "pin_cell"]

MediaCell = MediaInput | str | None
"""A media value, or the reason why there is none, or null."""


class MediaCells:
    """Turns the cells of media columns of one table file into media values; no content is read.

    Paths are relative to the folder of the table file and may not leave it. Absolute paths and `file://` are taken
    only from tables handed over in the process: a table that came from elsewhere must not name this machine's files.
    """

    __slots__ = ("_folder", "_in_process", "_locations", "_place", "_remote_folder")

    def __init__(self, origin: Origin, *, locations: Locations, member: str | None = None) -> None:
        self._place = place_of(origin, member)
        self._in_process = origin.uri.startswith("memory:") and not origin.uri.startswith("memory://")
        self._locations = locations
        self._folder: str | None = None
        self._remote_folder: str | None = None
        if self._in_process:
            self._folder = os.getcwd()
        elif "://" not in origin.uri or origin.uri.startswith("file://"):
            # Beside a table inside an archive lies nothing that can be opened by a path.
            if member is None or os.path.isdir(place_of(origin)):
                self._folder = os.path.abspath(os.path.dirname(self._place))
        elif member is not None:
            pass
        else:
            self._remote_folder = origin.uri.rpartition("/")[0]

    def read(
        self, values: pa.Array | pa.ChunkedArray, *, column: str, empty_is_null: bool = False
    ) -> Iterator[MediaCell]:
        """One value, reason or None for each row. `empty_is_null`: for CSV, which has no other null.

        Raises:
            InvalidInput: The column holds neither bytes, text, nor {bytes, path} pairs.
        """
        values = array_of(values)
        kind = values.type
        types = pa.types
        if kind == INDEXED_CELLS_TYPE:
            for cell in inputs_of_cells(values, name=f"{self._place} [column {column}]"):
                yield self._resolve(cell) if isinstance(cell, str) else cell
        elif types.is_struct(kind) and {item.name for item in kind} <= {"bytes", "path"}:
            yield from self._read_pairs(values, column=column)
        elif (
            types.is_binary(kind)
            or types.is_large_binary(kind)
            or types.is_binary_view(kind)
            or types.is_fixed_size_binary(kind)
        ):
            name = f"{self._place} [column {column}]"
            for data in values.to_pylist():
                yield None if data is None else MediaInput(name, data=data, size=len(data))
        elif types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
            for text in values.to_pylist():
                yield None if text is None or (empty_is_null and not text) else self._resolve(text)
        elif types.is_null(kind):
            for _ in range(len(values)):
                yield None
        else:
            raise InvalidInput(
                f"is {kind}; expected bytes, or text with a path or URI", file=self._place, column=column
            )

    def _read_pairs(self, values: pa.Array, *, column: str) -> Iterator[MediaCell]:
        """The form in which Hugging Face datasets store media."""
        for pair in values.to_pylist():
            data = None if pair is None else pair.get("bytes")
            path = None if pair is None else pair.get("path")
            if data is not None:
                yield MediaInput(path or f"{self._place} [column {column}]", data=data, size=len(data))
            else:
                yield None if path is None else self._resolve(path)

    def _resolve(self, text: str) -> MediaCell:
        if "\0" in text or not text:
            return f"{text!r} is no path"
        if text.startswith("file://"):
            return self._local(unquote(text.removeprefix("file://")), text=text)
        if "://" in text:
            return self._remote(text)
        if self._remote_folder is not None:
            if _leaves_folder(text):
                return f"{text!r} leads out of the folder of its table; expected a path below it"
            return self._remote(f"{self._remote_folder}/{text}")
        return self._local(text, text=text)

    def _local(self, path: str, *, text: str) -> MediaCell:
        if self._folder is None:
            return (
                f"{text!r} cannot be found: its table lies inside an archive or in a store; put an index file at the "
                "archive's root, or bytes into the column"
            )
        if not self._in_process and (os.path.isabs(path) or _leaves_folder(path)):
            return (
                f"{text!r} leads out of the folder of its table; expected a path relative to {self._folder}; "
                "move the table beside its files, or pass the rows from Python"
            )
        full = os.path.normpath(os.path.join(self._folder, path))
        try:
            status = os.stat(full)
        except OSError as error:
            return local_error(error, full).message
        if not stat.S_ISREG(status.st_mode):
            return f"{full} is no regular file"
        return MediaInput(
            full,
            path=full,
            size=status.st_size,
            uri=file_uri(full),
            version=f"{status.st_size}-{status.st_mtime_ns}",
        )

    def _remote(self, uri: str) -> MediaCell:
        """A stored object; it is asked for only when its content is, because every question takes a round trip."""
        try:
            store, key = self._locations.open(uri)
        except HeadraceError as error:
            return error.message
        if not key:
            return f"{uri} names a bucket, expected an object in it"
        media = MediaInput(uri, uri=uri)
        media.fetch = partial(_fetch, media, store, key, uri)
        return media


def _leaves_folder(path: str) -> bool:
    depth = 0
    for segment in path.replace("\\", "/").split("/"):
        if segment == "..":
            depth -= 1
            if depth < 0:
                return True
        elif segment not in ("", "."):
            depth += 1
    return False


def _fetch(media: MediaInput, store: ObjectStore, key: str, uri: str) -> bytes:
    """The bytes; the version that they have comes with them, so that adopting takes no further request."""
    try:
        data, version = read_pinned(store, key)
    except NotFound as error:
        raise InvalidInput(f"the table names an object that does not exist: {error.message}", file=uri) from None
    if media.version is not None and _bare(media.version) != _bare(version):
        raise InvalidInput(
            f"changed since the inventory was made (etag {media.version}, now {version}); make it again", file=uri
        )
    media.version = version
    return data


def pin_cell(cell: MediaInput, size: int | None, etag: str | None) -> tuple[str, str] | None:
    """Expect what an inventory says; (reason, column) if a file on this machine is something else already."""
    changed = f"{cell.name} changed since the inventory was made"
    if cell.fetch is None:
        if size is not None and size != cell.size:
            return f"{changed} ({size} bytes, now {cell.size}); make it again", "size"
        if etag is not None and etag != cell.version:
            return f"{changed} ({etag}, now {cell.version}); make it again", "etag"
    elif cell.version is None:
        cell.size, cell.version = size, etag
    return None


def _bare(etag: str) -> str:
    """An etag as inventories write it: without quotes, and without the mark that servers set which compress."""
    return etag.removeprefix("W/").strip('"')
