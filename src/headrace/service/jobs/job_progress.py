"""Progress of a job, written to the database a few times a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["JobProgress", "WriteProgress"]

_SECONDS_BETWEEN_WRITES = 0.25


class WriteProgress(Protocol):
    """Writes the state of a stage."""

    def __call__(self, *, activity: str | None, rows_done: int, rows_total: int | None) -> None: ...


class JobProgress:
    """A `headrace.progress.Progress`; each call first runs `check`, which raises where the work must stop."""

    def __init__(
        self,
        write: WriteProgress,
        *,
        check: Callable[[], None],
        seconds_between_writes: float = _SECONDS_BETWEEN_WRITES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._check = check
        self._seconds_between_writes = seconds_between_writes
        self._clock = clock
        self._lock = threading.Lock()  # the runner's thread writes what came too soon
        self._activity: str | None = None
        self._rows_done = 0
        self._rows_total: int | None = None
        self._written_at = float("-inf")
        self._is_written = True
        self._is_finished = False

    def start(self, stage: str, *, total_rows: int | None = None, total_bytes: int | None = None) -> None:
        """Go on to `stage`; bytes are not kept."""
        self._check()
        with self._lock:
            self._activity, self._rows_done, self._rows_total = stage, 0, total_rows
            self._is_written = False
            self._write_if_due()
        self._check()

    def advance(self, rows: int = 0, bytes: int = 0) -> None:  # noqa: A002 - the unit is the name
        """Count rows; bytes are not kept."""
        self._check()
        with self._lock:
            self._rows_done += rows
            self._is_written = False
            self._write_if_due()
        self._check()

    def finish(self) -> None:
        """Write what is not written; raises nothing, because it is called where an error may be on its way."""
        if not self._is_finished:
            self._is_finished = True
            with self._lock:
                self._write_rest()

    def write_late(self) -> None:
        """Write what came too soon behind the last write; for another thread, which never waits for this one."""
        if self._lock.acquire(blocking=False):
            try:
                self._write_rest()
            finally:
                self._lock.release()

    def _write_rest(self) -> None:
        if not self._is_written:
            self._write_now()

    def _write_if_due(self) -> None:
        # Also where nothing changed: a write is how the work hears that it is to stop.
        if self._clock() - self._written_at >= self._seconds_between_writes:
            self._write_now()

    def _write_now(self) -> None:
        self._write(activity=self._activity, rows_done=self._rows_done, rows_total=self._rows_total)
        self._written_at = self._clock()
        self._is_written = True
