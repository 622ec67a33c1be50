"""Partitions in processes of this machine: rows lie in files of one folder between the two steps."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.curation.stage_rows import StageStore
from headrace.curation.table_stages.gathering import read_gathered
from headrace.curation.table_stages.memory_budget import MemoryBudget, divide_memory
from headrace.curation.table_stages.partition_views import PartitionView
from headrace.curation.table_stages.partition_workers import PartitionWorkers, Piece
from headrace.curation.table_stages.worker_pool import Task, WorkerPool
from headrace.datasets.columns import schema_to_json
from headrace.storage.parts import PartRecord

__all__ = ["LocalTables", "fetch_part"]


@dataclass(frozen=True, slots=True)
class LocalTables:
    """Processes of this machine."""

    num_workers: int

    def budget(self, memory_bytes: int) -> MemoryBudget:
        """The memory is that of this process and all workers together."""
        return divide_memory(memory_bytes, num_workers=self.num_workers)

    def workers(self, stage_store: StageStore, *, num_workers: int, folder: Path) -> PartitionWorkers:
        """Processes that start at once, while the caller still prepares."""
        return _LocalWorkers(stage_store, num_workers, folder)


@dataclass(frozen=True, slots=True)
class _Scattered:
    """A file that a worker has written."""

    file: str
    starts: Sequence[int]  # [num_partitions + 1], each partition's first batch


class _LocalWorkers:
    """A pool, and the files that its workers left."""

    def __init__(self, stage_store: StageStore, num_workers: int, folder: Path) -> None:
        self._stage_store = stage_store
        self._folder = folder
        self._pool = WorkerPool(num_workers)
        self._scattered: dict[str, list[_Scattered]] = {}
        self._schemas: dict[str, pa.Schema] = {}
        self._num_partitions = 0
        try:
            self._pool.start()
        except BaseException:
            self._pool.close()
            raise

    def scatter(self, pieces: Sequence[Piece], bounds: pa.Table, *, schemas: Mapping[str, pa.Schema]) -> Iterator[int]:
        """One file for each piece."""
        self._schemas = dict(schemas)
        self._scattered = {name: [] for name in schemas}
        self._num_partitions = bounds.num_rows + 1
        edges = self._folder / "bounds.arrow"
        with pa.OSFile(str(edges), "wb") as sink, pa.ipc.new_file(sink, bounds.schema) as writer:
            writer.write_table(bounds)
        tasks = [self._scatter_task(piece, idx, edges) for idx, piece in enumerate(pieces)]
        for piece, task, answer in zip(pieces, tasks, self._pool.submit(tasks), strict=True):
            result = answer.result()
            self._scattered[piece.name].append(_Scattered(task.arguments["out"], result["starts"]))
            yield int(result["rows"])

    def gather(self, step: str, arguments: Mapping[str, Any], *, files: Sequence[str]) -> Iterator[pa.Table]:
        """Each partition's result is a file that is removed when it was read. `files` are where the workers look."""
        tasks = [
            Task(
                step,
                {
                    **arguments,
                    "views": self._views(partition),
                    "folder": str(self._folder),
                    "out": str(self._folder / f"gathered-{partition}.arrow"),
                },
            )
            for partition in range(self._num_partitions)
        ]
        for task, answer in zip(tasks, self._pool.submit(tasks)):
            answer.result()
            out = Path(task.arguments["out"])
            yield from read_gathered(out)
            out.unlink()

    def close(self) -> None:
        """Kill the processes; the folder is the caller's to remove."""
        self._pool.close()

    def _views(self, partition: int) -> dict[str, Any]:
        return {
            name: PartitionView(
                self._schemas[name],
                tuple((each.file, each.starts[partition], each.starts[partition + 1]) for each in found),
            ).to_json()
            for name, found in self._scattered.items()
        }

    def _scatter_task(self, piece: Piece, idx: int, edges: Path) -> Task:
        files = [self._folder / f"{piece.name}-{idx}-{number}.parquet" for number in range(len(piece.parts))]

        def fetch() -> None:
            for part, file in zip(piece.parts, files):
                fetch_part(self._stage_store, part, file)

        def remove() -> None:
            for file in files:
                file.unlink(missing_ok=True)

        arguments = {
            "files": [str(file) for file in files],
            "schema": schema_to_json(self._schemas[piece.name]),
            "key": list(piece.key),
            "bounds": str(edges),
            "out": str(self._folder / f"scattered-{idx}.arrow"),
        }
        return Task("scatter", arguments, prepare=fetch, finish=remove)


def fetch_part(stage_store: StageStore, part: PartRecord, file: Path) -> None:
    """Bring a part to a file, which appears when it is whole."""
    temporary = file.with_name(f"{file.name}.partial")
    temporary.write_bytes(stage_store.part_data(part))
    os.replace(temporary, file)
