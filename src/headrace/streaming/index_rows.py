"""Rows of an index as a provider: tables, folders, shards. Read from its pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.columns import MEDIA_VIEW_TYPE, media_kind
from headrace.errors import HeadraceError
from headrace.storage.arrow_values import row_numbers
from headrace.storage.locations import Locations
from headrace.streaming.index_pages import KEY_COLUMN, IndexDocument
from headrace.streaming.index_source import IndexSource
from headrace.streaming.media_addresses import address_of
from headrace.streaming.media_fetching import Container, MediaFetcher, Places
from headrace.streaming.page_layout import PageLayout
from headrace.streaming.pages import NULL_CONTAINER, OWN_FIRST, Page, PageFolder
from headrace.streaming.unwritten_pages import UnwrittenPages

__all__ = ["IndexRows"]


class IndexRows:
    """Immutable and thread-safe; goes to worker processes as it is, which map the same pages."""

    def __init__(
        self,
        listed: IndexSource,
        document: IndexDocument,
        *,
        pages: PageFolder,
        page_name: str,
        locations: Locations,
        unwritten: UnwrittenPages | None = None,
    ) -> None:
        """`unwritten`: holds the rows of a document that names no pages yet."""
        self.pages = pages
        self.identity = document.identity
        self.name = listed.name
        self.schema = document.arrow_schema()
        self.num_rows = sum(document.file_rows if unwritten is not None else document.page_rows)
        self.mean_row_bytes = document.mean_row_bytes
        self.is_local = document.is_local
        self._page_name = page_name
        self._page_rows = document.page_rows
        self._unwritten = unwritten
        self._root = listed.root.rstrip("/")
        self._key = document.key
        self._file_starts = np.cumsum([0, *document.file_rows])  # [num_files + 1]
        self._locations = locations
        is_shards = listed.kind == "shards"
        self._containers = [Container(None, file.address, file.version) for file in listed.files] if is_shards else []
        self._file_names = [file.address for file in listed.files] if document.file_rows else []
        self._prepare()

    def _prepare(self) -> None:
        self._media = frozenset(field.name for field in self.schema if media_kind(field) is not None)
        self._written = PageLayout.of_folder(self._page_rows, pages=self.pages, name=self._page_name)
        self._fetcher = MediaFetcher(None, "", locations=self._locations)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        for name in ("_fetcher", "_written"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    # -- rows by number -----------------------------------------------------------------------------------------

    @property
    def _layout(self) -> PageLayout:
        """Where the rows are; asked for once in each read, because they move from memory to the disk."""
        unwritten = self._unwritten
        if unwritten is None:
            return self._written
        layout, document = unwritten.layout()
        if document is not None:
            self._written, self._page_rows = layout, document.page_rows
            self._unwritten = None  # last: other threads look at it first
        return layout

    def wait_for_pages(self, *, timeout_seconds: float | None = None) -> bool:
        """Whether all pages are on the disk, after so long: from then on another process opens the index at once.
        Programs need not ask; reading says what went wrong."""
        unwritten = self._unwritten
        return unwritten is None or unwritten.wait(timeout_seconds=timeout_seconds)

    def _names(self, rows: np.ndarray, page: Page, start: int) -> list[str]:
        """What names rows of a page."""
        if self._key is not None:
            return [str(key) for key in page.values(self._key, rows)]
        if page.has(KEY_COLUMN):
            names: list[str] = page.values(KEY_COLUMN, rows)
            return names
        return [str(row) for row in (rows + start).tolist()]

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
        layout = self._layout
        number, in_page = layout.find(row)
        page = layout.page(number)
        try:
            return [
                self._fetch_one(name, in_page, page, pins=partial(layout.pins, number))
                if name in self._media
                else self._name(in_page, page, row)
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
        layout = self._layout
        for which, in_page, number in layout.runs(rows):
            page = layout.page(number)
            pins = partial(layout.pins, number)
            for name in columns:
                values: list[Any]
                if name in self._media:
                    values = self._fetch(name, in_page, page, pins=pins)
                elif name == "_id":
                    values = self._names(in_page, page, layout.start(number))
                else:
                    values = page.values(name, in_page)
                if which is None:
                    found[name] = values
                    continue
                whole = found[name] = found[name] or [None] * len(rows)
                for position, value in zip(which.tolist(), values):
                    whole[position] = value
        return found

    def _name(self, in_page: int, page: Page, row: int) -> str:
        if self._key is not None:
            return str(page.value(self._key, in_page))
        if page.has(KEY_COLUMN):
            return str(page.value(KEY_COLUMN, in_page))
        return str(row)

    def _fetch_one(self, name: str, row: int, page: Page, *, pins: Callable[[], Page]) -> bytes | None:
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
                version = pins().value(name, row) if page.has_part(name, "size") else None
                return self._fetcher.fetch_files([address_of(path, self._root)], [version])[0]
        data = page.part(name, "data")
        value: bytes | None = None if data is None else data[row].as_py()
        return value

    def _fetch(self, name: str, rows: np.ndarray, page: Page, *, pins: Callable[[], Page]) -> list[bytes | None]:
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
                versions = pins().values(name, rows)
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
        layout = self._layout
        for number in range(layout.num_pages):
            page = layout.page(number)
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
