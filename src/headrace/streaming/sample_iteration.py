"""Iterating a dataset without our loader: single samples, or whole batches for torch's DataLoader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.streaming.batch import Batch
from headrace.streaming.making import BatchMaker
from headrace.streaming.placement import Placement
from headrace.streaming.samples import OutputBuffers, Sample, Stage
from headrace.streaming.schedule import tasks
from headrace.streaming.state import StreamState
from headrace.streaming.stream_position import StreamPosition
from headrace.streaming.topology import find_placement
from headrace.streaming.torch_face import worker_share

if TYPE_CHECKING:
    from headrace.streaming.dataset import StreamingDataset

__all__ = ["DatasetBatches", "iterate_samples"]

_SAMPLES_AHEAD = 64  # read together where single samples are taken


def iterate_samples(data: StreamingDataset, *, epoch: int) -> Iterator[Sample]:
    """This worker's samples of one epoch; all workers of all ranks together have each sample once."""
    placement = find_placement_of(data)
    number, workers = worker_share()
    maker = data.maker
    global_batch = _SAMPLES_AHEAD * placement.world
    order = data.order(global_batch=global_batch)
    for task in tasks(
        data.plan, order, epoch=epoch, start=0, first_step=0, global_batch=global_batch, placement=placement,
        drop_last=False, skip=number, stride=workers,
    ):  # fmt: skip
        rows = task.rows[~task.is_padding]
        yield from maker.many(
            rows,
            positions=task.positions,
            epoch=epoch,
            buffers=OutputBuffers(len(rows), np.empty),
            stage=Stage(),
            failed=[],
        ).samples


def find_placement_of(data: StreamingDataset) -> Placement:
    """Where this process stands among the ranks."""
    rank, world_size, mesh = data.topology
    return find_placement(rank=rank, world_size=world_size, mesh=mesh)


class DatasetBatches:
    """Whole batches of a dataset with `batch_size`, made where they are asked for; exact in torch's workers too.

    Worker w of n takes steps w, w + n, …, which torch's loader puts in order again.
    """

    def __init__(self, data: StreamingDataset) -> None:
        self._data = data
        self._placement = find_placement_of(data)
        self._global_batch = (data.batch_size or 1) * self._placement.world
        self._position = StreamPosition(data, global_batch=self._global_batch, drop_last=data.drop_last)
        self._worker_state: tuple[StreamState, int, int] | None = None  # of a worker of torch's loader
        self._resumed_worker: tuple[int, int] | None = None
        self._is_fresh = True  # at a place that all workers know: a start, or a state that was loaded

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch, unless the stream stands inside of it."""
        if self._position.state.current.epoch != epoch:
            self._position.go_to(epoch)
            self._worker_state = None
            self._resumed_worker = None

    def __iter__(self) -> Iterator[Any]:
        position = self._position
        number, workers = worker_share()
        if workers > 1 and not self._is_fresh and position.state.current.end:
            # Left early: each worker stands elsewhere, and only the start of an epoch is the same for all.
            position.go_to(position.state.current.epoch + 1)
        self._is_fresh = False
        skip = number
        if self._resumed_worker == (number, workers):
            skip = workers - 1  # the state is this worker's own: the steps up to its next one are the others'
        self._resumed_worker = None
        maker = BatchMaker(self._data.maker, collate_samples=None)
        begun = position.state
        for task in position.tasks(self._placement, skip=skip, stride=workers):
            made = maker.make(task, allocate=np.empty, stage=Stage())
            after = position.after(begun, task)
            if workers == 1:
                position.advance(after)
            else:  # all workers go on to the next epoch together, whoever makes its last batch
                position.state = position.consumed(begun, task)
                self._worker_state = (position.state, number, workers)
            yield Batch.of(made, task, state=after)
        position.finish_epoch(begun)
        self._is_fresh = True
        if workers > 1:
            ended = begun if self._worker_state is None else self._worker_state[0]
            self._worker_state = (_at_the_end(ended), number, workers)

    def state_dict(self) -> dict[str, Any]:
        """Where this process's iteration is; with torch's workers each knows its own, and the main process none."""
        if self._worker_state is None:
            return self._position.state.to_json()
        state, number, workers = self._worker_state
        return {**state.to_json(), "worker": [number, workers]}

    def load_state_dict(self, document: Mapping[str, Any]) -> None:
        """Go on from a state in the next iteration."""
        self._position.load(document, changed=False)
        self._is_fresh = True
        worker = document.get("worker")
        self._resumed_worker = None if worker is None else (worker[0], worker[1])


def _at_the_end(state: StreamState) -> StreamState:
    """The same epoch with nothing left of it."""
    current = state.current
    return StreamState((*state.segments[:-1], replace(current, end=current.order.num_samples)), state.steps)
