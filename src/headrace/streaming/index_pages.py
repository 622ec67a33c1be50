"""An index on disk: pages of rows, what pins their media, and a document that names the whole.

Pages hold nothing of the place where the index lies, so that their digest, the identity of the rows, is the same on
every machine that has the same index. Places and versions of media files, which differ, lie beside them.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import blake3
import pyarrow as pa

from headrace.datasets.columns import schema_from_json, schema_to_json
from headrace.storage.canonical import JsonValue
from headrace.streaming.pages import MediaColumn, PageFolder, page_table

__all__ = ["KEY_COLUMN", "IndexDocument", "PageWriter", "Rows", "pins_name", "read_document"]

_FORMAT = 1
_PAGE_BYTES = 256 << 20
_PAGE_ROWS = 4 << 20

KEY_COLUMN = "\x1fkey"
"""Plain column of a page with the names of its rows; no column of a user is called so."""


@dataclass(slots=True)
class IndexDocument:
    """What is known of an index besides its rows."""

    identity: str
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


class PageWriter:
    """Writes rows as pages of about 256 MB, so that memory stays bounded. For one thread."""

    def __init__(self, pages: PageFolder, name: str, *, page_rows: int = _PAGE_ROWS) -> None:
        """Begin an index under a lock that the caller holds; what a killed process left of it goes."""
        for leftover in Path(pages.folder).glob(f"{name}.*.tmp"):
            leftover.unlink(missing_ok=True)
        self._max_rows = page_rows
        self._pages = pages
        self._name = name
        self._tables: list[pa.Table] = []
        self._pins: list[pa.Table] = []
        self._num_rows = 0
        self._num_bytes = 0
        self._page_rows: list[int] = []
        self._page_bytes: list[int] = []
        self._hasher = blake3.blake3(max_threads=blake3.blake3.AUTO)

    def add(self, rows: Rows) -> None:
        """Append rows, all with the same columns."""
        columns = dict(rows.columns)
        if rows.keys is not None:
            columns[KEY_COLUMN] = rows.keys
        table = page_table(columns)
        self._tables.append(table)
        if rows.pins:
            self._pins.append(page_table(dict(rows.pins)))
        self._num_rows += table.num_rows
        self._num_bytes += table.nbytes
        if self._num_bytes >= _PAGE_BYTES or self._num_rows >= self._max_rows:
            self._flush()

    def _flush(self) -> None:
        number = len(self._page_rows)
        path = self._pages.write(f"{self._name}.{number}", self._taken())
        if self._pins:
            self._pages.write(pins_name(self._name, number), pa.concat_tables(self._pins))
            self._pins = []
        self._hasher.update_mmap(path)
        self._page_rows.append(self._num_rows)
        self._page_bytes.append(os.path.getsize(path))
        self._num_rows = self._num_bytes = 0

    def _taken(self) -> pa.Table:
        """The rows so far as one batch; column by column, so that at most one is in memory twice."""
        schema, tables = self._tables[0].schema, self._tables
        chunks = [[table.column(idx).chunk(0) for table in tables if table.num_rows] for idx in range(len(schema))]
        self._tables = tables = []
        arrays = []
        while chunks:
            arrays.append(pa.concat_arrays(chunks.pop(0)))
        return pa.table(arrays, schema=schema)

    def finish(
        self, *, schema: pa.Schema, key: str | None, file_rows: Sequence[int], mean_row_bytes: int, is_local: bool
    ) -> IndexDocument:
        """Write what is left and the document, which makes the index appear."""
        if self._tables:
            self._flush()
        columns = schema_to_json(schema)
        self._hasher.update(json.dumps([_FORMAT, key, columns]).encode())
        document = IndexDocument(
            identity=self._hasher.hexdigest(),
            page_rows=self._page_rows,
            page_bytes=self._page_bytes,
            file_rows=list(file_rows),
            mean_row_bytes=mean_row_bytes,
            is_local=is_local,
            key=key,
            schema=columns,
        )
        path = os.path.join(self._pages.folder, f"{self._name}.json")
        temporary = f"{path}.{secrets.token_hex(8)}.tmp"
        Path(temporary).write_text(json.dumps({"format": _FORMAT, **asdict(document)}), encoding="utf-8")
        os.replace(temporary, path)
        return document
