"""An index on disk: pages of rows, what pins their media, and a document that names the whole.

Pages hold nothing of the place where the index lies. The identity of the rows is the digest of the pages, or of the
Parquet files that they were made of: the same on every machine that has the same index. Places and versions of media
files, which differ, lie beside them.
"""

from __future__ import annotations

import json
import os
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import blake3
import pyarrow as pa

from headrace.datasets.columns import schema_from_json, schema_to_json
from headrace.storage.canonical import JsonValue
from headrace.streaming.file_lock import FileLock
from headrace.streaming.pages import MediaColumn, PageFolder, page_table

__all__ = ["KEY_COLUMN", "IndexDocument", "PageWriter", "Rows", "describe_index", "pins_name", "read_document"]

_FORMAT = 2  # 1: the identity of rows of Parquet files was the digest of their pages
_IDENTITY_FORMAT = 1
_PAGE_BYTES = 256 << 20
_PAGE_ROWS = 4 << 20

KEY_COLUMN = "\x1fkey"
"""Plain column of a page with the names of its rows; no column of a user is called so."""


@dataclass(slots=True)
class IndexDocument:
    """What is known of an index besides its rows."""

    identity: str  # empty until the pages are written, if it is their digest
    page_rows: list[int]  # rows of each page
    page_bytes: list[int]  # of each page's file, to notice one that was cut off
    file_rows: list[int]  # rows of each file of the index, in order; empty where files are rows
    mean_row_bytes: int
    is_local: bool
    key: str | None  # column with the names of rows, if it is one
    schema: list[JsonValue]

    def arrow_schema(self) -> pa.Schema:
        """Columns as users see them."""
        return schema_from_json(self.schema)


@dataclass(slots=True)
class Rows:
    """Rows on their way into a page."""

    columns: dict[str, pa.Array | MediaColumn]
    pins: dict[str, pa.Array] = field(default_factory=dict)  # versions of media files, string, by column
    keys: pa.Array | None = None  # string; None for row numbers, or where a column holds them


def describe_index(
    *,
    schema: pa.Schema,
    key: str | None,
    file_rows: Sequence[int],
    mean_row_bytes: int,
    is_local: bool,
    sources: Sequence[tuple[str, str]] | None = None,
) -> IndexDocument:
    """The document of an index whose rows were read and whose pages are still to be written.

    Args:
        sources: What the rows follow from, (folder below the root, BLAKE3) of each file; None if that is not known.
    """
    columns = schema_to_json(schema)
    identity = ""
    if sources is not None:
        named = ["headrace.index-rows.1", key, columns, list(sources)]
        identity = blake3.blake3(json.dumps(named).encode("utf-8", "surrogatepass")).hexdigest()
    return IndexDocument(
        identity=identity,
        page_rows=[],
        page_bytes=[],
        file_rows=list(file_rows),
        mean_row_bytes=mean_row_bytes,
        is_local=is_local,
        key=key,
        schema=columns,
    )


def pins_name(name: str, number: int) -> str:
    """Of the page with the versions of media files."""
    return f"{name}.{number}.pins"


def read_document(folder: str, name: str) -> IndexDocument | None:
    """The document of an index; None if there is none, or its pages are not what it says."""
    try:
        content = json.loads(Path(folder, f"{name}.json").read_bytes())
        if content.pop("format") != _FORMAT:
            return None
        document = IndexDocument(**content)
        sizes = [os.stat(os.path.join(folder, f"{name}.{number}.arrow")).st_size for number in _numbers(document)]
    except (FileNotFoundError, ValueError, KeyError, TypeError):  # never made, or half of it lost with the power
        return None
    return document if sizes == document.page_bytes else None


def _numbers(document: IndexDocument) -> range:
    return range(len(document.page_rows))


@dataclass(slots=True)
class _FullPage:
    """Rows of a page that is not written yet."""

    tables: list[pa.Table] = field(default_factory=list)
    pins: list[pa.Table] = field(default_factory=list)
    num_rows: int = 0
    num_bytes: int = 0


class PageWriter:
    """Writes rows as pages of about 256 MB, so that memory stays bounded. For one thread at a time."""

    def __init__(
        self, pages: PageFolder, name: str, *, page_rows: int = _PAGE_ROWS, page_bytes: int = _PAGE_BYTES
    ) -> None:
        """Begin an index under a lock that the caller holds; what killed processes left goes."""
        self._pages = pages
        self._name = name
        self._max_rows = page_rows
        self._max_bytes = page_bytes
        self._current = _FullPage()
        self._full: deque[_FullPage] = deque()
        self._page_rows: list[int] = []
        self._page_bytes: list[int] = []
        self._hasher = blake3.blake3(max_threads=blake3.blake3.AUTO)
        _remove_unfinished(pages.folder, own=name)

    def add(self, rows: Rows) -> None:
        """Append rows, all with the same columns. The last full page stays in memory, as the one that grows."""
        columns = dict(rows.columns)
        if rows.keys is not None:
            columns[KEY_COLUMN] = rows.keys
        table = page_table(columns)
        page = self._current
        page.tables.append(table)
        if rows.pins:
            page.pins.append(page_table(dict(rows.pins)))
        page.num_rows += table.num_rows
        page.num_bytes += table.nbytes
        if page.num_bytes >= self._max_bytes or page.num_rows >= self._max_rows:
            self._close_page()
            while len(self._full) > 1:
                self._write(self._full.popleft())

    def _close_page(self) -> None:
        if self._current.tables:
            self._full.append(self._current)
            self._current = _FullPage()

    @property
    def written_rows(self) -> list[int]:
        """Rows of each page that is on the disk already."""
        return list(self._page_rows)

    @property
    def held_bytes(self) -> int:
        """Of the rows that are in memory."""
        return sum(page.num_bytes for page in (*self._full, self._current))

    def held(self) -> list[pa.Table]:
        """The rows after those of the written pages."""
        return [table for page in (*self._full, self._current) for table in page.tables if table.num_rows]

    def _write(self, page: _FullPage, *, check: Callable[[], None] | None = None) -> str:
        number = len(self._page_rows)
        pins, num_rows = page.pins, page.num_rows
        path = self._pages.write(f"{self._name}.{number}", _taken(page, check), check=check)
        if pins:
            self._pages.write(pins_name(self._name, number), pa.concat_tables(pins))
        self._page_rows.append(num_rows)
        self._page_bytes.append(os.path.getsize(path))
        return path

    def publish(self, document: IndexDocument, *, check: Callable[[], None] | None = None) -> IndexDocument:
        """Write what is left and the document, which makes the index appear; the document with its pages.

        Args:
            check: Called every few milliseconds; ends the writing by raising.
        """
        self._close_page()
        while self._full:
            self._write(self._full.popleft(), check=check)
        if not document.identity:
            for number in range(len(self._page_rows)):
                self._hasher.update_mmap(os.path.join(self._pages.folder, f"{self._name}.{number}.arrow"))
            self._hasher.update(json.dumps([_IDENTITY_FORMAT, document.key, document.schema]).encode())
            document = replace(document, identity=self._hasher.hexdigest())
        document = replace(document, page_rows=self._page_rows, page_bytes=self._page_bytes)
        path = os.path.join(self._pages.folder, f"{self._name}.json")
        temporary = f"{path}.{secrets.token_hex(8)}.tmp"
        Path(temporary).write_text(json.dumps({"format": _FORMAT, **asdict(document)}), encoding="utf-8")
        os.replace(temporary, path)
        return document

    def discard(self) -> None:
        """Remove what was written of an index that is given up."""
        _remove(self._pages.folder, self._name)


def _taken(page: _FullPage, check: Callable[[], None] | None) -> pa.Table:
    """The rows of a page as one batch; column by column, so that at most one is in memory twice."""
    schema, tables = page.tables[0].schema, page.tables
    chunks = [[table.column(idx).chunk(0) for table in tables if table.num_rows] for idx in range(len(schema))]
    page.tables = tables = []
    arrays = []
    while chunks:
        if check is not None:
            check()
        arrays.append(pa.concat_arrays(chunks.pop(0)))
    return pa.table(arrays, schema=schema)


def _remove_unfinished(folder: str, *, own: str) -> None:
    """Remove what ended processes left: pages of indexes without a document that nobody makes just now. The caller
    makes `own`; where that has a document, its pages are replaced one by one, because somebody may read them."""
    if os.path.exists(os.path.join(folder, f"{own}.json")):
        for leftover in Path(folder).glob(f"{own}.*.tmp"):
            leftover.unlink(missing_ok=True)
    else:
        _remove(folder, own)
    names = {path.name.partition(".")[0] for path in Path(folder).iterdir() if path.suffix in (".arrow", ".tmp")}
    for name in names - {own}:
        document = os.path.join(folder, f"{name}.json")
        lock = None if os.path.exists(document) else FileLock.try_for(os.path.join(folder, f"{name}.lock"))
        if lock is not None:
            if not os.path.exists(document):  # else somebody was faster
                _remove(folder, name)
            lock.release()


def _remove(folder: str, name: str) -> None:
    """All but the lock file, which somebody may wait for."""
    for path in Path(folder).glob(f"{name}.*"):
        if path.suffix != ".lock":
            path.unlink(missing_ok=True)
