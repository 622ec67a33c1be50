"""What a handler gets: its job, where to say how far it is, and the word when it must stop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Literal

from headrace.errors import Conflict, Unavailable
from headrace.progress import Progress
from headrace.service.jobs.job import Job
from headrace.service.jobs.job_progress import JobProgress
from headrace.service.jobs.job_store import JobStore
from headrace.storage.canonical import JsonValue

__all__ = ["JobContext", "JobInterrupted", "StopReason"]

_logger = logging.getLogger(__name__)

StopReason = Literal["cancelled", "lost", "draining"]


class JobInterrupted(BaseException):
    """The job must not go on here. No Exception, so that no policy about failing rows or files keeps it."""


class JobContext:
    """One attempt at a job. Its `progress` and `log` raise `JobInterrupted` where the job must stop."""

    def __init__(self, store: JobStore, job: Job) -> None:
        self.job = job
        self.stop_reason: StopReason | None = None
        self._store = store
        self._progress = JobProgress(self._write_progress, check=self.check)

    @property
    def arguments(self) -> Mapping[str, JsonValue]:
        """What the job was submitted with."""
        return self.job.arguments

    @property
    def progress(self) -> Progress:
        """Takes reports as often as they come, and writes a few of them a second."""
        return self._progress

    @property
    def is_cancelled(self) -> bool:
        """Whether the job must stop, as far as is known: each report asks, and so does each renewal of the lease."""
        return self.stop_reason is not None

    def log(self, text: str) -> None:
        """Append to the job's log."""
        self.check()
        self._ask(lambda: self._store.add_log(self.job, text))
        self.check()

    def check(self) -> None:
        """Raise `JobInterrupted` if the job must stop, as far as is known."""
        if self.stop_reason is not None:
            raise JobInterrupted(f"job {self.job.id}: {self.stop_reason}")

    def stop(self, reason: StopReason) -> None:
        """Tell the handler, at its next report, to stop; the first reason counts. From any thread."""
        if self.stop_reason is None:
            self.stop_reason = reason

    def renew(self) -> None:
        """Keep the lease; from the runner's thread."""
        self._ask(lambda: self._store.renew(self.job))

    def write_late_progress(self) -> None:
        """Write the last report if it came too soon behind the one before; from the runner's thread."""
        self._progress.write_late()

    def _write_progress(self, *, activity: str | None, rows_done: int, rows_total: int | None) -> None:
        if self.stop_reason is None:
            self._ask(
                lambda: self._store.progress(self.job, activity=activity, rows_done=rows_done, rows_total=rows_total)
            )

    def _ask(self, write: Callable[[], bool]) -> None:
        try:
            if write():
                self.stop("cancelled")
        except Conflict:
            self.stop("lost")
        except Unavailable as error:  # work goes on: only the end of a job has to be written
            _logger.warning("job report not written id=%s error=%s", self.job.id, error)
