"""Rows dealt to partitions of a key, and each partition worked on; the results in the order of the key."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.curation.stage_rows import StageRows, StageStore
from headrace.curation.table_stages.memory_budget import MemoryBudget
from headrace.curation.table_stages.partition_bounds import partition_bounds
from headrace.curation.table_stages.partition_workers import Piece, TableEngine
from headrace.progress import Progress
from headrace.storage.parts import PartRecord

__all__ = ["Exchange", "input_bytes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What is dealt, by what, and where to.

    Attributes:
        schemas: Of each input, the columns to take and the types to give them.
        input_bytes: Arrow bytes of these columns, estimated.
        engine: What works on it.
        folder: For the files; the caller removes it.
    """

    stage_store: StageStore
    inputs: Mapping[str, StageRows]
    schemas: Mapping[str, pa.Schema]
    key: Sequence[str]
    input_bytes: int
    budget: MemoryBudget
    engine: TableEngine
    folder: Path
    progress: Progress

    def gathered(
        self,
        step: str,
        arguments: Mapping[str, Any],
        *,
        num_partitions: int,
        activity: str,
        files: Sequence[str] = (),
    ) -> Iterator[pa.Table]:
        """What the step gives for the rows of all inputs, partition by partition; equal keys are together.

        Args:
            arguments: Of the step, beside the partition's rows.
            activity: What the progress calls it.
            files: Names of files in the folder that the step reads.
        """
        num_workers = self.budget.num_workers
        with closing(self.engine.workers(self.stage_store, num_workers=num_workers, folder=self.folder)) as workers:
            bounds = partition_bounds(self.stage_store, self.inputs, key=self.key, num_partitions=num_partitions)
            self.progress.start("parting by key", total_rows=sum(rows.num_rows for rows in self.inputs.values()))
            for num_rows in workers.scatter(self._pieces(), bounds, schemas=self.schemas):
                self.progress.advance(rows=num_rows)
            self.progress.start(activity)
            for table in workers.gather(step, arguments, files=files):
                self.progress.advance(rows=table.num_rows)
                yield table

    def _pieces(self) -> list[Piece]:
        """What a worker can hold at once, about as much for each worker."""
        return [
            Piece(name, tuple(parts), tuple(_named(rows.schema, each) for each in self.key))
            for name, rows in self.inputs.items()
            for parts in self._neighbours(rows)
        ]

    def _neighbours(self, rows: StageRows) -> list[list[PartRecord]]:
        total = sum(each.num_rows for each in self.inputs.values())
        row_bytes = max(1, self.input_bytes // max(1, total))
        most = max(1, self.budget.piece_bytes // row_bytes)
        turns = math.ceil(rows.num_rows / (most * self.budget.num_workers))
        num_pieces = max(1, turns * self.budget.num_workers)
        pieces: list[list[PartRecord]] = []
        num_rows = row_start = 0
        piece = -1
        for part in rows.parts:
            wanted = (2 * row_start + part.num_rows) * num_pieces // (2 * max(1, rows.num_rows))  # by its middle
            row_start += part.num_rows
            if wanted != piece or num_rows + part.num_rows > most:
                pieces.append([])
                piece, num_rows = wanted, 0
            pieces[-1].append(part)
            num_rows += part.num_rows
        return pieces


def input_bytes(stage_store: StageStore, rows: StageRows, columns: Sequence[str]) -> int:
    """Arrow bytes of these columns, by the first part."""
    if not rows.num_rows:
        return 0
    first = next(stage_store.tables(replace(rows, parts=rows.parts[:1]), columns=columns))
    return int(first.nbytes * rows.num_rows / max(first.num_rows, 1))


def _named(schema: pa.Schema, name: str) -> str:
    """SQL names columns in any case."""
    return (
        name if name in schema.names else next(known for known in schema.names if known.casefold() == name.casefold())
    )
