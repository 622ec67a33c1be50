"""Rows of an index as a provider: tables, folders, shards. Made into pages once, then mapped."""

from __future__ import annotations

import logging
import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

from headrace.datasets.columns import MEDIA_VIEW_TYPE, media_kind
from headrace.errors import HeadraceError, InvalidInput, Unavailable
from headrace.storage.archive_limits import ArchiveLimits
from headrace.storage.locations import Locations
from headrace.streaming.file_lock import locked
from headrace.streaming.index_pages import (
    KEY_COLUMN,
    IndexDocument,
    PageWriter,
    pins_name,
    read_document,
)
from headrace.streaming.index_source import IndexSource, list_index
from headrace.streaming.lance_rows import is_lance, open_lance
from headrace.streaming.media_addresses import address_of
from headrace.streaming.media_fetching import Container, MediaFetcher, Places
from headrace.streaming.options import IndexOptions
from headrace.streaming.pages import NULL_CONTAINER, OWN_FIRST, Page, PageFolder, row_numbers
from headrace.streaming.provider import Provider
from headrace.streaming.sample_files import write_files, write_shards
from headrace.streaming.table_pages import write_tables

__all__ = ["IndexRows", "open_index"]

_NAME_FORMAT = "headrace.index.1"
_logger = logging.getLogger(__name__)


def open_index(source: object, *, options: IndexOptions, folder: str) -> Provider:
    """The rows of an index; its pages lie in `folder`, made there unless this very index was opened before.

    Raises:
        NotFound: There is no such thing.
        InvalidInput: It is nothing that can be read, or changed while it was read.
    """
    if isinstance(source, str | os.PathLike) and is_lance(os.fspath(source)):
        return open_lance(os.fspath(source), options=options)
    locations = Locations()
    folder = os.path.abspath(folder)
    listed = list_index(source, options=options, locations=locations, without=folder)
    places = blake3("\0".join([listed.root, *(file.address for file in listed.files)]).encode()).hexdigest()[:16]
    pages = PageFolder(os.path.join(folder, "indexes", places, "pages"))
    name = _name(listed, options)
    document = read_document(pages.folder, name)
    if document is None:
        with locked(os.path.join(pages.folder, f"{name}.lock")):
            document = read_document(pages.folder, name) or _convert(
                listed, PageWriter(pages, name), options=options, locations=locations
            )
            if listed.kind != "files":
                now = list_index(source, options=options, locations=locations, without=folder)
                _refuse_changed(name, now, options, pages)
    return IndexRows(listed, document, pages=pages, page_name=name, locations=locations)


def _name(listed: IndexSource, options: IndexOptions) -> str:
    """Names these files in these versions, read in this way."""
    parts = [_NAME_FORMAT, listed.kind, repr(options.media), repr(options.key), repr(options.csv_has_header)]
    parts += [str(listed.names_files)]
    parts += [f"{file.address}\0{file.size}\0{file.version}" for file in listed.files]
    return blake3("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _refuse_changed(name: str, now: IndexSource, options: IndexOptions, pages: PageFolder) -> None:
    """Raise `Unavailable` if the index is another one than when its conversion began; the conversion goes."""
    if _name(now, options) != name:
        os.unlink(os.path.join(pages.folder, f"{name}.json"))
        raise Unavailable(f"{now.name} changed while it was read; open it again when it is complete")


def _convert(listed: IndexSource, writer: PageWriter, *, options: IndexOptions, locations: Locations) -> IndexDocument:
    if options.key is not None and listed.kind != "tables":
        raise InvalidInput(f"key={options.key!r}: {listed.name} has no columns; its samples are named by their files")
    _logger.info("index is converted source=%s files=%d", listed.name, len(listed.files))
    if listed.kind == "files":
        return write_files(listed, writer)
    if listed.kind == "shards":
        return write_shards(listed, writer, limits=ArchiveLimits())
    return write_tables(listed, writer, options=options, locations=locations)


class IndexRows:
    """Immutable and thread-safe; goes to worker processes as it is, which map the same pages."""

    def __init__(
        self, listed: IndexSource, document: IndexDocument, *, pages: PageFolder, page_name: str, locations: Locations
    ) -> None:
        self.pages = pages
        self.identity = document.identity
        self.name = listed.name
        self.schema = document.arrow_schema()
        self.num_rows = sum(document.page_rows)
        self.mean_row_bytes = document.mean_row_bytes
        self.is_local = document.is_local
        self._page_name = page_name
        self._root = listed.root.rstrip("/")
        self._key = document.key
        self._starts = np.cumsum([0, *document.page_rows])  # [num_pages + 1]
        self._file_starts = np.cumsum([0, *document.file_rows])  # [num_files + 1]
        self._locations = locations
        is_shards = listed.kind == "shards"
        self._containers = [Container(None, file.address, file.version) for file in listed.files] if is_shards else []
        self._file_names = [file.address for file in listed.files] if document.file_rows else []
        self._prepare()

    def _prepare(self) -> None:
        self._media = frozenset(field.name for field in self.schema if media_kind(field) is not None)
        self._opened: dict[int, Page] = {}
        self._starts_list: list[int] = self._starts.tolist()
        self._fetcher = MediaFetcher(None, "", locations=self._locations)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        for name in ("_fetcher", "_opened"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    # -- rows by number -----------------------------------------------------------------------------------------

    def _runs(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray | None, np.ndarray, int]]:
        """(which of the rows: None for all, rows in the page, number of the page)."""
        if len(self._starts) == 2:
            yield None, rows, 0
            return
        number = np.searchsorted(self._starts, rows, side="right") - 1
        for page in np.unique(number).tolist():
            mine = np.flatnonzero(number == page)
            yield mine if len(mine) < len(rows) else None, rows[mine] - self._starts[page], page

    def _page(self, number: int) -> Page:
        page = self._opened.get(number)
        if page is None:
            page = self._opened[number] = self.pages.opened(f"{self._page_name}.{number}")
        return page

    def _names(self, rows: np.ndarray, page: Page, number: int) -> list[str]:
        """What names rows of a page."""
        if self._key is not None:
            return [str(key) for key in page.values(self._key, rows)]
        if page.has(KEY_COLUMN):
            names: list[str] = page.values(KEY_COLUMN, rows)
            return names
        return [str(row) for row in (rows + self._starts[number]).tolist()]

    # -- reading ------------------------------------------------------------------------------------------------

    def read(self, rows: np.ndarray, columns: Sequence[str]) -> dict[str, list[Any]]:
        """As `Provider.read`; an error names the row, and the file of the index that it comes from."""
        try:
            return self._read(rows, columns)
        except HeadraceError:
            for row in rows.tolist():
                self.read_one(row, columns)  # the first that fails says which it is
            raise

    def read_one(self, row: int, columns: Sequence[str]) -> list[Any]:
        """As `Provider.read_one`; an error as in `read`."""
        number = bisect_right(self._starts_list, row) - 1 if len(self._starts_list) > 2 else 0
        in_page = row - self._starts_list[number]
        page = self._page(number)
        try:
            return [
                self._fetch_one(name, in_page, page, number)
                if name in self._media
                else self._name(in_page, page, number)
                if name == "_id"
                else page.value(name, in_page)
                for name in columns
            ]
        except HeadraceError as error:
            raise type(error)(f"{self._place(row)}: {error}") from error

    def _read(self, rows: np.ndarray, columns: Sequence[str]) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {name: [] for name in columns}
        if not len(rows):
            return found
        for which, in_page, number in self._runs(rows):
            page = self._page(number)
            for name in columns:
                values: list[Any]
                if name in self._media:
                    values = self._fetch(name, in_page, page, number)
                elif name == "_id":
                    values = self._names(in_page, page, number)
                else:
                    values = page.values(name, in_page)
                if which is None:
                    found[name] = values
                    continue
                whole = found[name] = found[name] or [None] * len(rows)
                for position, value in zip(which.tolist(), values):
                    whole[position] = value
        return found

    def _name(self, row: int, page: Page, number: int) -> str:
        if self._key is not None:
            return str(page.value(self._key, row))
        if page.has(KEY_COLUMN):
            return str(page.value(KEY_COLUMN, row))
        return str(row + self._starts_list[number])

    def _fetch_one(self, name: str, row: int, page: Page, number: int) -> bytes | None:
        """One value, without making arrays."""
        if page.has_part(name, "container"):
            container = page.numbers(name, "container").item(row)
            if container != NULL_CONTAINER:
                return self._fetcher.fetch_one(
                    self._containers[OWN_FIRST - container],
                    offset=page.numbers(name, "offset").item(row),
                    size=page.numbers(name, "size").item(row),
                    check=None,
                )
        elif (paths := page.part(name, "path")) is not None:
            path = paths[row].as_py()
            if path is not None:
                version = self._pins(number).value(name, row) if page.has_part(name, "size") else None
                return self._fetcher.fetch_files([address_of(path, self._root)], [version])[0]
        data = page.part(name, "data")
        value: bytes | None = None if data is None else data[row].as_py()
        return value

    def _pins(self, number: int) -> Page:
        """Versions of media files."""
        return self.pages.opened(pins_name(self._page_name, number))

    def _fetch(self, name: str, rows: np.ndarray, page: Page, number: int) -> list[bytes | None]:
        values: list[bytes | None] = page.data(name, rows) if page.has_part(name, "data") else [None] * len(rows)
        fetched: list[bytes | None] = []
        if page.has_part(name, "container"):
            numbers = page.numbers(name, "container")[rows].tolist()
            if any(container != NULL_CONTAINER for container in numbers):
                containers = [
                    None if item == NULL_CONTAINER else self._containers[OWN_FIRST - item] for item in numbers
                ]
                offsets, sizes = page.numbers(name, "offset")[rows], page.numbers(name, "size")[rows]
                fetched = self._fetcher.fetch(Places(containers, offsets.tolist(), sizes.tolist(), None))
        paths = page.part(name, "path")
        if paths is not None:
            addresses = [
                None if path is None else address_of(path, self._root)
                for path in paths.take(row_numbers(rows)).to_pylist()
            ]
            versions = None
            if page.has_part(name, "size"):
                versions = self._pins(number).values(name, rows)
            fetched = self._fetcher.fetch_files(addresses, versions)
        if not fetched:
            return values
        return [value if value is not None else other for value, other in zip(values, fetched)]

    def _place(self, row: int) -> str:
        """The row as users count it."""
        if len(self._file_names) < 2:
            return f"row {row} of {self._file_names[0] if self._file_names else self.name}"
        number = int(np.searchsorted(self._file_starts, row, side="right")) - 1
        return f"row {row - int(self._file_starts[number])} of {self._file_names[number]} (row {row} of the index)"

    def narrow(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """As `Provider.narrow`."""
        for number in range(len(self._starts) - 1):
            page = self._page(number)
            arrays = [_view(page, name) if name in self._media else page.array(name) for name in columns]
            yield pa.table(arrays, names=list(columns))


def _view(page: Page, name: str) -> pa.Array:
    """A media column without bytes: sizes, where they are known."""
    data, paths, containers = page.part(name, "data"), page.part(name, "path"), page.part(name, "container")
    is_there: list[pa.Array] = [part.is_valid() for part in (data, paths) if part is not None]
    if containers is not None:
        is_there.append(pc.not_equal(containers, NULL_CONTAINER))
    there = is_there[0]
    for other in is_there[1:]:
        there = pc.or_(there, other)
    sizes = page.part(name, "size")
    if sizes is None:
        sizes = pa.nulls(len(there), pa.int64()) if data is None else pc.binary_length(data).cast(pa.int64())
    others = [pa.nulls(len(there), field.type) for field in list(MEDIA_VIEW_TYPE)[1:]]
    return pa.StructArray.from_arrays([sizes, *others], fields=list(MEDIA_VIEW_TYPE), mask=pc.invert(there))
