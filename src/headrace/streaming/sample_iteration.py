"""Iterating a dataset without our loader: single samples, or whole batches for torch's DataLoader.

In workers of torch's loader every iteration that was begun, finished or left, is followed by the next epoch, because
workers run ahead of their consumer. Where there are none, an iteration that was left goes on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.errors import InvalidInput
from headrace.streaming.batch import Batch
from headrace.streaming.making import BatchMaker
from headrace.streaming.placement import Placement
from headrace.streaming.samples import OutputBuffers, Sample, Stage
from headrace.streaming.schedule import tasks
from headrace.streaming.shared_place import Place, SharedPlace
from headrace.streaming.state import StreamState, epoch_number
from headrace.streaming.stream_position import StreamPosition
from headrace.streaming.topology import find_placement
from headrace.streaming.torch_face import TorchWorker, torch_worker, trainer_pid

if TYPE_CHECKING:
    from headrace.streaming.dataset import StreamingDataset

__all__ = ["DatasetBatches", "DatasetSamples", "find_placement_of"]

_SAMPLES_AHEAD = 64  # read together where single samples are taken


def find_placement_of(data: StreamingDataset) -> Placement:
    """Where this process stands among the ranks."""
    rank, world_size, mesh = data.topology
    return find_placement(rank=rank, world_size=world_size, mesh=mesh)


class DatasetSamples:
    """Single samples of a dataset; all workers of all ranks together have each sample once an epoch."""

    def __init__(self, data: StreamingDataset, shared: SharedPlace, *, start: int = 0) -> None:
        self._data = data
        self._shared = shared
        self.start = start  # the epoch that comes next

    def set_epoch(self, epoch: int) -> None:
        """Take this epoch next."""
        self.start = epoch_number(epoch)
        if torch_worker() is None:
            self._shared.say({"epoch": self.start})

    def __iter__(self) -> Iterator[Sample]:
        worker = torch_worker()
        if worker is None:
            begun = self._shared.forget()
            epoch = self.start if begun is None else begun["epoch"] + 1
        else:
            epoch = self._shared.join(worker, stands_at={"epoch": self.start}, following=_next_epoch)["epoch"]
        self.start = epoch + 1
        return _samples(self._data, epoch=epoch, worker=worker)


def _next_epoch(place: Place) -> Place:
    return {"epoch": place["epoch"] + 1}


def _samples(data: StreamingDataset, *, epoch: int, worker: TorchWorker | None) -> Iterator[Sample]:
    placement = find_placement_of(data)
    number, workers = (0, 1) if worker is None else worker.own
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


class DatasetBatches:
    """Whole batches of a dataset with `batch_size`, made where they are asked for; exact in torch's workers too.

    Worker w of n takes steps w, w + n, …, which torch's loader puts in order again.
    """

    def __init__(self, data: StreamingDataset, shared: SharedPlace, *, start: int | Place = 0) -> None:
        self._data = data
        self._shared = shared
        self._start = start
        self._opened: StreamPosition | None = None
        self._trainer = 0  # the process for whose rank it was opened
        self._placement = Placement(0, 1)
        self._worker_state: StreamState | None = None  # what a worker of torch's loader made
        self._is_own = False  # a worker's state was loaded in it, or it was told the epoch there
        self._left_in = 0  # the worker process that began an iteration and did not finish it

    @property
    def _position(self) -> StreamPosition:
        if self._opened is None or self._trainer != trainer_pid():  # a fork may be another rank
            start = self.start
            self._trainer, self._placement = trainer_pid(), find_placement_of(self._data)
            position = StreamPosition(self._data, global_batch=self._global_batch, drop_last=self._data.drop_last)
            if isinstance(start, int):
                position.go_to(start)
            else:
                position.load(start, changed=False)
            self._opened = position
        return self._opened

    @property
    def _global_batch(self) -> int:
        return (self._data.batch_size or 1) * self._placement.world

    @property
    def start(self) -> int | Place:
        """What a copy needs to stand here: an epoch if that says it all, so that the copy may be of another rank."""
        if self._opened is None:
            return self._start
        state = self._opened.state
        current = state.current
        is_start = len(state.segments) == 1 and current.end == 0
        if is_start and current.order == self._data.order(global_batch=self._global_batch):
            return current.epoch
        return state.to_json()

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch, unless the stream stands inside of it."""
        position = self._position
        if torch_worker() is not None:
            position.go_to(epoch)
            self._is_own, self._worker_state = True, None
            return
        begun = self._shared.begun()
        if begun is None:
            position.go_to(epoch)
        else:
            epoch = epoch_number(epoch)
            position.load(begun, changed=False)
            position.restart(epoch)
        self._shared.say(position.state.to_json())

    def __iter__(self) -> Iterator[Any]:
        worker = torch_worker()
        position = self._position
        if worker is None:
            begun = self._shared.forget()
            if begun is not None:
                position.load(self._following(begun), changed=False)
            return self._made(None, skip=0)
        # Settled now, not with the first batch, so that a worker that gets no further has joined this iteration.
        is_own, self._is_own = self._is_own, False
        stands_at = position.state.to_json()
        if self._left_in == os.getpid() and not is_own:
            stands_at = self._following(stands_at)
        place = self._shared.join(worker, stands_at=stands_at, following=self._following, is_own=is_own)
        self._left_in = os.getpid()
        if not is_own:
            position.load(place, changed=False)
            self._worker_state = None
        # A state of this very worker: the steps up to its next one are the others'.
        return self._made(worker, skip=worker.number if self._worker_state is None else worker.num_workers - 1)

    def _made(self, worker: TorchWorker | None, *, skip: int) -> Iterator[Any]:
        position = self._position
        maker = BatchMaker(self._data.maker, collate_samples=None)
        begun = position.state
        stride = 1 if worker is None else worker.num_workers
        for task in position.tasks(self._placement, skip=skip, stride=stride):
            made = maker.make(task, allocate=np.empty, stage=Stage())
            after = position.after(begun, task)
            if worker is None:
                position.advance(after)
            else:  # all workers go on to the next epoch together, whoever makes its last batch
                position.state = self._worker_state = position.consumed(begun, task)
            yield Batch.of(made, task, state=after)
        position.finish_epoch(begun)
        if worker is None:
            self._shared.forget()  # what was said while this iteration ran
        else:
            self._worker_state = _at_the_end(self._worker_state or begun)
            self._left_in = 0

    def _following(self, place: Place) -> Place:
        return self._data.next_epoch(StreamState.from_json(place)).to_json()

    def state_dict(self) -> dict[str, Any]:
        """Where this process's iteration is.

        Raises:
            InvalidInput: Workers iterate copies, and this is the trainer, which cannot know what it took of theirs.
        """
        worker = torch_worker()
        if worker is not None and self._worker_state is not None:
            return {**self._worker_state.to_json(), "worker": list(worker.own)}
        if worker is None and self._shared.begun() is not None:
            raise InvalidInput(
                "workers of torch's DataLoader iterate copies of this dataset, which does not know what was consumed. "
                "Ask the last batch: batch.state_dict(); or use torchdata's StatefulDataLoader and ask that"
            )
        return self._position.state.to_json()

    def load_state_dict(self, document: Mapping[str, Any]) -> None:
        """Go on from a state in the next iteration."""
        position = self._position
        position.load(document, changed=False)
        worker = torch_worker()
        if worker is None:
            self._shared.say(position.state.to_json())
            return
        self._is_own = True
        self._worker_state = position.state if document.get("worker") == list(worker.own) else None


def _at_the_end(state: StreamState) -> StreamState:
    """The same epoch with nothing left of it."""
    current = state.current
    return StreamState((*state.segments[:-1], replace(current, end=current.order.num_samples)), state.steps)
