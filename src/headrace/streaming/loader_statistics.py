"""What a loader did and where it waited."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from headrace.streaming.making import MadeBatch
from headrace.streaming.samples import FailedSample

__all__ = ["LoaderStatistics"]

_KEPT_FAILURES = 1_000
_LITTLE_WAITING = 0.05


@dataclass(slots=True)
class LoaderStatistics:
    """Counted over all epochs since the loader was made; seconds are wall time."""

    workers: str
    num_workers: int
    num_batches: int = 0
    num_samples: int = 0
    num_padding: int = 0
    num_failed: int = 0
    first_batch_seconds: float | None = None  # from the first iteration's start; opening the index and plan counts
    wait_seconds: float = 0.0  # that the consumer waited for batches
    work_seconds: float = 0.0  # from the first iteration's start to the last batch
    stage_seconds: dict[str, float] = field(default_factory=dict)  # summed over workers: read, transform, collate
    failed: list[FailedSample] = field(default_factory=list)  # the last 1,000
    _started: float | None = None
    _start_seconds: float = 0.0  # of the waits for first batches, what making these batches does not explain
    _hand_over_seconds: float = 0.0  # of all other waits, what stages side by side do not explain; may be negative

    def begin(self, started: float) -> None:
        """An iteration starts, or started then by `time.perf_counter`."""
        if self._started is None:
            self._started = started

    def count(self, made: MadeBatch, *, num_samples: int, num_padding: int, waited: float, is_first: bool) -> None:
        """One batch was handed over, the first of its iteration or another one."""
        making = sum(made.seconds.values())
        if is_first:
            self._start_seconds += max(0.0, waited - making)
        else:
            self._hand_over_seconds += waited - making / max(self.num_workers, 1)
        self.num_batches += 1
        self.num_samples += num_samples - num_padding
        self.num_padding += num_padding
        self.wait_seconds += waited
        self.work_seconds = time.perf_counter() - (self._started or 0.0)
        if self.first_batch_seconds is None:
            self.first_batch_seconds = self.work_seconds
        for stage, seconds in made.seconds.items():
            self.stage_seconds[stage] = self.stage_seconds.get(stage, 0.0) + seconds
        self.num_failed += len(made.failed)
        self.failed = [*self.failed, *made.failed][-_KEPT_FAILURES:] if made.failed else self.failed

    @property
    def samples_per_second(self) -> float:
        """Since the first iteration started."""
        return self.num_samples / self.work_seconds if self.work_seconds else 0.0

    @property
    def waits(self) -> dict[str, float]:
        """`wait_seconds` by what was waited for.

        "start" is opening the index and plan, starting workers, and the way of an epoch's first batch; "hand over" is
        what the stages of as many workers side by side do not explain: the way from a worker process, tensors and
        pinned memory, threads that wait for the interpreter. The rest is dealt to the stages by the time they took.
        """
        hand_over = max(0.0, self._hand_over_seconds)
        explained = max(0.0, self.wait_seconds - self._start_seconds - hand_over)
        total = sum(self.stage_seconds.values())
        stages = {name: explained * seconds / total for name, seconds in self.stage_seconds.items() if total}
        return {"start": self._start_seconds, "hand over": hand_over, **stages}

    @property
    def bottleneck(self) -> str:
        """What was waited for the longest, as in `waits`; the word consumer where batches waited for it."""
        if self.wait_seconds <= _LITTLE_WAITING * self.work_seconds:
            return "consumer"
        waits = self.waits
        return max(waits, key=lambda name: waits[name])

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        document = {name: value for name, value in asdict(self).items() if not name.startswith("_")}
        figures = {"samples_per_second": self.samples_per_second, "waits": self.waits, "bottleneck": self.bottleneck}
        return {**document, **figures}
