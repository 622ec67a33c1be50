"""Writes rows of many commits into parts and shards that they share: for compaction, and for packed snapshots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.columns import LOCATOR_TYPE, media_kind
from headrace.datasets.layouts import LayoutDocument
from headrace.datasets.reading import CommitReader, Ordinals
from headrace.datasets.row_proof import slices_of_bytes
from headrace.storage.parts import PartRecord, write_part
from headrace.storage.shards import ShardWriter

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.state import CommitRecord

__all__ = ["DEFAULT_SIZES", "ContainerSizes", "LayoutWriter"]

_SYSTEM = ("_key", "_digest", "_origin", "_member", "_line")


@dataclass(frozen=True, slots=True)
class ContainerSizes:
    """How large parts and shards become; those of less than half count as small."""

    part_rows: int = 65_536
    part_bytes: int = 32 * 1024 * 1024  # in memory
    shard_bytes: int = 64 * 1024 * 1024


DEFAULT_SIZES = ContainerSizes()


class LayoutWriter:
    """Writes rows of many commits, one commit after the other, into shared parts and shards."""

    def __init__(self, dataset: Dataset, sizes: ContainerSizes) -> None:
        self._dataset = dataset
        self._sizes = sizes
        self._shards = ShardWriter(dataset.lake.store, dataset.base, shard_bytes=sizes.shard_bytes)
        self._places: dict[tuple[str, int, int], tuple[int, int]] = {}  # old shard, offset and size to new ones
        self._num_members = 0
        self._parts: list[PartRecord] = []
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._pending_bytes = 0
        self._slices: dict[int, list[tuple[int, int, int]]] = {}

    def add(self, record: CommitRecord, kept: Ordinals | None = None) -> None:
        """Append rows of a commit, ascending; None for all."""
        reader = self._dataset.reader.commit(record)
        slices = self._slices.setdefault(int(record.commit_id), [])
        starts = np.cumsum([0, *(piece.num_rows for piece in reader.layout.slices)])
        for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            ordinals = np.arange(start, end)
            if kept is not None:
                ordinals = kept[np.searchsorted(kept, start) : np.searchsorted(kept, end)]
            if not len(ordinals):
                continue
            table = reader.columns([*record.schema.names, *_SYSTEM], ordinals=ordinals)
            for idx, name in enumerate(table.column_names):
                if name in record.schema.names and media_kind(record.schema.field(name)) is not None:
                    values = self._moved(reader, table.column(name), name)
                    table = table.set_column(idx, pa.field(name, LOCATOR_TYPE), values)
            self._append(table, slices)

    def flush(self) -> None:
        """End the part at hand."""
        if self._pending:
            table = pa.concat_tables(self._pending, promote_options="default")
            names = [name for name in table.column_names if name not in _SYSTEM]
            table = table.select([*names, *_SYSTEM]).combine_chunks()
            self._parts.append(write_part(self._dataset.lake.store, self._dataset.base, table=table))
            self._pending = []
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
        if self._pending and not _fits(self._pending[-1].schema, table.schema):
            self.flush()
        while table.num_rows:
            room = self._sizes.part_rows - self._pending_rows
            taken = table.slice(0, room)
            slices.append((len(self._parts), self._pending_rows, taken.num_rows))
            self._pending.append(taken)
            self._pending_rows += taken.num_rows
            self._pending_bytes += taken.nbytes
            table = table.slice(taken.num_rows)
            if self._pending_rows >= self._sizes.part_rows or self._pending_bytes >= self._sizes.part_bytes:
                self.flush()

    def _moved(self, reader: CommitReader, column: pa.ChunkedArray, name: str) -> pa.Array:
        """A media column with its bytes copied into the new shards; adopted values stay where they lie."""
        locators = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
        old_shards = pc.struct_field(locators, "shard").to_pylist()
        offsets = pc.struct_field(locators, "offset").to_pylist()
        sizes = pc.struct_field(locators, "size")
        formats = pc.struct_field(locators, "format").to_pylist()
        shards: list[int | None] = [None] * len(locators)
        for start, end in slices_of_bytes(sizes.fill_null(0).to_numpy(zero_copy_only=False)):
            values = None
            for row in range(start, end):
                old = old_shards[row]
                if old is None:
                    continue
                place = (reader.layout.shards[old].digest, offsets[row], sizes[row].as_py())
                if place not in self._places:
                    if values is None:
                        values = self._dataset.reader.media.read([locators.slice(start, end - start)], [reader.layout])
                    data = values[row - start].as_buffer()
                    stem = f"{self._num_members:012d}"
                    self._places[place] = self._shards.add(f"{stem}.{formats[row] or 'bin'}", data.to_pybytes())
                    self._num_members += 1
                shards[row], offsets[row] = self._places[place]
        fields = {field.name: pc.struct_field(locators, field.name) for field in LOCATOR_TYPE}
        fields["shard"] = pa.array(shards, pa.int32())
        fields["offset"] = pa.array(offsets, pa.int64())
        return pa.StructArray.from_arrays(
            list(fields.values()), fields=list(LOCATOR_TYPE), mask=locators.is_null() if locators.null_count else None
        )


def _fits(schema: pa.Schema, other: pa.Schema) -> bool:
    """Whether rows of both may lie in one part: no column has two types."""
    return all(
        schema.field(field.name).type == field.type for field in other if schema.get_field_index(field.name) >= 0
    )
