"""What IMAGE_CLASS, IMAGE_TEXT, VIDEO and AUDIO have in common: a media file a row, with values beside it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import ClassVar, Final

import blake3
import pyarrow as pa

from headrace.datasets.batches import FileEntry, Origin, RejectedRow, RowBatch, SampleBatch
from headrace.datasets.media import MediaInput
from headrace.datasets.sources.source import FileSource, TableSource
from headrace.datasets.types.base import DatasetType, IngestContext, media_field, refuse_declared
from headrace.datasets.types.carried_columns import CarriedColumns, keep_rows
from headrace.datasets.types.index_files import PATH_COLUMNS, IndexFile, find_index
from headrace.datasets.types.media_cells import MediaCells
from headrace.datasets.types.media_files import MediaSample, SortedFiles, is_clutter, sort_files
from headrace.datasets.types.row_failures import RowFailures, row_lines
from headrace.datasets.types.sidecars import FieldColumns, FieldValue, read_fields, read_text
from headrace.datasets.types.table_columns import find_column, has_column, string_values
from headrace.errors import InvalidInput

__all__ = ["MediaSampleType"]

_BATCH_ROWS: Final = 1024
_NAMED_FILES: Final = 5  # how many files a message lists


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
    media_column: ClassVar[str]
    kind: ClassVar[str]
    media_suffixes: ClassVar[frozenset[str]]
    value_column: ClassVar[str | None] = None
    value_aliases: ClassVar[tuple[str, ...]] = ()  # names of that column in tables, index files and JSON
    value_sidecars: ClassVar[tuple[str, ...]] = ()  # suffixes of small files that hold it, first one wins
    allows_empty_value: ClassVar[bool] = True
    text_sidecars: ClassVar[dict[str, str]] = {}  # suffix of further small text files -> column

    def ingest_schema(self, declared: pa.Schema | None) -> pa.Schema:
        """`id`, the media column, and the text column if the type has one; none is null."""
        refuse_declared(self, declared)
        fields = [pa.field("id", pa.string(), nullable=False), media_field(self.media_column, self.kind)]
        if self.value_column is not None:
            fields.append(pa.field(self.value_column, pa.string(), nullable=False))
        return pa.schema(fields)

    def ingest(self, source: TableSource | FileSource, context: IngestContext) -> Iterator[SampleBatch]:
        """As the base class says; no media content is read here."""
        if source.kind == "table":
            yield from self._from_table(source, context)
            return
        failures = RowFailures(context.on_invalid, source.origins)
        entries = [entry for entry in source.files() if not is_clutter(entry.path)]
        if not entries:
            raise InvalidInput(
                f"holds no files; expected {self.layouts()}",
                file=failures.place(0),
            )
        sorted_files = sort_files(
            entries,
            media_suffixes=self.media_suffixes,
            sidecar_suffixes=frozenset({*self.value_sidecars, *self.text_sidecars, ".json"}),
        )
        index = find_index(entries)
        if index is not None:
            yield from self._from_index(index, sorted_files, failures)
        else:
            yield from self._from_files(sorted_files, failures)

    @abstractmethod
    def layouts(self) -> str:
        """What a folder or archive of this type looks like, for messages."""

    def value_from_path(self, entry: FileEntry) -> str | None:
        """The text column's value that a file's path says, None if it says none.

        Raises:
            InvalidInput: The path is not one that the type accepts.
        """
        return None

    def check_files(self, files: SortedFiles, *, place: str) -> None:
        """Look at a folder or archive without index as a whole; raise `InvalidInput` when the layout is wrong."""

    def _from_files(self, files: SortedFiles, failures: RowFailures) -> Iterator[SampleBatch]:
        self.check_files(files, place=failures.place(0))
        self._reject_leftovers(files, failures)
        ambiguous = {entry.path for entries in files.shared_stems().values() for entry in entries}
        fields = FieldColumns()
        held: list[SampleBatch] = []
        num_samples = 0
        samples = files.samples()
        while chunk := list(islice(samples, _BATCH_ROWS)):
            num_samples += len(chunk)
            if not files.sidecars:
                batch = self._plain_batch(chunk, failures)
                if batch.num_rows or batch.rejected:
                    yield batch
                continue
            # Which columns the JSON files give and of which type is known only when all were read, so batches with
            # small files wait; they hold no media content.
            kept, values, rows, ids = [], [], [], []
            for sample in chunk:
                try:
                    if sample.entry.path in ambiguous:
                        raise InvalidInput(
                            "shares its stem with another media file, and a small file beside them belongs to one; "
                            "give them different names",
                            file=sample.entry.media.name,
                        )
                    value, row = self._read_sidecars(sample)
                    sample_id = self._pop_id(row, sample)
                except InvalidInput as error:
                    failures.reject_error(error, origin_idx=sample.entry.origin_idx, member=sample.entry.path)
                    continue
                kept.append(sample.entry)
                ids.append(sample_id)
                values.append(value)
                rows.append(row)
            fields.add(rows, kept)
            held.append(self._batch(ids, kept, values, failures))
        if not num_samples:
            rejected = failures.drain()
            reason = f" ({rejected[0].reason})" if rejected else ""
            raise InvalidInput(f"holds no {self.kind} files{reason}; expected {self.layouts()}", file=failures.place(0))
        for batch_idx, batch in enumerate(held):
            batch.columns.update(fields.columns(batch_idx, batch.num_rows))
            yield batch
        if rest := failures.drain():
            yield self._batch([], [], [], failures, rejected=rest)

    def _plain_batch(self, samples: list[MediaSample], failures: RowFailures) -> SampleBatch:
        entries = [sample.entry for sample in samples]
        if self.value_column is None:
            return self._batch([entry.path for entry in entries], entries, [], failures)
        kept: list[FileEntry] = []
        values: list[str] = []
        for entry in entries:
            try:
                value = self.value_from_path(entry)
                if value is None:
                    raise self._no_value(entry)
            except InvalidInput as error:
                failures.reject_error(error, origin_idx=entry.origin_idx, member=entry.path)
                continue
            kept.append(entry)
            values.append(value)
        return self._batch([entry.path for entry in kept], kept, values, failures)

    def _batch(
        self,
        ids: list[str],
        entries: list[FileEntry],
        values: list[str],
        failures: RowFailures,
        *,
        rejected: list[RejectedRow] | None = None,
    ) -> SampleBatch:
        columns: dict[str, pa.Array | list[MediaInput | None]] = {
            "id": pa.array(ids, pa.string()),
            self.media_column: [entry.media for entry in entries],
        }
        if self.value_column is not None:
            columns[self.value_column] = pa.array(values, pa.string())
        return SampleBatch(
            columns,
            num_rows=len(entries),
            origin_idx=[entry.origin_idx for entry in entries],
            members=[entry.path for entry in entries],
            rejected=failures.drain() if rejected is None else rejected,
        )

    def _read_sidecars(self, sample: MediaSample) -> tuple[str, dict[str, FieldValue]]:
        """The value of the text column ("" if the type has none) and the further fields."""
        sidecars = sample.sidecars
        row: dict[str, FieldValue] = read_fields(sidecars[".json"]) if ".json" in sidecars else {}
        own_name = sample.entry.path.rpartition("/")[2]
        if row.get(self.media_column) == own_name:
            del row[self.media_column]  # the JSON names its own file
        if self.media_column in row:
            raise InvalidInput(
                f"field {self.media_column!r} has the name of the media column; rename the field",
                file=sidecars[".json"].media.name,
            )
        for ending, column in self.text_sidecars.items():
            if ending in sidecars:
                text = read_text(sidecars[ending])
                self._check_agrees(row.get(column), text, column=column, entry=sidecars[ending])
                row[column] = text
        if self.value_column is None:
            return "", row
        value: str | None
        suffix = next((suffix for suffix in self.value_sidecars if suffix in sidecars), None)
        if suffix is not None:
            text = read_text(sidecars[suffix])
            value = text if self.allows_empty_value else text.strip()
            other = row.pop(self.value_column, None)
            self._check_agrees(other, value, column=self.value_column, entry=sidecars[suffix])
        else:
            name = next((name for name in (self.value_column, *self.value_aliases) if name in row), None)
            value = None if name is None else self._value_of_field(row.pop(name), sample, name)
            if value is None:
                value = self.value_from_path(sample.entry)
        if value is None:
            raise self._no_value(sample.entry)
        if not value and not self.allows_empty_value:
            raise InvalidInput(f"the {self.value_column} is empty", file=sample.entry.media.name)
        return value, row

    def _check_agrees(self, field: FieldValue, value: str | None, *, column: str, entry: FileEntry) -> None:
        if field is not None and str(field) != value:
            raise InvalidInput(
                f"says {value!r}, but field {column!r} of the JSON file beside it says {field!r}; make them agree",
                file=entry.media.name,
            )

    def _value_of_field(self, value: FieldValue, sample: MediaSample, name: str) -> str | None:
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        raise InvalidInput(
            f"field {name!r} is {value!r}; expected text or an integer", file=sample.sidecars[".json"].media.name
        )

    def _pop_id(self, row: dict[str, FieldValue], sample: MediaSample) -> str:
        if not sample.sidecars or "id" not in row:
            return sample.sample_id
        value = row.pop("id")
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, str) and value:
            return value
        raise InvalidInput(
            f"field 'id' is {value!r}; expected text or an integer", file=sample.sidecars[".json"].media.name
        )

    def _no_value(self, entry: FileEntry) -> InvalidInput:
        return InvalidInput(f"has no {self.value_column}; expected {self.layouts()}", file=entry.media.name)

    def _reject_leftovers(self, files: SortedFiles, failures: RowFailures) -> None:
        for entry in files.others:
            failures.reject(
                f"is no {self.kind} file by its name; expected {', '.join(sorted(self.media_suffixes))}; "
                "remove it, or leave out invalid files",
                origin_idx=entry.origin_idx,
                member=entry.path,
            )
        for entry in files.orphans():
            failures.reject(
                f"belongs to no {self.kind} file: none has the same name with another suffix",
                origin_idx=entry.origin_idx,
                member=entry.path,
            )

    def _from_index(self, index: IndexFile, files: SortedFiles, failures: RowFailures) -> Iterator[SampleBatch]:
        path_names = tuple(dict.fromkeys((*PATH_COLUMNS, self.media_column)))
        value_names = () if self.value_column is None else (self.value_column, *self.value_aliases)
        expected = " and ".join(
            ["a column filename (or " + ", ".join(path_names[1:]) + ")"]
            + ([] if self.value_column is None else [f"a column {self.value_column}"])
        )
        by_path = index.files
        referenced: set[str] = set()
        carried = CarriedColumns(self.ingest_schema(None).names)
        place, origin_idx, member = index.entry.media.name, index.entry.origin_idx, index.entry.path
        for batch in index.batches():
            table, lines = batch.table, row_lines(batch)
            path_name = find_column(table.schema, path_names, expected=expected, place=place)
            names = [path_name]
            values: Sequence[str | None] = ()
            if value_names:
                value_name = find_column(table.schema, value_names, expected=expected, place=place)
                names.append(value_name)
                values = string_values(table.column(value_name), column=value_name, place=place).to_pylist()
            ids: Sequence[str | None] = ()
            has_ids = has_column(table.schema, ("id",)) is not None
            if has_ids:
                names.append("id")
                ids = string_values(table.column("id"), column="id", place=place).to_pylist()
            further = carried.select(table, used=names, place=place)
            kept: list[int] = []
            kept_ids: list[str] = []
            kept_values: list[str] = []
            entries: list[FileEntry] = []
            paths = string_values(table.column(path_name), column=path_name, place=place).to_pylist()
            for row_idx, path in enumerate(paths):
                entry = None if path is None else by_path.get(path) or by_path.get(index.normal(path))
                if entry is not None:
                    referenced.add(entry.path)
                value = values[row_idx] if value_names else ""
                sample_id = ids[row_idx] if has_ids else None if entry is None else entry.path
                if entry is None:
                    reason, column = index.missing(path, explain=failures.raises), path_name
                elif value is None or (not value and value_names and not self.allows_empty_value):
                    reason, column = f"there is no {self.value_column} for {path!r}", str(self.value_column)
                elif not sample_id:
                    reason, column = "the id is empty; expected text", "id"
                else:
                    kept.append(row_idx)
                    kept_ids.append(sample_id)
                    kept_values.append(value)
                    entries.append(entry)
                    continue
                failures.reject(reason, origin_idx=origin_idx, member=member, line=lines[row_idx], column=column)
            result = self._batch(kept_ids, entries, kept_values, failures)
            result.columns.update(keep_rows(further, kept, table.num_rows))
            yield result
        missing = [entry for entry in files.media if entry.path not in referenced and entry.path != member]
        if missing and failures.raises:
            named = ", ".join(entry.path for entry in missing[:_NAMED_FILES])
            more = f" and {len(missing) - _NAMED_FILES} more" if len(missing) > _NAMED_FILES else ""
            raise InvalidInput(
                f"does not name {len(missing)} {self.kind} file(s): {named}{more}; add rows for them, remove "
                "the files, or leave out invalid files",
                file=place,
            )
        for entry in missing:
            failures.reject(f"is not named in {member}", origin_idx=entry.origin_idx, member=entry.path)
        if rest := failures.drain():
            yield self._batch([], [], [], failures, rejected=rest)

    def _from_table(self, source: TableSource, context: IngestContext) -> Iterator[SampleBatch]:
        failures = RowFailures(context.on_invalid, source.origins)
        carried = CarriedColumns(self.ingest_schema(None).names)
        cells: dict[int, MediaCells] = {}
        for batch in source.batches():
            if batch.origin_idx not in cells:
                known = source.origins
                origin = known[batch.origin_idx] if batch.origin_idx < len(known) else Origin("memory:rows")
                cells[batch.origin_idx] = MediaCells(origin)
            yield self._table_batch(batch, cells[batch.origin_idx], carried, failures)

    def _table_batch(
        self, batch: RowBatch, cells: MediaCells, carried: CarriedColumns, failures: RowFailures
    ) -> SampleBatch:
        table, lines, origin_idx = batch.table, row_lines(batch), batch.origin_idx
        place = failures.place(origin_idx)
        value_names = () if self.value_column is None else (self.value_column, *self.value_aliases)
        expected = f"the columns {self.media_column} (bytes, path or URI)" + (
            f", {self.value_column}" if value_names else ""
        )
        expected += " and, if there is one, id"
        media_name = find_column(table.schema, (self.media_column, *PATH_COLUMNS), expected=expected, place=place)
        names = [media_name]
        values: Sequence[str | None] = ()
        if value_names:
            value_name = find_column(table.schema, value_names, expected=expected, place=place)
            names.append(value_name)
            values = string_values(table.column(value_name), column=value_name, place=place).to_pylist()
        ids: Sequence[str | None] = ()
        has_ids = has_column(table.schema, ("id",)) is not None
        if has_ids:
            names.append("id")
            ids = string_values(table.column("id"), column="id", place=place).to_pylist()
        further = carried.select(table, used=names, place=place)
        paths = _paths(table.column(media_name), count=table.num_rows)
        kept: list[int] = []
        kept_ids: list[str] = []
        kept_values: list[str] = []
        media: list[MediaInput | None] = []
        for row_idx, cell in enumerate(cells.read(table.column(media_name), column=media_name)):
            value = values[row_idx] if value_names else ""
            if not isinstance(cell, MediaInput):
                reason, column = cell or f"the {self.media_column} is null; expected bytes, a path or a URI", media_name
            elif value is None or (not value and value_names and not self.allows_empty_value):
                reason, column = f"the {self.value_column} is {'null' if value is None else 'empty'}", value_name
            elif has_ids and not ids[row_idx]:
                reason, column = "the id is null or empty; expected text", "id"
            else:
                kept.append(row_idx)
                sample_id = ids[row_idx] if has_ids else paths[row_idx]
                # Bytes without a name are named after their content, the same on every machine.
                kept_ids.append(sample_id or blake3.blake3(cell.data or b"").hexdigest()[:32])
                kept_values.append(value)
                media.append(cell)
                continue
            failures.reject(reason, origin_idx=origin_idx, line=lines[row_idx], column=column)
        columns: dict[str, pa.Array | list[MediaInput | None]] = {
            "id": pa.array(kept_ids, pa.string()),
            self.media_column: media,
        }
        if self.value_column is not None:
            columns[self.value_column] = pa.array(kept_values, pa.string())
        columns.update(keep_rows(further, kept, table.num_rows))
        return SampleBatch(
            columns,
            num_rows=len(kept),
            origin_idx=origin_idx,
            lines=lines if len(kept) == len(lines) else [lines[row_idx] for row_idx in kept],
            rejected=failures.drain(),
        )


def _paths(values: pa.Array, *, count: int) -> list[str | None]:
    """The path or URI that each media cell holds, as the collector wrote it; None for bytes."""
    kind = values.type
    if pa.types.is_struct(kind) and kind.get_field_index("path") >= 0:
        return [None if path is None else str(path) for path in values.field("path").to_pylist()]
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return list(values.to_pylist())
    return [None] * count
