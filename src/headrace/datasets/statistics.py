"""Statistics of a commit or snapshot, taken in one pass over its narrow rows."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from headrace.datasets.column_statistics.base import ColumnStatistics
from headrace.datasets.column_statistics.by_type import column_statistics
from headrace.datasets.column_statistics.media import MediaStatistics
from headrace.datasets.column_statistics.summaries import digest_hashes
from headrace.datasets.columns import media_kind
from headrace.datasets.value_counts import HashCounts
from headrace.errors import InvalidInput
from headrace.storage.canonical import JsonValue

__all__ = ["StatisticsAccumulator", "describe_statistics"]

MAX_LABELS = 1000
_FOLD_ROWS = 262_144
_FOLD_BYTES = 128 << 20
_DIGEST = "_digest"


class StatisticsAccumulator:
    """Collects statistics batch by batch. How the rows are cut into batches does not change the result.

    Exact up to `limit` distinct values a column; above it memory stays bounded, counts of distinct values and
    quantiles are estimates, and the document says `"approximate": true`. Not thread-safe.
    """

    def __init__(self, schema: pa.Schema, *, label_column: str | None = None, limit: int = 5_000_000) -> None:
        """`schema`: the dataset's columns, media columns marked; names that start with `_` are left out."""
        self._limit = limit
        self._label_column = label_column
        self._fields: list[pa.Field] = []
        self._columns: dict[str, ColumnStatistics] = {}
        self._num_folded = 0
        self._digests = HashCounts(limit)
        self._num_digests = 0
        self._num_rows = 0
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._pending_bytes = 0
        self.extend(schema)

    def extend(self, schema: pa.Schema) -> None:
        """Take a schema with further columns and perhaps another order; rows so far have null in new ones."""
        fields = [field for field in schema if not field.name.startswith("_")]
        if fields == self._fields:
            return
        self._fold()
        self._columns = {field.name: self._columns.get(field.name) or self._new_column(field) for field in fields}
        self._fields = fields

    def _new_column(self, field: pa.Field) -> ColumnStatistics:
        kind = field.type
        if media_kind(field) is not None:
            column: ColumnStatistics = MediaStatistics(field, limit=self._limit)
            kind = _EMPTY_MEDIA
        elif field.name == self._label_column:
            column = column_statistics(kind, limit=self._limit, num_top=MAX_LABELS)
        else:
            column = column_statistics(kind, limit=self._limit)
        for start in range(0, self._num_folded, _FOLD_ROWS):
            column.add(pa.nulls(min(_FOLD_ROWS, self._num_folded - start), kind))
        return column

    def add(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Take rows: media columns as structs without bytes, and `_digest` where it is known. Missing columns are null.

        The batch is read later; it must not be changed (Arrow data never is).
        """
        table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
        self._num_rows += table.num_rows
        self._pending.append(table)
        self._pending_rows += table.num_rows
        self._pending_bytes += table.nbytes
        if self._pending_rows >= _FOLD_ROWS or self._pending_bytes >= _FOLD_BYTES:
            self._fold()

    def finish(self, num_rejected: int = 0) -> dict[str, JsonValue]:
        """The document over all rows so far; more rows may follow."""
        self._fold()
        num_labels, labels = 0, list[list[JsonValue]]()
        if self._label_column in self._columns:
            num_labels, labels = self._columns[self._label_column].labels(MAX_LABELS)
        has_digests = self._num_digests == self._num_rows
        num_distinct = min(self._digests.num_distinct(), self._num_rows) if has_digests else None
        document: dict[str, JsonValue] = {
            "num_rows": self._num_rows,
            "num_bytes": sum(
                column.num_bytes for column in self._columns.values() if isinstance(column, MediaStatistics)
            ),
            "num_rejected": num_rejected,
            "num_labels": num_labels,
            "labels": labels,
            "num_distinct_rows": num_distinct,
            "num_duplicate_rows": None if num_distinct is None else self._num_rows - num_distinct,
            "columns": {name: column.finish() for name, column in self._columns.items()},
        }
        if self._digests.is_approximate or any(column.is_approximate for column in self._columns.values()):
            document["approximate"] = True
        return document

    def _fold(self) -> None:
        tables, self._pending = self._pending, []
        self._num_folded += self._pending_rows
        self._pending_rows = self._pending_bytes = 0
        for field in self._fields:
            column = self._columns[field.name]
            for array in _arrays_of(tables, field):
                column.add(array)
        for table in tables:
            if _DIGEST in table.column_names:
                digests = table.column(_DIGEST)
                self._num_digests += len(digests) - digests.null_count
        for array in _arrays_of([table for table in tables if _DIGEST in table.column_names], None):
            self._digests.add(digest_hashes(array))


def _arrays_of(tables: Sequence[pa.Table], field: pa.Field | None) -> list[pa.Array]:
    """One column over all tables, in as few arrays as possible; the digests for None."""
    name = _DIGEST if field is None else field.name
    chunks: list[pa.Array] = []
    num_missing = 0
    for table in tables:
        found = table.schema.get_all_field_indices(name)
        if not found:
            num_missing += table.num_rows
            continue
        column = table.column(found[0])
        if field is not None and media_kind(field) is None and column.type != field.type:
            try:
                column = column.cast(field.type)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise InvalidInput(
                    f"statistics: column {name!r} is {column.type} in these rows and {field.type} in the dataset"
                ) from error
        chunks += [chunk for chunk in column.chunks if len(chunk)]
    if field is not None and num_missing:
        kind = chunks[0].type if chunks else (_EMPTY_MEDIA if media_kind(field) is not None else field.type)
        chunks.append(pa.nulls(num_missing, kind))
    if len(chunks) < 2:
        return chunks
    if sum(chunk.nbytes for chunk in chunks) > 1 << 30 or len({chunk.type for chunk in chunks}) > 1:
        return chunks  # offsets of strings could overflow
    try:
        return [pa.concat_arrays(chunks)]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # a type that Arrow cannot join; several chunks do too
        return chunks


_EMPTY_MEDIA = pa.struct([pa.field("size", pa.int64())])


# ------------------------------------------------------------------------------------------------------ in words


def describe_statistics(stats: dict[str, JsonValue]) -> list[str]:
    """A few plain lines for people: rows, labels, media, what is repeated, what was left out."""
    num_rows = int(stats["num_rows"])
    about = "about " if stats.get("approximate") else ""
    first = _counted(num_rows, "row")
    if stats.get("num_labels"):
        first += f", {_counted(int(stats['num_labels']), 'label')}"
    if stats.get("num_bytes"):
        first += f", {_bytes_text(int(stats['num_bytes']))} of media"
    lines = [first]
    repeated = stats.get("num_duplicate_rows")
    if repeated:
        verb = "repeats" if repeated == 1 else "repeat"
        lines.append(
            f"{about}{_counted(repeated, 'row')} {verb} an earlier one ({stats['num_distinct_rows']:,} distinct)"
        )
    for name, column in stats.get("columns", {}).items():
        lines += _describe_column(name, column, num_rows=num_rows, about=about)
    if stats.get("num_rejected"):
        count = int(stats["num_rejected"])
        lines.append(f"{_counted(count, 'broken row')} {'was' if count == 1 else 'were'} left out")
    return lines


def _describe_column(name: str, column: dict[str, JsonValue], *, num_rows: int, about: str) -> list[str]:
    num_present = num_rows - int(column["null_count"])
    lines: list[str] = []
    if "kind" in column:
        formats = ", ".join(f"{count:,} {kind}" for kind, count in list(column["formats"].items())[:4])
        sizes = _size_text(column)
        parts = [part for part in (formats, sizes) if part]
        if parts:
            lines.append(f"{name}: {'; '.join(parts)}")
        if column["num_duplicates"]:
            lines.append(
                f"{name}: {about}{_counted(column['num_duplicates'], 'file')} with the bytes of an earlier one "
                f"({column['num_distinct']:,} distinct)"
            )
    elif "string" in str(column["type"]) and "top" in column and "<" not in str(column["type"]):
        lines += _describe_repeats(name, column, num_present=num_present, about=about)
    if column["null_count"]:
        lines.append(f"{name}: {_counted(int(column['null_count']), 'row')} without a value")
    return lines


def _describe_repeats(name: str, column: dict[str, JsonValue], *, num_present: int, about: str) -> list[str]:
    """Repeated values of a column whose values mostly differ; a column of labels says nothing here."""
    num_distinct = int(column["num_distinct"])
    surplus = num_present - num_distinct
    if surplus <= 0 or 2 * num_distinct < num_present:
        return []
    counts = [int(count) for _, count in column["top"]]
    if counts and counts[-1] == 1 and not about:  # all repeated values are in the list
        num_repeated = sum(1 for count in counts if count > 1)
        noun = name if name.endswith("s") else f"{name}s"
        if num_repeated == 1:
            return [f"1 {name} appears more than once ({num_distinct:,} distinct)"]
        return [f"{num_repeated:,} {noun} appear more than once ({num_distinct:,} distinct)"]
    return [f"{name}: {about}{_counted(surplus, 'row')} with a value seen before ({num_distinct:,} distinct)"]


def _size_text(column: dict[str, JsonValue]) -> str:
    width, height, duration = column.get("width"), column.get("height"), column.get("duration")
    parts = []
    if width and height:
        if width["min"] == width["max"] and height["min"] == height["max"]:
            parts.append(f"{width['min']} x {height['min']} pixels")
        else:
            parts.append(f"{width['min']} x {height['min']} to {width['max']} x {height['max']} pixels")
    if duration:
        parts.append(f"{duration['min']:.4g} to {duration['max']:.4g} s")
    return ", ".join(parts)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _bytes_text(num_bytes: int) -> str:
    size = float(num_bytes)
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1000
    raise ValueError(num_bytes)
