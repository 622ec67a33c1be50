"""Rows dealt to partitions of a key: files that workers wrote, and which of their batches are a partition's."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from headrace.curation.stage_rows import StageRows, StageStore
from headrace.curation.table_stages.memory_budget import MemoryBudget
from headrace.curation.table_stages.partition_bounds import partition_bounds
from headrace.curation.table_stages.partition_views import PartitionView
from headrace.curation.table_stages.worker_pool import Task, WorkerPool
from headrace.datasets.columns import schema_to_json
from headrace.progress import Progress
from headrace.storage.parts import PartRecord

__all__ = ["Exchange", "input_bytes"]


@dataclass(frozen=True, slots=True)
class _Scattered:
    """A file that a worker has written."""

    file: str
    starts: Sequence[int]  # [num_partitions + 1], each partition's first batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What is dealt, by what, and where to.

    Attributes:
        schemas: Of each input, the columns to take and the types to give them.
        input_bytes: Arrow bytes of these columns, estimated.
        folder: For the files; the caller removes it.
    """

    stage_store: StageStore
    inputs: Mapping[str, StageRows]
    schemas: Mapping[str, pa.Schema]
    key: Sequence[str]
    input_bytes: int
    budget: MemoryBudget
    folder: Path
    progress: Progress

    def partitions(self, pool: WorkerPool, *, num_partitions: int) -> list[dict[str, PartitionView]]:
        """The rows of each input by its name, partition by partition, ascending by key; equal keys are together."""
        bounds = partition_bounds(self.stage_store, self.inputs, key=self.key, num_partitions=num_partitions)
        scattered = self._scatter(pool, bounds)
        return [
            {
                name: PartitionView(
                    self.schemas[name],
                    tuple((each.file, each.starts[partition], each.starts[partition + 1]) for each in found),
                )
                for name, found in scattered.items()
            }
            for partition in range(bounds.num_rows + 1)
        ]

    def fetch(self, part: PartRecord, file: str) -> None:
        """Bring a part to a file, which appears when it is whole."""
        temporary = f"{file}.partial"
        Path(temporary).write_bytes(self.stage_store.part_data(part))
        os.replace(temporary, file)

    def _scatter(self, pool: WorkerPool, bounds: pa.Table) -> dict[str, list[_Scattered]]:
        """Files of each input, cut at the bounds."""
        edges = self.folder / "bounds.arrow"
        with pa.OSFile(str(edges), "wb") as sink, pa.ipc.new_file(sink, bounds.schema) as writer:
            writer.write_table(bounds)
        self.progress.start("parting by key", total_rows=sum(rows.num_rows for rows in self.inputs.values()))
        names: list[str] = []
        tasks: list[Task] = []
        for name, rows in self.inputs.items():
            for piece in self._pieces(rows):
                tasks.append(self._scatter_task(name, len(tasks), piece, edges))
                names.append(name)
        found: dict[str, list[_Scattered]] = {name: [] for name in self.inputs}
        for name, task, answer in zip(names, tasks, pool.submit(tasks), strict=True):
            result = answer.result()
            self.progress.advance(rows=result["rows"])
            found[name].append(_Scattered(task.arguments["out"], result["starts"]))
        return found

    def _pieces(self, rows: StageRows) -> list[list[PartRecord]]:
        """Neighbouring parts that a worker can hold at once, about as much for each worker."""
        total = sum(each.num_rows for each in self.inputs.values())
        row_bytes = max(1, self.input_bytes // max(1, total))
        most = max(1, self.budget.piece_bytes // row_bytes)
        turns = math.ceil(rows.num_rows / (most * self.budget.num_workers))
        even = math.ceil(rows.num_rows / max(1, turns * self.budget.num_workers))
        pieces: list[list[PartRecord]] = []
        num_rows = even
        for part in rows.parts:
            if num_rows + part.num_rows / 2 > even or num_rows + part.num_rows > most:
                pieces.append([])
                num_rows = 0
            pieces[-1].append(part)
            num_rows += part.num_rows
        return pieces

    def _scatter_task(self, name: str, idx: int, piece: Sequence[PartRecord], edges: Path) -> Task:
        files = [str(self.folder / f"{name}-{idx}-{number}.parquet") for number in range(len(piece))]

        def fetch() -> None:
            for part, file in zip(piece, files):
                self.fetch(part, file)

        def remove() -> None:
            for file in files:
                Path(file).unlink(missing_ok=True)

        arguments = {
            "files": files,
            "schema": schema_to_json(self.schemas[name]),
            "key": [_named(self.inputs[name].schema, each) for each in self.key],
            "bounds": str(edges),
            "out": str(self.folder / f"scattered-{idx}.arrow"),
        }
        return Task("scatter", arguments, prepare=fetch, finish=remove)


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
