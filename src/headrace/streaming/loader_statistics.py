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
    first_batch_seconds: float | None = None  # from the first iteration's start
    wait_seconds: float = 0.0  # that the consumer waited for batches
    work_seconds: float = 0.0  # from the first request to the last batch
    stage_seconds: dict[str, float] = field(default_factory=dict)  # summed over workers: read, transform, collate
    failed: list[FailedSample] = field(default_factory=list)  # the last 1,000
    _started: float | None = None

    def begin(self) -> None:
        """An iteration starts."""
        if self._started is None:
            self._started = time.perf_counter()

    def count(self, made: MadeBatch, *, num_samples: int, num_padding: int, waited: float) -> None:
        """One batch was handed over."""
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
    def bottleneck(self) -> str:
        """The word consumer where batches waited for it, else the stage that took the most time."""
        if not self.stage_seconds or self.wait_seconds < _LITTLE_WAITING * self.work_seconds:
            return "consumer"
        return max(self.stage_seconds, key=lambda stage: self.stage_seconds[stage])

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        document = asdict(self)
        del document["_started"]
        return {**document, "samples_per_second": self.samples_per_second, "bottleneck": self.bottleneck}
