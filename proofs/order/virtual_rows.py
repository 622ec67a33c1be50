"""Rows that are computed from their number, and a record of which were read."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

__all__ = ["VirtualRows"]


class VirtualRows:
    """A provider of as many rows as one likes; row r has the id r."""

    def __init__(self, num_rows: int, *, is_local: bool = False, mean_row_bytes: int = 24_000) -> None:
        self.identity = f"virtual-{num_rows}"
        self.name = f"{num_rows:,} virtual rows"
        self.num_rows = num_rows
        self.schema = pa.schema([("id", pa.int64())])
        self.mean_row_bytes = mean_row_bytes
        self.is_local = is_local
        self.rows_read: list[int] = []
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def narrow(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        for start in range(0, self.num_rows, 1 << 20):
            ids = np.arange(start, min(start + (1 << 20), self.num_rows), dtype=np.int64)
            yield pa.table(dict.fromkeys(columns, ids))

    def read(self, rows: np.ndarray, columns: Sequence[str]) -> dict[str, list[Any]]:
        numbers = rows.tolist()
        with self._lock:
            self.rows_read += numbers
        return {name: [str(number) for number in numbers] if name == "_id" else numbers for name in columns}

    def read_one(self, row: int, columns: Sequence[str]) -> list[Any]:
        return [values[0] for values in self.read(np.array([row], dtype=np.int64), columns).values()]
