"""Rows that the source could not read, on their way to the report of those that the type refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headrace.datasets.batches import RejectedRow, SampleBatch

__all__ = ["RejectedRows"]


class RejectedRows:
    """Collects them while the source is read; any dataset type may stand in between. Not thread-safe."""

    def __init__(self) -> None:
        self._rows: list[RejectedRow] = []

    def add(self, row: RejectedRow) -> None:
        """A row is left out."""
        self._rows.append(row)

    def joined_to(self, batches: Iterable[SampleBatch]) -> Iterator[SampleBatch]:
        """The batches, each with the rows that were left out while it was read; perhaps one more without rows."""
        for batch in batches:
            batch.rejected = [*self._taken(), *batch.rejected]
            yield batch
        if self._rows:
            yield SampleBatch({}, num_rows=0, origin_idx=0, rejected=self._taken())

    def _taken(self) -> list[RejectedRow]:
        taken, self._rows = self._rows, []
        return taken
