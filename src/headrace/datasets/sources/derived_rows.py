"""Rows that were made from samples of datasets, and can name them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Literal

from headrace.datasets.batches import Origin, RowBatch, SampleBatch

__all__ = ["DerivedRows"]


class DerivedRows(ABC):
    """A table source whose lines are row numbers from 1; after ingest these give way to the samples' ids."""

    kind: Literal["table"]
    origins: list[Origin]
    num_rows: int | None
    num_bytes: int | None
    is_csv: bool

    @abstractmethod
    def batches(self) -> Iterator[RowBatch]:
        """As `TableSource.batches`."""

    @abstractmethod
    def named(self, batches: Iterator[SampleBatch]) -> Iterator[SampleBatch]:
        """The batches with the samples' ids as members, instead of lines."""
