"""Partitions of table stages as Ray tasks; what was dealt lies in Ray's object store."""

from __future__ import annotations

import itertools
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.curation.ray_engine.blocks import block_of
from headrace.curation.ray_engine.cluster import RayCluster
from headrace.curation.ray_engine.table_tasks import PartitionTask, ScatterTask, get_ready, run_partition, run_scatter
from headrace.curation.stage_rows import StageStore
from headrace.curation.table_stages.memory_budget import MemoryBudget, memory_of_each
from headrace.curation.table_stages.partition_workers import PartitionWorkers, Piece
from headrace.datasets.columns import schema_to_json
from headrace.errors import HeadraceError, Unavailable

__all__ = ["RayTables"]

_MAX_RETRIES = 5
_MOST_OBJECTS = 20_000
"""Of one exchange: with many pieces, neighbouring partitions lie in one object."""
_AHEAD = 3
"""Partitions of each worker that are asked for before they are read."""


@dataclass(frozen=True, slots=True)
class RayTables:
    """Tasks on a cluster.

    Attributes:
        make_room: Called before tasks are asked for: gives back what else the run holds of the cluster.
    """

    cluster: RayCluster
    make_room: Callable[[], None]

    @property
    def num_workers(self) -> int:
        """Tasks at once."""
        return self.cluster.num_workers

    def budget(self, memory_bytes: int) -> MemoryBudget:
        """The memory is that of this process, and of each worker."""
        return memory_of_each(memory_bytes, num_workers=self.num_workers)

    def workers(self, stage_store: StageStore, *, num_workers: int, folder: Path) -> PartitionWorkers:
        """Tasks of one exchange."""
        self.make_room()
        return _RayWorkers(self.cluster, stage_store, num_workers, folder)


class _RayWorkers:
    """What Ray was asked for. Objects go when nobody here refers to them, also where this process is killed."""

    def __init__(self, cluster: RayCluster, stage_store: StageStore, num_workers: int, folder: Path) -> None:
        self._ray = cluster.api
        self._scratch = cluster.scratch
        self._stage_store = stage_store
        self._num_workers = num_workers
        self._folder = folder
        self._exchange = f"exchange-{secrets.token_hex(8)}"
        self._schemas: dict[str, Any] = {}
        self._objects: dict[str, list[list[Any]]] = {}  # of each input, piece and group
        self._group_sizes: list[int] = []
        self._asked: deque[Any] = deque()
        ready = self._ray.remote(get_ready).options(num_cpus=1, max_retries=0, scheduling_strategy="SPREAD")
        self._starting = [ready.remote() for _ in range(num_workers)]  # while the caller still prepares

    def scatter(self, pieces: Sequence[Piece], bounds: pa.Table, *, schemas: Mapping[str, pa.Schema]) -> Iterator[int]:
        """Of each piece an object for each partition, or for several neighbours."""
        ray = self._ray
        num_partitions = bounds.num_rows + 1
        num_groups = min(num_partitions, max(1, _MOST_OBJECTS // max(1, len(pieces))))
        ends = [num_partitions * idx // num_groups for idx in range(num_groups + 1)]
        self._group_sizes = [end - start for start, end in itertools.pairwise(ends)]
        self._schemas = {name: schema_to_json(schema) for name, schema in schemas.items()}
        self._objects = {name: [] for name in schemas}
        scatter = ray.remote(run_scatter).options(
            num_cpus=1, num_returns=num_groups + 1, max_retries=_MAX_RETRIES, scheduling_strategy="SPREAD"
        )
        edges = ray.put(block_of(bounds.to_batches(), bounds.schema, keeps_empty=True))
        for piece in pieces:
            task = ScatterTask(
                self._stage_store.store.uri,
                self._stage_store.base,
                tuple((part.digest, part.size, part.num_rows) for part in piece.parts),
                self._schemas[piece.name],
                piece.key,
                tuple(self._group_sizes),
            )
            num_rows, *objects = scatter.remote(task, edges)
            self._asked.append(num_rows)
            self._objects[piece.name].append(objects)
        with _told():
            while self._asked:
                yield int(ray.get(self._asked[0]))
                self._asked.popleft()

    def gather(self, step: str, arguments: Mapping[str, Any], *, files: Sequence[str]) -> Iterator[pa.Table]:
        """A few partitions ahead of the one that is read, so that results do not pile up."""
        ray = self._ray
        shared = ray.put({name: (self._folder / name).read_bytes() for name in files})
        partition = ray.remote(run_partition).options(num_cpus=1, max_retries=_MAX_RETRIES)
        coming = self._tasks(step, arguments)
        with _told():
            while True:
                for task, objects in itertools.islice(coming, _AHEAD * self._num_workers - len(self._asked)):
                    self._asked.append(partition.remote(task, shared, *objects))
                if not self._asked:
                    return
                block = ray.get(self._asked[0])
                self._asked.popleft()
                if len(block):
                    for batch in pa.ipc.open_stream(pa.py_buffer(block)):
                        yield pa.Table.from_batches([batch])

    def close(self) -> None:
        """Let go of all objects. What still runs ends with the connection, or by itself after its partition.

        It is not cancelled: where a task ends in the same moment, Ray 2.60 then aborts this whole process (a failed
        check in task_manager.cc).
        """
        self._asked.clear()
        self._starting = []
        self._objects = {}

    def _tasks(self, step: str, arguments: Mapping[str, Any]) -> Iterator[tuple[PartitionTask, list[Any]]]:
        inputs = tuple((name, self._schemas[name], len(found)) for name, found in self._objects.items())
        for group, size in enumerate(self._group_sizes):
            objects = [piece[group] for found in self._objects.values() for piece in found]
            for found in self._objects.values():
                for piece in found:
                    piece[group] = None  # so that it goes with its last partition
            for place in range(size):
                yield PartitionTask(step, arguments, inputs, place, self._exchange, self._scratch), objects


@contextmanager
def _told() -> Iterator[None]:
    """Errors of tasks as those of this process."""
    from ray.exceptions import RayError, RayTaskError

    try:
        yield
    except RayTaskError as error:
        if isinstance(error.cause, HeadraceError):
            raise error.cause from None
        raise
    except RayError as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise Unavailable(
            f"a task on the Ray cluster was lost {_MAX_RETRIES + 1} times, or what it made cannot be made again: "
            f"{lines[0]}. If nodes run out of memory, run with a smaller --memory; the next run goes on from here"
        ) from error
