"""What IMAGE_CLASS, IMAGE_TEXT, VIDEO and AUDIO have in common: a media file a row, with values beside it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import pyarrow as pa

from headrace.datasets.batches import FileEntry, SampleBatch
from headrace.datasets.sources.clutter import is_clutter
from headrace.datasets.sources.source import FileSource, TableSource
from headrace.datasets.types.base import DatasetType, IngestContext, media_field, refuse_declared
from headrace.datasets.types.index_files import INDEX_SUFFIXES, find_index
from headrace.datasets.types.media_files import SortedFiles, sort_files
from headrace.datasets.types.row_failures import RowFailures
from headrace.datasets.types.sample_rules import SampleRules
from headrace.datasets.types.samples_by_index import samples_by_index
from headrace.datasets.types.samples_from_files import samples_from_files
from headrace.datasets.types.samples_from_tables import samples_from_tables
from headrace.errors import InvalidInput

__all__ = ["MediaSampleType"]


class MediaSampleType(DatasetType):
    """Key `id`, one media column, and for some types one text column that every row must have.

    Where samples come from:

    - files: one sample a media file, `id` is its path. Small files with the same stem belong to it (then `id` is the
      path without suffix): `.json` fields become further columns (a field `id` is taken as the id), the other
      suffixes as the type says. Hidden files, read-mes and licences are passed over.
    - an index file at the root of the folder or archive: a table with a column `filename`, `file_name`, `path` or the
      media column's name, and the type's text column; further columns are carried along, `id` may be one of them.
    - a table: the media column holds bytes, a path relative to the table, a URI, or {bytes, path}; without `id` the
      path, else 32 hex digits of the content's BLAKE3.
    """

    key: ClassVar[str | None] = "id"
    joins_parquet_folders: ClassVar[bool] = True
    rules: ClassVar[SampleRules]

    def ingest_schema(self, declared: pa.Schema | None) -> pa.Schema:
        """`id`, the media column, and the text column if the type has one; none is null."""
        refuse_declared(self, declared)
        fields = [pa.field("id", pa.string(), nullable=False), media_field(self.rules.media_column, self.rules.kind)]
        if self.rules.value_column is not None:
            fields.append(pa.field(self.rules.value_column, pa.string(), nullable=False))
        return pa.schema(fields)

    def ingest(self, source: TableSource | FileSource, context: IngestContext) -> Iterator[SampleBatch]:
        """As the base class says; no media content is read here."""
        failures = RowFailures(context.on_invalid, source.origins)
        if source.kind == "table":
            yield from samples_from_tables(source, self.rules, failures=failures, locations=context.locations)
            return
        entries = [entry for entry in source.files() if not is_clutter(entry.path)]
        if not entries:
            raise InvalidInput(f"holds no files; expected {self.layouts()}", file=failures.place(0))
        files = sort_files(
            entries, media_suffixes=self.rules.media_suffixes, sidecar_suffixes=self.rules.sidecar_suffixes
        )
        index = find_index(entries)
        if index is not None:
            yield from samples_by_index(index, files, self.rules, failures=failures)
            return
        self.check_files(files, place=failures.place(0))
        yield from samples_from_files(
            files, self.rules, value_of=self.value_from_path, layouts=self.layouts(), failures=failures
        )

    def small_suffixes(self) -> frozenset[str]:
        """Small files beside media files, and tables that may be the index."""
        return self.rules.sidecar_suffixes.union(INDEX_SUFFIXES)

    @abstractmethod
    def layouts(self) -> str:
        """What a folder or archive of this type looks like, for messages."""

    def value_from_path(self, entry: FileEntry) -> str | None:
        """The text that a file's path says, None if it says none.

        Raises:
            InvalidInput: The path is not one that the type accepts.
        """
        return None

    def check_files(self, files: SortedFiles, *, place: str) -> None:
        """Look at a folder or archive without index as a whole; raise `InvalidInput` when the layout is wrong."""
