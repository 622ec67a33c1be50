"""Arrow tables, batches, readers, and data frames that live in the process, as rows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Literal

import pyarrow as pa

from headrace.datasets.batches import Origin, RowBatch
from headrace.datasets.sources.system_columns import without_system_columns
from headrace.errors import InvalidInput

__all__ = ["ArrowTable", "arrow_table", "check_column_names"]

_BATCH_ROWS = 4096
_BATCH_BYTES = 32 << 20


class ArrowTable:
    """Rows in Arrow's memory; a reader gives them once, a table as often as asked."""

    def __init__(self, value: pa.Table | pa.RecordBatchReader, *, what: str) -> None:
        """`what`: "arrow", "pandas", "polars"; part of the origin."""
        is_table = isinstance(value, pa.Table)
        self.kind: Literal["table"] = "table"
        self.origins: list[Origin] = [Origin(f"memory:{what}")]
        self.num_rows: int | None = value.num_rows if is_table else None
        self.num_bytes: int | None = value.nbytes if is_table else None
        self.is_csv = False
        self.schema: pa.Schema = without_system_columns(value.schema.remove_metadata())
        self._value = value
        self._name = f"memory:{what}"
        self._is_used = False

    def batches(self) -> Iterator[RowBatch]:
        """As `TableSource.batches`.

        Raises:
            InvalidInput: No rows, or a reader that was read before or fails.
        """
        row_start = 0
        for batch in self._source_batches():
            step = _step(batch)
            for start in range(0, batch.num_rows, step):
                part = batch.slice(start, step)
                yield RowBatch(without_system_columns(part.replace_schema_metadata(None)), 0, row_start=row_start)
                row_start += part.num_rows
        if row_start == 0:
            raise InvalidInput("a table without rows; expected at least one", file=self._name)

    def _source_batches(self) -> Iterator[pa.RecordBatch]:
        if isinstance(self._value, pa.Table):
            yield from self._value.to_batches(max_chunksize=_BATCH_ROWS)
            return
        if self._is_used:
            raise InvalidInput("a reader can be read once only; hand in a table or a new reader", file=self._name)
        self._is_used = True
        try:
            yield from self._value
        except pa.ArrowException as error:
            raise InvalidInput(f"the reader failed: {error}", file=self._name) from error


def arrow_table(value: object) -> ArrowTable | None:
    """The rows of an Arrow table, batch or reader, a pandas or polars frame, or anything with an Arrow stream.

    None if `value` is none of these. No library is imported for it: a value's own one is loaded already.

    Raises:
        InvalidInput: Repeated or empty column names, or values that Arrow cannot hold.
    """
    table: pa.Table | pa.RecordBatchReader
    if isinstance(value, (pa.Table, pa.RecordBatchReader)):
        table, what = value, "arrow"
    elif isinstance(value, pa.RecordBatch):
        table, what = pa.Table.from_batches([value]), "arrow"
    elif _is_instance(value, "pandas", "DataFrame"):
        table, what = _from_pandas(value), "pandas"
    elif _is_instance(value, "polars", "LazyFrame"):
        raise InvalidInput("a lazy frame holds no rows yet; expected a frame, so call .collect()")
    elif hasattr(value, "__arrow_c_stream__") and not isinstance(value, type):
        what = "polars" if _is_instance(value, "polars", "DataFrame") else "arrow"
        try:
            table = pa.RecordBatchReader.from_stream(value)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise InvalidInput(f"a {type(value).__name__} that gives no table of columns: {error}") from error
        if what == "polars":
            # A frame holds its rows anyway; read here it can be read again and knows how many they are.
            table = table.read_all()
    else:
        return None
    check_column_names(table.schema, name=f"memory:{what}")
    if isinstance(table, pa.Table) and table.num_rows == 0:
        raise InvalidInput("a table without rows; expected at least one", file=f"memory:{what}")
    return ArrowTable(table, what=what)


def check_column_names(schema: pa.Schema, *, name: str) -> None:
    """Raise `InvalidInput` for no columns, a repeated or an empty name; `name` is the file's."""
    if len(schema) == 0:
        raise InvalidInput("a table without columns; expected at least one", file=name)
    seen: set[str] = set()
    for column in schema.names:
        if not column:
            raise InvalidInput("a column without a name; expected a name for each", file=name)
        if column in seen:
            raise InvalidInput(f"the column {column!r} is there twice; expected unique names", file=name)
        seen.add(column)


def _step(batch: pa.RecordBatch) -> int:
    """Rows a batch, so that it stays small."""
    row_bytes: int = max(1, batch.nbytes // max(1, batch.num_rows))
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES // row_bytes))


def _is_instance(value: object, library: str, name: str) -> bool:
    module = sys.modules.get(library)
    kind = None if module is None else getattr(module, name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def _from_pandas(frame: Any) -> pa.Table:
    names = [str(name) for name in frame.columns]
    for idx, name in enumerate(names):
        if name in names[:idx]:
            raise InvalidInput(f"the column {name!r} is there twice; expected unique names", file="memory:pandas")
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(
            f"a frame with values that fit no one type: {error}; expected one type a column", file="memory:pandas"
        ) from error
