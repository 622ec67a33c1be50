"""Dicts that a caller hands over one by one, as rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any, Literal

import pyarrow as pa

from headrace.datasets.batches import Origin, RowBatch
from headrace.datasets.sources.rows_to_arrow import RowPlace, rows_to_batch
from headrace.datasets.sources.system_columns import without_system_columns
from headrace.errors import InvalidInput

__all__ = ["RowIterable"]

_NAME = "memory:rows"
_BATCH_ROWS = 1024
_BATCH_BYTES = 32 << 20


class RowIterable:
    """An iterable of dicts; missing keys are null. A generator gives its rows once, a list as often as asked."""

    def __init__(self, rows: Iterable[Mapping[str, Any]], *, schema: pa.Schema | None = None) -> None:
        self.kind: Literal["table"] = "table"
        self.origins: list[Origin] = [Origin(_NAME)]
        self.num_rows: int | None = len(rows) if isinstance(rows, Sized) else None
        self.num_bytes: int | None = None
        self.is_csv = False
        self._rows = rows
        self._schema = schema
        self._is_used = False

    def batches(self) -> Iterator[RowBatch]:
        """As `TableSource.batches`; the types of later batches may differ from those of earlier ones.

        Raises:
            InvalidInput: No rows, a row that is no dict, a value that does not fit its column, or a generator that was
                read before.
        """
        if self._is_used and iter(self._rows) is self._rows:
            raise InvalidInput("a generator can be read once only; hand in a list or a new one", file=_NAME)
        self._is_used = True
        pending: list[Mapping[str, Any]] = []
        num_bytes = 0
        row_start = 0
        for row in self._rows:
            if not isinstance(row, Mapping):
                raise InvalidInput(
                    f"row {row_start + len(pending)} (counted from 0) is a {type(row).__name__}; expected dicts",
                    file=_NAME,
                )
            pending.append(row)
            num_bytes += sum(len(value) for value in row.values() if isinstance(value, (bytes, str, bytearray)))
            if len(pending) >= _BATCH_ROWS or num_bytes >= _BATCH_BYTES:
                yield self._batch(pending, row_start)
                row_start += len(pending)
                pending, num_bytes = [], 0
        if pending:
            yield self._batch(pending, row_start)
        elif row_start == 0:
            raise InvalidInput("no rows; expected at least one dict", file=_NAME)

    def _batch(self, rows: list[Mapping[str, Any]], row_start: int) -> RowBatch:
        def place(idx: int) -> RowPlace:
            return _NAME, None, f"row {row_start + idx} (counted from 0): "

        table = without_system_columns(rows_to_batch(rows, schema=self._schema, place=place))
        return RowBatch(table, 0, row_start=row_start)
