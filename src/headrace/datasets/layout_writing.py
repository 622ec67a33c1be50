"""Writes rows of many commits into parts and shards that they share: for compaction, and for packed snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.columns import CELL_LOCATOR_TYPE, LOCATOR_TYPE, media_kind
from headrace.datasets.layouts import CommitLayout, LayoutDocument
from headrace.datasets.reading import Ordinals
from headrace.datasets.row_proof import slices_of_bytes
from headrace.storage.parts import PartRecord, write_part
from headrace.storage.shards import ShardWriter

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.records import CommitRecord

__all__ = ["DEFAULT_SIZES", "ContainerSizes", "LayoutWriter", "LoadedRows", "load_rows"]

_SYSTEM = ("_key", "_digest", "_origin", "_member", "_line")
_AHEAD_BYTES = 4 * 1024 * 1024  # media of a commit that is read together with its parts
_MERGED_TABLES = 256  # a table of two rows takes many times the memory of its values


@dataclass(frozen=True, slots=True)
class ContainerSizes:
    """How large parts and shards become; those of less than half count as small."""

    part_rows: int = 65_536
    part_bytes: int = 32 * 1024 * 1024  # in memory
    shard_bytes: int = 64 * 1024 * 1024


DEFAULT_SIZES = ContainerSizes()


@dataclass(frozen=True, slots=True)
class LoadedRows:
    """Rows of one commit that were read and are not written yet."""

    layout: CommitLayout
    tables: tuple[pa.Table, ...]  # media as locators
    media: tuple[dict[str, pa.Array], ...]  # of each table: values by column, unless they are large or adopted


def load_rows(
    dataset: Dataset, record: CommitRecord, kept: Ordinals | None = None, *, layout: CommitLayout | None = None
) -> LoadedRows:
    """Rows of a commit, ascending, None for all; `layout` is where they lie, if the caller knows it. Thread-safe."""
    reader = dataset.reader.commit(record, layout=layout)
    names = [*record.schema.names, *_SYSTEM]
    tables: list[pa.Table] = []
    starts = np.cumsum([0, *(piece.num_rows for piece in reader.layout.slices)])  # [num_slices + 1]
    for piece, start, end in zip(reader.layout.slices, starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        if kept is None and piece.num_rows == piece.part.num_rows:
            tables.append(dataset.reader.part(piece.part, names))  # nobody else reads this part, so none is cached
            continue
        ordinals = np.arange(start, end)
        if kept is not None:
            ordinals = kept[np.searchsorted(kept, start) : np.searchsorted(kept, end)]
        if len(ordinals):
            tables.append(reader.columns(names, ordinals=ordinals))
    locators = [{name: _chunk(table.column(name)) for name in _media_columns(record, table)} for table in tables]
    fields = [_fields(array) for columns in locators for array in columns.values()]
    num_bytes = sum(pc.sum(item["size"]).as_py() or 0 for item in fields)
    are_adopted = all(item["shard"].null_count == len(item["shard"]) for item in fields)
    if are_adopted or num_bytes > _AHEAD_BYTES:
        return LoadedRows(reader.layout, tuple(tables), tuple({} for _ in tables))
    read = dataset.reader.media.read
    media = tuple({name: read([array], [reader.layout]) for name, array in columns.items()} for columns in locators)
    return LoadedRows(reader.layout, tuple(tables), media)


class LayoutWriter:
    """Writes rows of many commits, one commit after the other, into shared parts and shards."""

    def __init__(self, dataset: Dataset, sizes: ContainerSizes, *, copies_adopted: bool) -> None:
        """`copies_adopted`: put values that were adopted in place into shards too, instead of leaving them there."""
        self._dataset = dataset
        self._copies_adopted = copies_adopted
        self._sizes = sizes
        self._shards = ShardWriter(dataset.lake.store, dataset.base, shard_bytes=sizes.shard_bytes)
        self._places: dict[tuple[object, ...], tuple[int, int]] = {}  # place and size to shard and offset
        self._num_members = 0
        self._parts: list[PartRecord] = []
        self._pending: list[pa.Table] = []
        self._num_merged = 0  # the first ones of these, each of many tables
        self._pending_types: dict[str, pa.DataType] = {}
        self._pending_rows = 0
        self._pending_bytes = 0
        self._slices: dict[int, list[tuple[int, int, int]]] = {}

    def add(self, record: CommitRecord, rows: LoadedRows) -> None:
        """Append rows of a commit."""
        slices = self._slices.setdefault(int(record.commit_id), [])
        for table, media in zip(rows.tables, rows.media, strict=True):
            for name in _media_columns(record, table):
                values = self._moved(_chunk(table.column(name)), rows.layout, media.get(name))
                table = table.set_column(table.column_names.index(name), pa.field(name, values.type), values)
            self._append(table, slices)

    def flush(self) -> None:
        """End the part at hand."""
        if self._pending:
            self._merge(0)
            table = self._pending[0]
            names = [name for name in table.column_names if name not in _SYSTEM]
            table = table.select([*names, *_SYSTEM])
            self._parts.append(write_part(self._dataset.lake.store, self._dataset.base, table=table))
            self._pending = []
            self._num_merged = 0
            self._pending_types = {}
            self._pending_rows = 0
            self._pending_bytes = 0

    def finish(self) -> LayoutDocument:
        """Wait until everything is durable."""
        self.flush()
        shards = tuple(self._shards.close())
        return LayoutDocument(
            tuple(self._parts), shards, {number: tuple(slices) for number, slices in self._slices.items()}
        )

    def close(self) -> None:
        """Stop the threads; call it on every path."""
        self._shards.abandon()

    def _append(self, table: pa.Table, slices: list[tuple[int, int, int]]) -> None:
        if not all(_fit(self._pending_types.get(field.name, field.type), field.type) for field in table.schema):
            self.flush()
        while table.num_rows:
            room = self._sizes.part_rows - self._pending_rows
            taken = table.slice(0, room)
            slices.append((len(self._parts), self._pending_rows, taken.num_rows))
            self._pending.append(taken)
            self._pending_types.update(zip(taken.schema.names, taken.schema.types, strict=True))
            self._pending_rows += taken.num_rows
            self._pending_bytes += taken.nbytes
            table = table.slice(taken.num_rows)
            if self._pending_rows >= self._sizes.part_rows or self._pending_bytes >= self._sizes.part_bytes:
                self.flush()
            elif len(self._pending) - self._num_merged >= _MERGED_TABLES:
                self._merge(self._num_merged)
                self._num_merged += 1

    def _merge(self, start: int) -> None:
        """Make one table of those from `start` on."""
        merged = pa.concat_tables(self._pending[start:], promote_options="permissive").combine_chunks()
        self._pending[start:] = [merged]

    def _moved(self, locators: pa.StructArray, layout: CommitLayout, loaded: pa.Array | None) -> pa.Array:
        """A media column with its bytes copied into the new shards; adopted values may stay where they lie."""
        fields = _fields(locators)
        old_shards = fields["shard"].to_pylist()
        offsets = fields["offset"].to_pylist()
        formats = fields["format"].to_pylist()
        sizes = fields["size"].fill_null(0).to_numpy(zero_copy_only=False)  # [num_rows]
        adopted = _adopted_places(fields) if self._copies_adopted else [None] * len(locators)
        shards: list[int | None] = [None] * len(locators)
        for start, end in slices_of_bytes(sizes):
            values = None if loaded is None else loaded.slice(start, end - start)
            for row in range(start, end):
                old = old_shards[row]
                container = adopted[row] if old is None else (layout.shards[old].digest, offsets[row])
                if container is None:
                    continue
                place = (*container, int(sizes[row]))
                if place not in self._places:
                    if values is None:
                        values = self._dataset.reader.media.read([locators.slice(start, end - start)], [layout])
                    data = values[row - start].as_buffer()
                    stem = f"{self._num_members:012d}"
                    self._places[place] = self._shards.add(f"{stem}.{formats[row] or 'bin'}", data.to_pybytes())
                    self._num_members += 1
                shards[row], offsets[row] = self._places[place]
        fields["shard"] = pa.array(shards, pa.int32())
        fields["offset"] = pa.array(offsets, pa.int64())
        kind = locators.type
        if self._copies_adopted:
            kind = LOCATOR_TYPE
            fields["uri"] = fields["version"] = pa.nulls(len(locators), pa.string())
        return pa.StructArray.from_arrays(
            [fields[field.name] for field in kind],
            fields=list(kind),
            mask=locators.is_null() if locators.null_count else None,
        )


def _media_columns(record: CommitRecord, table: pa.Table) -> list[str]:
    return [field.name for field in record.schema if media_kind(field) is not None and field.name in table.schema.names]


def _fields(locators: pa.StructArray) -> dict[str, pa.Array]:
    """All of them by one call, null where the locator is; a call for each takes longer than the values of two rows."""
    return dict(zip(locators.type.names, locators.flatten(), strict=True))


def _adopted_places(fields: Mapping[str, pa.Array]) -> list[tuple[object, ...] | None]:
    """What tells adopted values apart, None for others."""
    columns = [fields[name] for name in ("uri", "version", "offset")]
    if "cell" in fields:
        columns += fields["cell"].flatten()
    rows = zip(*(column.to_pylist() for column in columns), strict=True)
    return [None if row[0] is None else row for row in rows]


def _fit(kind: pa.DataType, other: pa.DataType) -> bool:
    """Whether a part may hold both in one column: only locators with cells and without meet."""
    return bool(kind == other) or {kind, other} == {LOCATOR_TYPE, CELL_LOCATOR_TYPE}


def _chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
