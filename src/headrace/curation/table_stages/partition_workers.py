"""What table stages need of those that work on their partitions: processes of this machine, or those of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from headrace.curation.stage_rows import StageStore
from headrace.curation.table_stages.memory_budget import MemoryBudget
from headrace.storage.parts import PartRecord

__all__ = ["PartitionWorkers", "Piece", "TableEngine"]


@dataclass(frozen=True, slots=True)
class Piece:
    """Neighbouring parts of one input, which one task deals to the partitions."""

    name: str  # of the input
    parts: tuple[PartRecord, ...]
    key: tuple[str, ...]  # as the columns are called in this input


class PartitionWorkers(Protocol):
    """One exchange: rows are dealt once, then each partition is worked on. Used by one thread; close it on every path.

    Tasks are a name (`scatter`, `gather`, `merge`) and JSON arguments; to do one twice gives the same.
    """

    def scatter(self, pieces: Sequence[Piece], bounds: pa.Table, *, schemas: Mapping[str, pa.Schema]) -> Iterator[int]:
        """Deal the rows of all pieces; gives the number of rows of each, in their order.

        Args:
            schemas: Of each input, also of one without pieces, the columns to take and the types to give them.
            bounds: The smallest key of each partition but the first, ascending.
        """
        ...

    def gather(self, step: str, arguments: Mapping[str, Any], *, files: Sequence[str]) -> Iterator[pa.Table]:
        """What the step gives for each partition, in their order.

        Args:
            arguments: The same for all partitions.
            files: Names of files in the exchange's folder that the step reads.
        """
        ...

    def close(self) -> None:
        """End what runs, and remove what was dealt."""
        ...


class TableEngine(Protocol):
    """Where the partitions of table stages are worked on."""

    @property
    def num_workers(self) -> int:
        """Partitions at once, at most."""
        ...

    def budget(self, memory_bytes: int) -> MemoryBudget:
        """How the memory that a run may take is divided.

        Raises:
            InvalidInput: It is too little.
        """
        ...

    def workers(self, stage_store: StageStore, *, num_workers: int, folder: Path) -> PartitionWorkers:
        """For one exchange; `folder` is the caller's, on this machine."""
        ...
