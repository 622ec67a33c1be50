"""The rows of one commit on their way into parts: gathered, written and counted in the background.

rows ─▶ waiting tables ─▶ one part at a time ─▶ store
                    └───▶ statistics, of the same rows
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.datasets.columns import check_columns, media_kind, merge_schemas
from headrace.datasets.narrow import narrow_table
from headrace.datasets.statistics import StatisticsAccumulator
from headrace.storage.canonical import JsonValue
from headrace.storage.parts import PartCache, PartRecord, write_part
from headrace.storage.store import ObjectStore

__all__ = ["IDENTITY_COLUMNS", "PartsWriter"]

IDENTITY_COLUMNS = ("_key", "_digest", "_origin", "_member", "_line")
"""Columns of every part beside those of the rows: key, BLAKE3 of the row, and where it came from."""

_PART_BYTES = 32 * 1024 * 1024


class PartsWriter:
    """Of one commit. Not thread-safe; two threads of its own write a part and count its rows."""

    def __init__(
        self,
        store: ObjectStore,
        base: str,
        *,
        part_rows: int,
        row_group_rows: int,
        declared: pa.Schema,
        label_column: str | None,
    ) -> None:
        """`declared`: the columns that come first in a part."""
        self._store = store
        self._base = base
        self._part_rows = part_rows
        self._row_group_rows = row_group_rows
        self._declared = declared
        self._label_column = label_column
        self._schemas: list[pa.Schema] = []
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._pending_bytes = 0
        self._statistics: StatisticsAccumulator | None = None
        # Parquet and statistics need the interpreter's lock little, so the next rows are read meanwhile.
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="headrace-part")
        self._part: Future[PartRecord] | None = None
        self._counting: Future[None] | None = None
        self._parts: list[PartRecord] = []
        self._read_parts = PartCache(limit_bytes=_PART_BYTES)
        self.num_rows = 0  # added so far

    def close(self) -> None:
        """Stop the threads; call it on every path."""
        self._pool.shutdown(cancel_futures=True)

    def add(self, table: pa.Table, schema: pa.Schema) -> None:
        """The next rows: the columns of `schema` and those of identity; starts a part once there are enough."""
        if not self._schemas or self._schemas[-1] != schema:
            self._schemas.append(schema)
        self._pending.append(table)
        self._pending_rows += table.num_rows
        self._pending_bytes += table.nbytes
        self.num_rows += table.num_rows
        if self._pending_rows >= self._part_rows or self._pending_bytes >= _PART_BYTES:
            self.flush()

    def schema(self) -> pa.Schema:
        """All columns so far, the declared ones first; further columns are always nullable."""
        merged = merge_schemas(self._schemas)
        declared = [field for field in merged if self._declared.get_field_index(field.name) >= 0]
        names = {field.name for field in declared}
        schema = pa.schema([*declared, *(field for field in merged if field.name not in names)])
        check_columns(schema)
        return schema

    def flush(self) -> None:
        """Start to write the waiting rows; does not wait for them."""
        if not self._pending:
            return
        schema = self.schema()
        table = pa.concat_tables(self._pending, promote_options="permissive").combine_chunks()
        names = [name for name in schema.names if name in table.column_names]
        table = table.select([*names, *IDENTITY_COLUMNS])
        self._settle_part()  # one at a time, which bounds memory
        self._settle_counting()
        self._part = self._pool.submit(self._write_part, table, schema)
        self._counting = self._pool.submit(self._count, table, schema)
        self._pending = []
        self._pending_rows = 0
        self._pending_bytes = 0

    def statistics(self, *, num_rejected: int) -> JsonValue:
        """Statistics of all rows, which were flushed; waits until they are counted."""
        self._settle_counting()
        return self._accumulator(self.schema()).finish(num_rejected=num_rejected)

    def finish(self) -> list[PartRecord]:
        """Wait until every part is durable."""
        self._settle_part()
        return self._parts

    def keys_of(
        self,
        ordinals: NDArray[np.int64],  # [num_rows], of rows added before, may repeat
    ) -> Sequence[str]:  # [num_rows]
        """The keys of rows that are waiting or already in a part."""
        self._settle_part()
        bounds = np.cumsum([0, *(part.num_rows for part in self._parts), *(rows.num_rows for rows in self._pending)])
        found: dict[int, str] = {}
        table_idxs = np.searchsorted(bounds, ordinals, side="right") - 1  # [num_rows]
        for table_idx in np.unique(table_idxs).tolist():
            if table_idx < len(self._parts):
                part = self._parts[table_idx]
                table = self._read_parts.columns(self._store, self._base, part=part, names=["_key"])
            else:
                table = self._pending[table_idx - len(self._parts)]
            chosen = ordinals[table_idxs == table_idx]
            keys = table.column("_key").take(pa.array(chosen - bounds[table_idx])).to_pylist()
            found.update(zip(chosen.tolist(), keys, strict=True))
        return [found[ordinal] for ordinal in ordinals.tolist()]

    def waiting_origin(self, ordinal: int) -> tuple[int, str | None, int | None] | None:
        """Position of the origin, path in it, and line from 1 of a row that was added; None once it is in a part."""
        row = ordinal - (self.num_rows - self._pending_rows)
        for table in self._pending if row >= 0 else ():
            if row < table.num_rows:
                origin, member, line = (table.column(name)[row].as_py() for name in ("_origin", "_member", "_line"))
                return origin, member, line
            row -= table.num_rows
        return None

    def _write_part(self, table: pa.Table, schema: pa.Schema) -> PartRecord:
        return write_part(
            self._store,
            self._base,
            table=table,
            row_group_rows=self._row_group_rows,
            distinct=_distinct_columns(schema),
        )

    def _count(self, table: pa.Table, schema: pa.Schema) -> None:
        self._accumulator(schema).add(narrow_table(table, schema))

    def _settle_part(self) -> None:
        """Wait for the part that is being written."""
        if self._part is not None:
            part, self._part = self._part, None
            self._parts.append(part.result())

    def _settle_counting(self) -> None:
        """Wait until the rows of that part are in the statistics."""
        if self._counting is not None:
            counting, self._counting = self._counting, None
            counting.result()

    def _accumulator(self, schema: pa.Schema) -> StatisticsAccumulator:
        """Statistics of the rows in parts so far, for all columns so far."""
        if self._statistics is None:
            self._statistics = StatisticsAccumulator(schema, label_column=self._label_column)
        self._statistics.extend(schema)
        return self._statistics


def _distinct_columns(schema: pa.Schema) -> set[str]:
    """Columns of a part whose values hardly repeat."""
    media = (field.name for field in schema if media_kind(field) is not None)
    return {"_key", "_digest", "_member"}.union(
        f"{name}.{leaf}" for name in media for leaf in ("offset", "digest", "check")
    )
