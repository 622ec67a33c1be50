"""GENERIC: named bytes, without any rule about them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import ClassVar, Final

import pyarrow as pa

from headrace.datasets.batches import Origin, SampleBatch
from headrace.datasets.media import MediaInput
from headrace.datasets.sources.source import FileSource, TableSource
from headrace.datasets.types.base import DatasetType, IngestContext, media_field, refuse_declared
from headrace.datasets.types.media_cells import MediaCells
from headrace.datasets.types.row_failures import RowFailures, row_lines
from headrace.datasets.types.table_columns import find_column, string_values
from headrace.datasets.views import ViewReader, ViewWriter
from headrace.errors import InvalidInput

__all__ = ["Generic"]

_BATCH_ROWS: Final = 1024


class Generic(DatasetType):
    """Rows of `name` and `data`, and no other column.

    Handed in as files of any kind (`name` is the path) or as a table with these two columns, where `data` holds
    bytes, a path relative to the table, or a URI.

    The view holds one file for each row, `part-<i>-<j>`: i counts the picked commits, j the rows in one, both from 0.
    """

    name: ClassVar[str] = "GENERIC"
    key: ClassVar[str | None] = "name"
    accepts_extra_columns: ClassVar[bool] = False
    tables_are_files: ClassVar[bool] = True
    allows_nested_archives: ClassVar[bool] = True

    def ingest_schema(self, declared: pa.Schema | None) -> pa.Schema:
        """`name` string and `data`, bytes of any kind; neither is null."""
        refuse_declared(self, declared)
        return pa.schema([pa.field("name", pa.string(), nullable=False), media_field("data", "bytes")])

    def training_schema(self, declared: pa.Schema | None) -> pa.Schema:
        """The same columns."""
        return self.ingest_schema(declared)

    def small_suffixes(self) -> frozenset[str]:
        """None: each file is a row."""
        return frozenset()

    def ingest(self, source: TableSource | FileSource, context: IngestContext) -> Iterator[SampleBatch]:
        """As the base class says; no content is read here."""
        if source.kind == "files":
            yield from self._from_files(source)
        else:
            yield from self._from_table(source, context)

    def materialise(self, reader: ViewReader, writer: ViewWriter) -> None:
        """Write one file a row, bytes unchanged."""
        counts = iter(enumerate(reader.commit_row_counts))
        commit_idx, left, row_idx = -1, 0, 0
        for batch in reader.scan(columns=["data"], batch_size=64):
            contents = batch.column("data")
            for content_idx in range(len(contents)):
                while left == 0:
                    commit_idx, left = next(counts)
                    row_idx = 0
                with writer.open(f"part-{commit_idx}-{row_idx}") as file:
                    file.write(contents[content_idx].as_py())
                left -= 1
                row_idx += 1

    def _from_files(self, source: FileSource) -> Iterator[SampleBatch]:
        files = source.files()
        num_files = 0
        while entries := list(islice(files, _BATCH_ROWS)):
            paths = [entry.path for entry in entries]
            yield SampleBatch(
                {"name": pa.array(paths, pa.string()), "data": [entry.media for entry in entries]},
                num_rows=len(entries),
                origin_idx=[entry.origin_idx for entry in entries],
                members=paths,
            )
            num_files += len(entries)
        if not num_files:
            place = RowFailures("raise", source.origins).place(0)
            raise InvalidInput("holds no files; expected at least one", file=place)

    def _from_table(self, source: TableSource, context: IngestContext) -> Iterator[SampleBatch]:
        failures = RowFailures(context.on_invalid, source.origins)
        expected = "the columns name and data (bytes, path or URI), and no others"
        cells: dict[int, MediaCells] = {}
        for batch in source.batches():
            table, lines, origin_idx = batch.table, row_lines(batch), batch.origin_idx
            place = failures.place(origin_idx)
            for column in ("name", "data"):
                find_column(table.schema, (column,), expected=expected, place=place)
            further = [column for column in table.schema.names if column not in ("name", "data")]
            if further:
                raise InvalidInput(
                    f"a further column; expected {expected}; drop it, or use type TABLE", file=place, column=further[0]
                )
            names = string_values(table.column("name"), column="name", place=place).to_pylist()
            if origin_idx not in cells:
                known = source.origins
                cells[origin_idx] = MediaCells(
                    known[origin_idx] if origin_idx < len(known) else Origin("memory:rows"), locations=context.locations
                )
            kept: list[int] = []
            contents: list[MediaInput | None] = []
            for row_idx, cell in enumerate(cells[origin_idx].read(table.column("data"), column="data")):
                if not names[row_idx]:
                    reason, column = "the name is null or empty; expected text", "name"
                elif not isinstance(cell, MediaInput):
                    reason, column = cell or "the data is null; expected bytes, a path or a URI", "data"
                else:
                    kept.append(row_idx)
                    contents.append(cell)
                    continue
                failures.reject(reason, origin_idx=origin_idx, line=lines[row_idx], column=column)
            yield SampleBatch(
                {"name": pa.array([names[row_idx] for row_idx in kept], pa.string()), "data": contents},
                num_rows=len(kept),
                origin_idx=origin_idx,
                lines=lines if len(kept) == len(lines) else [lines[row_idx] for row_idx in kept],
                rejected=failures.drain(),
            )
