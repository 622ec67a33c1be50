"""Tables as pages: plain columns as they are, media columns as the paths that they hold, or as their bytes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.batches import RowBatch
from headrace.datasets.columns import media_field, normal_type
from headrace.datasets.sources.opening import open_source
from headrace.datasets.sources.source import TableSource
from headrace.errors import InvalidInput
from headrace.schema.near_misses import near_miss_or_known
from headrace.storage.locations import Locations
from headrace.streaming.arrow_texts import holds_character, holds_empty, no_text, text
from headrace.streaming.index_pages import IndexDocument, PageWriter, Rows, describe_index
from headrace.streaming.index_source import IndexSource
from headrace.streaming.media_addresses import climbs_out, names_media
from headrace.streaming.media_columns import cast_values, first_values, is_pair, media_columns
from headrace.streaming.number_columns import NumberColumns
from headrace.streaming.options import IndexOptions
from headrace.streaming.pages import MediaColumn
from headrace.streaming.parquet_row_groups import parquet_tables, read_ahead
from headrace.streaming.row_names import KeyValues

__all__ = ["write_tables"]

_SIZED_FILES = 32
_GUESSED_BYTES = 100_000  # of a media file whose size nobody knows
_FILE_NAME = "file_name"


@dataclass(slots=True)
class _Media:
    """A media column."""

    name: str  # as users see it
    kind: str
    is_path: bool  # else it holds bytes


def write_tables(
    source: IndexSource, writer: PageWriter, *, options: IndexOptions, locations: Locations
) -> IndexDocument:
    """Convert the tables of an index; what is left to do is to publish the pages.

    Raises:
        InvalidInput: What cannot be read, named with file and line; repeated keys; columns that are not there.
    """
    opened = open_source(
        [file.address for file in source.files], csv_has_header=options.csv_has_header, opener=locations
    )
    return _TableWriting(source, cast("TableSource", opened), writer, options).run()


class _TableWriting:
    """One conversion."""

    def __init__(self, source: IndexSource, opened: TableSource, writer: PageWriter, options: IndexOptions) -> None:
        self._source = source
        self._opened = opened
        self._writer = writer
        self._options = options
        self._is_csv = opened.is_csv
        self._media: dict[str, _Media] = {}
        self._fields: list[pa.Field] = []
        self._folders = [file.path.rpartition("/")[0] for file in source.files]
        self._file_rows = [0] * len(source.files)
        self._key = options.key
        self._keys = None if options.key is None else KeyValues(column=options.key, name=source.name)
        self._is_local = "://" not in source.root
        self._plain_bytes = 0
        self._held_bytes = 0
        self._files_to_size: list[str] = []

    def run(self) -> IndexDocument:
        sources = None
        if self._is_csv:
            with tempfile.TemporaryFile(prefix="headrace-index-") as spool:
                batches = self._batches(self._opened)
                for batch, origin in _with_numbers(batches, spool, fixed=self._fixed_columns()):
                    self._add(batch, origin)
        else:
            with read_ahead(self._opened) as opened:
                for batch, origin in self._batches(opened):
                    self._add(batch, origin)
            if parquet_tables(self._opened) is not None:
                sources = self._sources([origin.digest for origin in opened.origins])
        num_rows = sum(self._file_rows)
        if self._keys is not None:
            self._keys.check()
        return describe_index(
            schema=pa.schema(self._fields),
            key=self._key,
            file_rows=self._file_rows,
            mean_row_bytes=self._mean_row_bytes(num_rows),
            is_local=self._is_local,
            sources=sources,
        )

    def _batches(self, opened: TableSource) -> Iterator[tuple[pa.RecordBatch, int]]:
        for batch in opened.batches():
            self._file_rows[batch.origin_idx] += batch.table.num_rows
            yield _whole(batch), batch.origin_idx

    def _sources(self, digests: Sequence[str | None]) -> list[tuple[str, str]] | None:
        """What rows of Parquet files follow from, paths of media with the folders of their tables."""
        folders = self._folders if any(media.is_path for media in self._media.values()) else [""] * len(digests)
        found = [(folder, digest) for folder, digest in zip(folders, digests, strict=True) if digest is not None]
        return found if len(found) == len(digests) else None

    def _fixed_columns(self) -> set[str]:
        """Columns that stay text."""
        named = set(self._options.media or ()) | ({_FILE_NAME} if self._source.names_files else set())
        return named | ({self._key} if self._key is not None else set())

    def _add(self, batch: pa.RecordBatch, origin: int) -> None:
        if not self._fields:
            self._lay_out(batch)
        columns: dict[str, pa.Array | MediaColumn] = {}
        for name, values in zip(batch.schema.names, batch.columns):
            media = self._media.get(name)
            if media is None:
                wanted = normal_type(values.type, column=name)
                plain = cast_values(values, wanted)
                self._plain_bytes += plain.nbytes
                columns[name] = plain
            elif media.is_path:
                columns[media.name] = self._paths(values, origin)
            else:
                columns[media.name] = self._bytes(values)
        if self._key is not None and self._keys is not None:
            self._keys.add(columns[self._key])
        self._writer.add(Rows(columns))

    def _lay_out(self, batch: pa.RecordBatch) -> None:
        """Decide what each column is, from the first rows."""
        self._media = _media_of(batch, self._source, self._options)
        names: set[str] = set()
        for column in batch.schema:
            media = self._media.get(column.name)
            if media is None:
                made = pa.field(column.name, normal_type(column.type, column=column.name))
            else:
                made = media_field(media.name, media.kind, nullable=True)
            if made.name in names or not made.name or (made.name == "_id" and self._key != "_id"):
                raise InvalidInput(
                    f"a column cannot be called {made.name!r} here; rename it"
                    + (", or say that it names the samples: IndexOptions(key='_id')" if made.name == "_id" else ""),
                    file=self._source.name,
                )
            names.add(made.name)
            self._fields.append(made)
        if self._key is not None:
            known = [field.name for field in self._fields if field.name not in self._media]
            if self._key not in known:
                raise InvalidInput(
                    f"key={self._key!r}: there is no such column.{near_miss_or_known(self._key, known)}",
                    file=self._source.name,
                )

    def _paths(self, values: pa.Array, origin: int) -> MediaColumn:
        """Paths as they are written, relative to the root of all tables."""
        values = cast_values(values, pa.string())
        if holds_empty(values):
            values = pc.if_else(pc.equal(values, text("")), no_text(), values)
        if self._is_local and holds_character(values, ":") and pc.any(pc.match_substring(values, "://")).as_py():
            remote = pc.and_(pc.match_substring(values, "://"), pc.invert(pc.starts_with(values, "file://")))
            self._is_local = not pc.any(remote).as_py()
        folder = self._folders[origin]
        if folder:
            is_fixed = pc.or_(pc.starts_with(values, "/"), pc.match_substring(values, "://"))
            if pc.any(pc.match_substring(values, "..")).as_py():  # is refused when it is read, as in a single table
                climbing = [path is not None and climbs_out(path) for path in values.to_pylist()]
                is_fixed = pc.or_(is_fixed, pa.array(climbing))
            values = pc.if_else(is_fixed, values, pc.binary_join_element_wise(text(folder), values, text("/")))
        if len(self._files_to_size) < _SIZED_FILES:
            self._files_to_size += [path for path in values[:_SIZED_FILES].to_pylist() if path is not None]
        return MediaColumn(paths=values)

    def _bytes(self, values: pa.Array) -> MediaColumn:
        paths: pa.Array | None = None
        if is_pair(values.type):
            data = pc.struct_field(values, "bytes")
            paths = pc.struct_field(values, "path")
            # Where the bytes are there, a path is only their old name.
            paths = pc.if_else(data.is_valid(), no_text(), cast_values(paths, pa.string()))
            values = data
        data = cast_values(values, pa.large_binary())
        self._held_bytes += data.nbytes
        return MediaColumn(data=data, paths=paths)

    def _mean_row_bytes(self, num_rows: int) -> int:
        sizes = []
        for path in self._files_to_size:
            full = path if path.startswith("/") else f"{self._source.root}/{path}"
            try:
                sizes.append(os.stat(full).st_size)
            except (OSError, ValueError):  # a URI, or a file that is missing, which its sample will say
                continue
        num_columns = sum(media.is_path for media in self._media.values())
        media_bytes = num_columns * (sum(sizes) // len(sizes) if sizes else _GUESSED_BYTES)
        return media_bytes + (self._plain_bytes + self._held_bytes) // max(num_rows, 1)


def _media_of(batch: pa.RecordBatch, source: IndexSource, options: IndexOptions) -> dict[str, _Media]:
    found = {
        column: _Media(column, kind, is_path)
        for column, (kind, is_path) in media_columns(batch, options, name=source.name).items()
    }
    if source.names_files and options.media is None:
        for column in batch.schema.names:
            if column == _FILE_NAME or column.endswith(f"_{_FILE_NAME}"):
                values = first_values(batch.column(column))
                kind = names_media(values) or "bytes"
                wanted = column.removesuffix(f"_{_FILE_NAME}") if column != _FILE_NAME else kind
                name = wanted if wanted not in batch.schema.names and wanted != "bytes" else column
                found[column] = _Media(name, kind, is_path=True)
    return found


def _whole(batch: RowBatch) -> pa.RecordBatch:
    """The batch with the further fields of CSV files without header as columns."""
    if not batch.extra_fields:
        return batch.table
    table = batch.table
    width = max(len(fields) for fields in batch.extra_fields)
    for idx in range(width):
        values = [fields[idx] if idx < len(fields) else None for fields in batch.extra_fields]
        table = table.append_column(f"field_{idx + 2}", pa.array(values, pa.string()))
    return table


def _with_numbers(
    batches: Iterator[tuple[pa.RecordBatch, int]], spool: BinaryIO, *, fixed: set[str]
) -> Iterator[tuple[pa.RecordBatch, int]]:
    """The batches again, with types that fit all of them; `spool` is a temporary file."""
    first = next(batches, None)
    if first is None:
        return
    schema = first[0].schema
    names = [name for name in schema.names if name not in fixed]
    numbers = NumberColumns([name for name in names if names_media(first_values(first[0].column(name))) is None])
    origins = []
    with pa.ipc.new_stream(spool, schema) as sink:
        for batch, origin in _chain(first, batches):
            if batch.schema != schema:
                raise InvalidInput(
                    f"rows of a CSV file without header have {batch.num_columns} and {len(schema)} fields; expected "
                    "the same number in all rows"
                )
            numbers.look(batch)
            sink.write_batch(batch)
            origins.append(origin)
    spool.seek(0)
    for batch, origin in zip(pa.ipc.open_stream(spool), origins):
        yield numbers.convert(batch), origin


def _chain(
    first: tuple[pa.RecordBatch, int], rest: Iterator[tuple[pa.RecordBatch, int]]
) -> Iterator[tuple[pa.RecordBatch, int]]:
    yield first
    yield from rest
