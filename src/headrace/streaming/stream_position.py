"""Where a stream is, and how it moves on: the one place that changes a state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from headrace.errors import InvalidInput
from headrace.streaming.making import Task
from headrace.streaming.placement import Placement
from headrace.streaming.plan import Plan
from headrace.streaming.schedule import steps_left, tasks
from headrace.streaming.state import StreamState, epoch_number

if TYPE_CHECKING:
    from headrace.streaming.dataset import StreamingDataset

__all__ = ["StreamPosition"]


class StreamPosition:
    """A state over a dataset and the plan that it walks. For one thread."""

    def __init__(self, data: StreamingDataset, *, global_batch: int, drop_last: bool) -> None:
        self._data = data
        self._global_batch = global_batch
        self._drop_last = drop_last
        self._plan: Plan = data.plan
        self.state: StreamState = data.start(global_batch=global_batch)
        if len(data) == 0:
            raise InvalidInput(f"{data!r} has no samples: nothing matches, or the source is empty")
        if drop_last and len(data) < global_batch:
            raise InvalidInput(
                f"{len(data)} samples make no global batch of {global_batch}: use a smaller one, or drop_last=False"
            )

    def _steps_left(self, state: StreamState) -> int:
        return steps_left(
            state.current.end,
            num_samples=state.current.order.num_samples,
            global_batch=self._global_batch,
            drop_last=self._drop_last,
        )

    def tasks(self, placement: Placement, *, first_number: int = 0, skip: int = 0, stride: int = 1) -> Iterator[Task]:
        """The tasks of a rank to the end of the epoch."""
        current = self.state.current
        return tasks(
            self._plan,
            current.order,
            epoch=current.epoch,
            start=current.end,
            first_step=self.state.steps,
            global_batch=self._global_batch,
            placement=placement,
            drop_last=self._drop_last,
            first_number=first_number,
            skip=skip,
            stride=stride,
        )

    def consumed(self, begun: StreamState, task: Task) -> StreamState:
        """The state once the batch of a task of the epoch that was begun is consumed, the last one included."""
        segment = replace(begun.current, end=task.position_end)
        return StreamState((*begun.segments[:-1], segment), task.step + 1)

    def after(self, begun: StreamState, task: Task) -> StreamState:
        """The same, but after the last batch the start of the next epoch."""
        state = self.consumed(begun, task)
        return self._data.next_epoch(begun) if self._steps_left(state) == 0 else state

    def advance(self, state: StreamState) -> None:
        """Be there, and walk the plan that belongs to it: what remains of a changed epoch ends with the epoch."""
        if state.current.epoch != self.state.current.epoch:
            self._plan = self._data.plan
        self.state = state

    def finish_epoch(self, begun: StreamState) -> None:
        """The epoch that was under way in `begun` is over."""
        if self.state.current.epoch == begun.current.epoch:
            self.advance(self._data.next_epoch(begun))

    def go_to(self, epoch: int) -> None:
        """The start of an epoch, unless the stream stands in it already."""
        if self.state.current.epoch != epoch_number(epoch):
            self.restart(epoch)

    def restart(self, epoch: int) -> None:
        """The start of an epoch, also of the one that the stream stands in."""
        before = replace(self.state.current, epoch=epoch_number(epoch) - 1)
        self._plan = self._data.plan
        self.state = self._data.next_epoch(StreamState((before,)))

    def load(self, document: Mapping[str, Any], *, changed: bool) -> None:
        """Take over a stored state; as `StreamingDataset.resumed`."""
        self.state, self._plan = self._data.resumed(document, changed=changed)
