"""Rows between two stages of a recipe: immutable Parquet parts in the lake, without media bytes, named by content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from headrace.curation.replaced_media import AT
from headrace.curation.rows_digest import rows_digest
from headrace.datasets.columns import media_kind, schema_from_json, schema_to_json
from headrace.datasets.derived_views import CURATION
from headrace.storage.arrow_values import row_numbers
from headrace.storage.canonical import JsonValue, canonical_json
from headrace.storage.digests import digest_hex, require_digest
from headrace.storage.parts import PartRecord, part_key, read_part, write_part
from headrace.storage.store import ObjectStore

if TYPE_CHECKING:
    from headrace.datasets.lake import Lake

__all__ = ["ROW_COLUMNS", "StageRows", "StageRowsWriter", "StageStore", "fixed_bytes", "list_scopes", "row_sizes"]

ROW_COLUMNS: Final = pa.schema(
    [
        pa.field("_source", pa.string()),  # name of the recipe's source that the row's media lies in
        pa.field("_row", pa.int64()),  # its number in that source's snapshot
        pa.field("_id", pa.string()),
        pa.field("_digest", pa.binary(32)),  # of the row as it was committed
    ]
)
"""Columns that rows have beside those of their source; rows that SQL made may lack them, and then have no media."""

_PART_ROWS = 65_536
_PART_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StagePart(PartRecord):
    """A part, and the `rows_digest` of what is in it: bytes of Parquet depend on the library that wrote them."""

    content: str = ""


@dataclass(frozen=True, slots=True)
class StageRows:
    """What a stage gave, in its order. Media columns are structs (size, format, width, height, duration, digest)."""

    schema: pa.Schema
    parts: tuple[StagePart, ...]

    @property
    def num_rows(self) -> int:
        return sum(part.num_rows for part in self.parts)

    @property
    def num_bytes(self) -> int:
        """Of the parts as they lie in the lake."""
        return sum(part.size for part in self.parts)

    @property
    def content_id(self) -> str:
        """BLAKE3 hex; the same rows in the same order have the same, wherever and whenever they were computed."""
        contents: list[JsonValue] = [[part.content, part.num_rows] for part in self.parts]
        return digest_hex(canonical_json({"schema": schema_to_json(self.schema), "parts": contents}))

    @property
    def media_columns(self) -> list[str]:
        """Names of the columns whose bytes lie in a source's snapshot."""
        return [field.name for field in self.schema if media_kind(field) is not None]

    def to_json(self) -> dict[str, Any]:
        """The document that `from_json` reads."""
        return {
            "schema": schema_to_json(self.schema),
            "parts": [[part.digest, part.size, part.num_rows, part.content] for part in self.parts],
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> StageRows:
        """What `to_json` made."""
        parts = tuple(StagePart(*part) for part in document["parts"])
        return cls(schema_from_json(document["schema"]), parts)


def list_scopes(store: ObjectStore) -> Iterator[str]:
    """Bases of all scopes, with one look at the store for each."""
    stat = next(iter(store.list(CURATION)), None)
    while stat is not None:
        base = CURATION + stat.key[len(CURATION) :].partition("/")[0] + "/"
        yield base
        behind = base[:-1] + "0"  # the sign after "/": behind everything below the base
        stat = next(iter(store.list(CURATION, start_after=behind)), None)


class StageStore:
    """Rows of stages in a lake, below one scope. Thread-safe.

    A scope is the ids of the datasets whose rows may lie there, so that a purge of one finds them.
    """

    def __init__(self, lake: Lake, scope: Sequence[str]) -> None:
        self.store = lake.store
        self.base = f"{CURATION}{'+'.join(sorted(set(scope)))}/"

    def related(self) -> list[str]:
        """Bases of other scopes that share a dataset with this one.

        What an operator found for a value is true wherever it was found, so a recipe that gains a source goes on with
        what is known of the others.
        """
        own = self._datasets_of(self.base)
        return [base for base in list_scopes(self.store) if base != self.base and self._datasets_of(base) & own]

    @staticmethod
    def _datasets_of(base: str) -> set[str]:
        return set(base.removeprefix(CURATION).rstrip("/").split("+"))

    @classmethod
    def at(cls, lake: Lake, base: str) -> StageStore:
        """The store whose scope a run has written down."""
        return cls(lake, base.removeprefix(CURATION).rstrip("/").split("+"))

    def writer(self, schema: pa.Schema) -> StageRowsWriter:
        """Takes the rows of a stage."""
        return StageRowsWriter(self, schema)

    def write(self, table: pa.Table) -> StageRows:
        """A whole table at once."""
        writer = self.writer(table.schema)
        writer.add(table)
        return writer.finish()

    def tables(self, rows: StageRows, *, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The rows part by part, in order; at least one table.

        Raises:
            DataCorrupted: A part is not what was written.
        """
        names = list(rows.schema.names if columns is None else columns)
        schema = pa.schema([rows.schema.field(name) for name in names])
        if not rows.parts:
            yield schema.empty_table()
        for part in rows.parts:
            yield read_part(self.store, self.base, part=part, names=names).cast(schema)

    def part_data(self, part: PartRecord) -> bytes:
        """The bytes of a part, a Parquet file, compared with their digest.

        Raises:
            DataCorrupted: The object is not the one that was written.
        """
        key = self.base + part_key(part.digest)
        data = self.store.get(key)
        require_digest(data, part.digest, name=f"{self.store.uri}/{key}")
        return data

    def take(
        self, rows: StageRows, places: Sequence[tuple[int, int]], *, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Rows by (part, row in it), in ascending order of both; of each part only the row groups that hold them.

        Raises:
            DataCorrupted: A part is not what was written.
        """
        names = list(rows.schema.names if columns is None else columns)
        schema = pa.schema([rows.schema.field(name) for name in names])
        found: list[pa.Table] = [schema.empty_table()]
        for part in dict.fromkeys(part for part, _ in places):
            file = pq.ParquetFile(pa.BufferReader(self.part_data(rows.parts[part])))
            wanted = np.array([row for of, row in places if of == part], dtype=np.int64)
            sizes = [file.metadata.row_group(idx).num_rows for idx in range(file.num_row_groups)]
            ends = np.cumsum(sizes)  # [num_row_groups]
            groups = np.searchsorted(ends, wanted, side="right")
            for group in np.unique(groups).tolist():
                inside = wanted[groups == group] - (ends[group] - sizes[group])
                table = file.read_row_group(group, columns=names).select(names)
                found.append(table.take(row_numbers(inside)).cast(schema))
        return pa.concat_tables(found)

    def table(self, rows: StageRows, *, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows."""
        return pa.concat_tables(self.tables(rows, columns=columns))


class StageRowsWriter:
    """Cuts rows into parts by number and size alone, so that the same rows give the same parts. Not thread-safe."""

    def __init__(self, stage_store: StageStore, schema: pa.Schema) -> None:
        self._stage_store = stage_store
        self.schema = schema
        self._waiting: list[pa.Table] = []
        self._num_waiting = 0
        self._num_bytes = 0
        self._parts: list[StagePart] = []

    def add(self, table: pa.Table) -> None:
        """Append rows of the writer's schema."""
        sizes = row_sizes(table)  # [num_rows]
        start = 0
        while start < table.num_rows:
            ends = self._num_bytes + np.cumsum(sizes[start : start + _PART_ROWS - self._num_waiting])
            count = int(np.searchsorted(ends, _PART_BYTES, side="right"))
            if not count and not self._num_waiting:
                count = 1  # a row that is larger than a part has one to itself
            self._waiting.append(table.slice(start, count))
            self._num_waiting += count
            self._num_bytes += int(sizes[start : start + count].sum())
            start += count
            if self._num_waiting == _PART_ROWS or start < table.num_rows:
                self._flush()

    def finish(self) -> StageRows:
        """Write the rest; durable when it returns."""
        if self._num_waiting:
            self._flush()
        return StageRows(self.schema, tuple(self._parts))

    def _flush(self) -> None:
        table = pa.concat_tables(self._waiting).cast(self.schema).combine_chunks()
        store, base = self._stage_store.store, self._stage_store.base
        part = write_part(store, base, table=table, keeps_existing=True, statistics=False)
        # Media is told by the digest in its own column; where its bytes lie is no content.
        values = table.select([name for name in table.column_names if not name.startswith(AT)])
        self._parts.append(StagePart(part.digest, part.size, part.num_rows, rows_digest(values)))
        self._waiting = []
        self._num_waiting = 0
        self._num_bytes = 0


def row_sizes(table: pa.Table) -> NDArray[np.int64]:
    """Bytes of each row, [num_rows]: of texts and binary values their length, of lists their items, of all others 8."""
    sizes = np.full(table.num_rows, 8 * table.num_columns, dtype=np.int64)
    for column in table.columns:
        kind = column.type
        if _has_length(kind):
            sizes += pc.binary_length(column).fill_null(0).to_numpy().astype(np.int64)
        elif pa.types.is_fixed_size_list(kind):
            sizes += fixed_bytes(kind)
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
            sizes += np.concatenate([_list_sizes(chunk) for chunk in column.chunks] or [sizes[:0]])
    return sizes


def fixed_bytes(kind: pa.DataType) -> int:
    """Bytes of one value of a type of fixed size, such as a vector or a latent; 8 of any other."""
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size) * fixed_bytes(kind.value_type)
    try:
        return -(-int(kind.bit_width) // 8)
    except ValueError:  # a type without a width of its own
        return 8


def _list_sizes(lists: pa.Array) -> NDArray[np.int64]:
    """Bytes of the items of each list, [num_lists]."""
    counts = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    ends = np.cumsum(counts)  # [num_lists]
    sums = np.concatenate([[0], np.cumsum(_item_sizes(pc.list_flatten(lists)))])  # [num_items + 1]
    sizes: NDArray[np.int64] = sums[ends] - sums[ends - counts]
    return sizes


def _item_sizes(items: pa.Array) -> NDArray[np.int64]:  # [num_items]
    kind = items.type
    if _has_length(kind):
        return np.asarray(pc.binary_length(items).fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64) + 4
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _list_sizes(items) + 4
    if pa.types.is_struct(kind):
        fields = [_item_sizes(pc.struct_field(items, [idx])) for idx in range(kind.num_fields)]
        return np.sum(fields, axis=0, dtype=np.int64) if fields else np.zeros(len(items), dtype=np.int64)
    return np.full(len(items), fixed_bytes(kind), dtype=np.int64)


def _has_length(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )
