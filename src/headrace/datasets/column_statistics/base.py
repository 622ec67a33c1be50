"""What the statistics of every kind of column have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

import pyarrow as pa

from headrace.datasets.column_statistics.plain_arrays import plain_array
from headrace.storage.canonical import JsonValue

__all__ = ["NUM_TOP", "ColumnStatistics", "Label"]

NUM_TOP = 20

Label = list[JsonValue]  # [text, count]


class ColumnStatistics(ABC):
    """Takes a column chunk by chunk; the cuts between chunks do not change the result.

    A kind of column says what it does with the values that are there (`_add`), and what it knows of them (`_describe`).
    """

    def __init__(self, shown: str) -> None:
        """`shown`: the column's type, as the document names it."""
        self._shown = shown
        self._null_count = 0

    @property
    def is_approximate(self) -> bool:
        """Whether so many values are distinct that the result is an estimate."""
        return False

    def add(self, array: pa.Array) -> None:
        """Take further rows; `array` is of the column's type."""
        values = plain_array(array)
        self._null_count += values.null_count
        self._add(values.drop_null())

    def finish(self) -> dict[str, JsonValue]:
        """The statistics over all rows so far."""
        return {"type": self._shown, "null_count": self._null_count, **self._describe()}

    def labels(self, limit: int) -> tuple[int, list[Label]]:
        """Number of distinct values, or items of lists, and the most frequent ones as [text, count]."""
        return 0, []

    @abstractmethod
    def _add(self, values: pa.Array) -> None:
        """Take values without nulls and encodings."""

    @abstractmethod
    def _describe(self) -> dict[str, JsonValue]:
        """`num_distinct`, and the fields of this kind."""
