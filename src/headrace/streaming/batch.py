"""A batch as users see it: samples side by side, and where in the stream they stand."""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace.streaming.making import MadeBatch, Task
from headrace.streaming.restore_keys import RestoreKey, name_of_rows
from headrace.streaming.samples import FailedSample
from headrace.streaming.state import StreamState

__all__ = ["Batch"]


class Batch(dict[str, Any]):
    """Fields of all samples: numbers and arrays stacked, [batch, ...], everything else a list.

    Attributes:
        positions: Place of each sample in the epoch, int64 [batch].
        padding: Whether a sample repeats another so that all ranks take equally many, bool [batch]; leave these out of
            sums and counts.
        epoch: Zero-based.
        step: Steps of this epoch before this one.
        rows: Number of each sample's row in the source, int64 [batch].
        failed: Quarantine records of samples whose place another one took.
    """

    positions: np.ndarray
    padding: np.ndarray
    rows: np.ndarray
    epoch: int
    step: int
    failed: tuple[FailedSample, ...]
    state: StreamState

    @classmethod
    def of(cls, made: MadeBatch, task: Task, *, state: StreamState) -> Any:
        """The batch as users see it; what a collate function gave is left as it is unless it is a dict."""
        if not isinstance(made.fields, dict):
            return made.fields
        batch = cls(made.fields)
        batch.positions, batch.padding, batch.rows = task.positions, task.is_padding, made.rows
        batch.epoch, batch.step, batch.failed, batch.state = task.epoch, task.step, tuple(made.failed), state
        return batch

    def state_dict(self) -> dict[str, Any]:
        """The state after this batch; `load_state_dict` goes on with the next one."""
        return self.state.to_json()

    def restore_keys(self) -> list[str]:
        """What `data.restore` makes each sample of again, over the same rows with the same seed."""
        segment = self.state.current
        rows = name_of_rows(segment.rows)
        return [str(RestoreKey(rows, segment.order.seed, self.epoch, row)) for row in self.rows.tolist()]

    def __repr__(self) -> str:
        fields = ", ".join(f"{name} {_form(value)}" for name, value in self.items())
        return f"<Batch epoch {self.epoch} step {self.step}: {fields}>"


def _form(value: object) -> str:
    shape = getattr(value, "shape", None)
    return f"{getattr(value, 'dtype', '')}{list(shape)}" if shape is not None else f"{type(value).__name__}"
