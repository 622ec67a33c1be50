"""Tasks and what becomes of them: one task is one whole batch, wherever it is made."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headrace.streaming.collating import Collate, collate, collate_columns
from headrace.streaming.ring import Slot
from headrace.streaming.samples import FailedSample, OutputBuffers, SampleMaker, Stage

__all__ = ["BatchMaker", "MadeBatch", "PackedBatch", "Task", "pack", "unpack"]


@dataclass(frozen=True, slots=True)
class Task:
    """What to make: rows of the provider in order."""

    number: int  # of tasks before, in the order they are wanted
    epoch: int
    step: int
    positions: np.ndarray  # int64 [num_samples]
    rows: np.ndarray  # int64 [num_samples]
    is_padding: np.ndarray  # bool [num_samples]
    position_end: int  # of the global batch: where the next step starts


@dataclass(slots=True)
class MadeBatch:
    """The fields of a batch and what happened on the way."""

    fields: Any  # dict, or whatever a collate function gave
    rows: np.ndarray  # int64 [num_samples], of which the samples were made
    failed: list[FailedSample] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)  # by stage


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """A batch whose arrays and bytes lie in a slot, so that little goes over a pipe."""

    fields: Any  # the same tree with `_InSlot` and `_BytesInSlot` in it
    rows: np.ndarray
    failed: list[FailedSample]
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class _InSlot:
    offset: int
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class _BytesInSlot:
    offset: int
    ends: list[int]  # of each value, from the offset


class BatchMaker:
    """Makes batches of tasks; the same for the same task, in any thread or process. Thread-safe."""

    def __init__(self, samples: SampleMaker, *, collate_samples: Collate | None) -> None:
        self._samples = samples
        self._collate = collate_samples

    def make(
        self, task: Task, *, allocate: Callable[[tuple[int, ...], np.dtype[Any]], np.ndarray], stage: Stage
    ) -> MadeBatch:
        """The batch of a task.

        Args:
            allocate: Gives room for large results of transforms.
            stage: Told where the work is.
        """
        if not self._samples.transforms and self._collate is None and self._samples.on_error == "raise":
            return self._raw(task, stage)
        started = time.perf_counter()
        failed: list[FailedSample] = []
        buffers = OutputBuffers(len(task.rows), allocate)
        found = self._samples.many(
            task.rows, positions=task.positions, epoch=task.epoch, buffers=buffers, stage=stage, failed=failed
        )
        stage.name = "collate"
        made = time.perf_counter()
        fields = collate(found.samples, buffers) if self._collate is None else self._collate(found.samples)
        done = time.perf_counter()
        stage.name = "done"
        read = stage.seconds.get("read", 0.0)
        seconds = {"read": read, "transform": made - started - read, "collate": done - made}
        return MadeBatch(fields, found.rows, failed, seconds)

    def _raw(self, task: Task, stage: Stage) -> MadeBatch:
        """Values as they were read, without a dict for each sample."""
        started = time.perf_counter()
        stage.name = "read"
        columns = self._samples.columns_of(task.rows)
        stage.name = "collate"
        read = time.perf_counter()
        fields = collate_columns(columns)
        stage.name = "done"
        return MadeBatch(fields, task.rows, [], {"read": read - started, "collate": time.perf_counter() - read})


def pack(made: MadeBatch, slot: Slot) -> PackedBatch:
    """Put arrays and bytes into the slot; what lies there already stays."""
    return PackedBatch(_packed(made.fields, slot), made.rows, made.failed, made.seconds)


def unpack(packed: PackedBatch, slot: Slot, *, is_copied: bool) -> MadeBatch:
    """The batch with arrays that lie in the slot, or with copies of them."""
    return MadeBatch(_unpacked(packed.fields, slot, is_copied), packed.rows, packed.failed, packed.seconds)


def _packed(value: Any, slot: Slot) -> Any:
    if isinstance(value, np.ndarray) and value.dtype != object and value.nbytes:
        offset = slot.offset_of(value)
        if offset is None:
            offset = slot.reserve(value.nbytes)
            np.copyto(slot.array(offset, value.shape, value.dtype), value)
        return _InSlot(offset, value.shape, value.dtype.str)
    if isinstance(value, dict):
        return {name: _packed(item, slot) for name, item in value.items()}
    if isinstance(value, list) and value and all(type(item) is bytes for item in value):
        ends = np.cumsum([len(item) for item in value]).tolist()
        offset = slot.reserve(ends[-1])
        view = slot.array(offset, (ends[-1],), np.dtype(np.uint8)).data
        start = 0
        for item, end in zip(value, ends):
            view[start:end] = item
            start = end
        return _BytesInSlot(offset, ends)
    return value


def _unpacked(value: Any, slot: Slot, is_copied: bool) -> Any:
    if isinstance(value, _InSlot):
        array = slot.array(value.offset, value.shape, np.dtype(value.dtype))
        return array.copy() if is_copied else array
    if isinstance(value, _BytesInSlot):
        view = slot.array(value.offset, (value.ends[-1],), np.dtype(np.uint8)).data
        return [bytes(view[start:end]) for start, end in zip([0, *value.ends], value.ends)]
    if isinstance(value, dict):
        return {name: _unpacked(item, slot, is_copied) for name, item in value.items()}
    return value
