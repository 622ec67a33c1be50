"""Rows of a snapshot by number, gathered from the parts and shards where they lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.columns import LOCATOR_TYPE, MEDIA_VIEW_TYPE, media_kind
from headrace.datasets.reading import CommitReader, Ordinals
from headrace.datasets.records import CommitRecord
from headrace.datasets.selection import Selection
from headrace.datasets.sidecars import ColumnReader

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset

__all__ = ["SYSTEM_COLUMNS", "RowGatherer", "read_schema"]

SYSTEM_COLUMNS = ("_id", "_digest", "_commit")
"""Columns that every snapshot has: identity, BLAKE3 of the row, commit id."""

_BATCH_BYTES = 64 * 1024 * 1024


def read_schema(selection: Selection, names: Sequence[str]) -> pa.Schema:
    """The columns as they are read, media as bytes."""
    system = {"_id": pa.string(), "_digest": pa.binary(32), "_commit": pa.string()}
    return pa.schema(
        [pa.field(name, system[name]) if name in system else selection.schema.field(name) for name in names]
    )


@dataclass(frozen=True, slots=True)
class RowGatherer:
    """The rows that belong to a selection, and where they lie just now."""

    dataset: Dataset
    selection: Selection
    records: Sequence[CommitRecord]
    pack: str | None  # digest of the layout that was packed for the snapshot
    added: Mapping[str, str]  # digests of the manifests of added columns, by name
    rows: tuple[Sequence[Ordinals | None], np.ndarray]  # of each commit; where they start, int64 [num_commits + 1]

    def bounded(self, rows: np.ndarray, names: Sequence[str]) -> list[np.ndarray]:
        """The rows, [num_rows] by number, in runs whose media together stay below 64 MB, or are one row."""
        media = [
            name
            for name in names
            if name not in SYSTEM_COLUMNS and media_kind(self.selection.schema.field(name)) is not None
        ]
        if not media or sum(record.num_media_bytes for record in self.records) <= _BATCH_BYTES:
            return [rows]
        table = self.gather(rows, media, narrow=True, verify=True)
        sizes = np.zeros(len(rows), dtype=np.int64)
        for name in media:
            size = pc.struct_field(_single_chunk(table.column(name), MEDIA_VIEW_TYPE), "size").fill_null(0)
            sizes += size.to_numpy(zero_copy_only=False)
        cuts: list[int] = []
        total = 0
        if sizes.sum() > _BATCH_BYTES:
            for idx, size in enumerate(sizes.tolist()):
                if total and total + size > _BATCH_BYTES:
                    cuts.append(idx)
                    total = 0
                total += size
        return np.split(rows, cuts)

    def gather(self, rows: np.ndarray, names: Sequence[str], *, narrow: bool, verify: bool) -> pa.Table:
        """Rows by number, [num_rows] in any order, as a table with one chunk a column.

        Args:
            narrow: Media as structs without bytes.
            verify: Compare media with its checksums.

        Raises:
            NotFound: They do not lie here any more.
            DataCorrupted: They are not what was written.
        """
        kept, starts = self.rows
        commit_idx = np.searchsorted(starts, rows, side="right") - 1  # [num_rows]
        used = np.unique(commit_idx)
        schema = self.selection.schema
        stored = [name for name in names if name not in SYSTEM_COLUMNS and name not in self.added]
        added = self._added_readers(names)
        physical = [*stored, "_digest", *(["_key"] if "_id" in names else [])]
        runs: list[tuple[CommitRecord, CommitReader, pa.Table]] = []
        positions: list[np.ndarray] = []
        for idx in used.tolist():
            mine = np.flatnonzero(commit_idx == idx)
            ordinals = rows[mine] - starts[idx]
            chosen = kept[idx]
            addresses = ordinals if chosen is None else chosen[ordinals]
            reader = self.reader(self.records[idx])
            places = addresses if self.pack is None else ordinals
            table = (reader.narrow if narrow else reader.columns)(physical, ordinals=places)
            for name, column in added.items():
                table = table.append_column(name, column.values(int(self.records[idx].commit_id), addresses))
            runs.append((self.records[idx], reader, table))
            positions.append(mine)
        merged = np.concatenate(positions) if positions else np.zeros(0, dtype=np.int64)
        is_ordered = bool(np.all(merged[1:] > merged[:-1])) if len(merged) else True
        order = None if is_ordered else np.argsort(merged, kind="stable")
        indices = None if order is None else pa.array(order)
        columns: list[pa.Array] = []
        fields: list[pa.Field] = []
        for name in names:
            field = self._field(name, narrow=narrow)
            if name not in SYSTEM_COLUMNS and not narrow and media_kind(schema.field(name)) is not None:
                columns.append(self._media(name, runs, order=order, verify=verify))
            else:
                pieces = [self._piece(name, field.type, record, table) for record, _, table in runs]
                values = (
                    pieces[0] if len(pieces) == 1 else pa.concat_arrays(pieces) if pieces else pa.array([], field.type)
                )
                columns.append(values if indices is None else values.take(indices))
            fields.append(field)
        return pa.table(columns, schema=pa.schema(fields))

    def _field(self, name: str, *, narrow: bool) -> pa.Field:
        field = read_schema(self.selection, [name]).field(0)
        if narrow and media_kind(field) is not None:
            return pa.field(name, MEDIA_VIEW_TYPE, field.nullable, field.metadata)
        return field

    def _piece(self, name: str, kind: pa.DataType, record: CommitRecord, table: pa.Table) -> pa.Array:
        match name:
            case "_commit":
                return pa.array([record.commit_id] * table.num_rows, pa.string())
            case "_id":
                keys = _single_chunk(table.column("_key"), pa.string())
                if self.selection.on_duplicate_key == "replace":
                    return keys
                return pc.binary_join_element_wise(pa.scalar(record.commit_id), keys, ":")
            case _ if name in table.column_names:
                values = _single_chunk(table.column(name), kind)
                return values if values.type == kind else values.cast(kind)
            case _:
                return pa.nulls(table.num_rows, kind)

    def _media(
        self,
        name: str,
        runs: Sequence[tuple[CommitRecord, CommitReader, pa.Table]],
        *,
        order: np.ndarray | None,
        verify: bool,
    ) -> pa.Array:
        locators = [
            _single_chunk(table.column(name), LOCATOR_TYPE)
            if name in table.column_names
            else pa.nulls(table.num_rows, LOCATOR_TYPE)
            for _, _, table in runs
        ]
        layouts = [reader.layout for _, reader, _ in runs]
        return self.dataset.reader.media.read(locators, layouts, order=order, verify=verify)

    def _added_readers(self, names: Iterable[str]) -> dict[str, ColumnReader]:
        """Those of the added columns among the names."""
        return {name: self.dataset.column_reader(self.added[name]) for name in names if name in self.added}

    def reader(self, record: CommitRecord) -> CommitReader:
        """Of the commit's rows, or in a packed snapshot of those that belong."""
        reader = self.dataset.reader
        return reader.commit(record) if self.pack is None else reader.packed(record, layout=self.pack)


def _single_chunk(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    if column.num_chunks == 0:
        return pa.array([], kind)
    return pa.concat_arrays(column.chunks)
