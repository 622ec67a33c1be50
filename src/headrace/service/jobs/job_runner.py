"""Threads that claim jobs, run their handlers, and keep their leases."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Mapping

from headrace.errors import Conflict, HeadraceError, InvalidInput, Unavailable
from headrace.service.jobs.job import Job
from headrace.service.jobs.job_context import JobContext, JobInterrupted
from headrace.service.jobs.job_store import JobStore
from headrace.storage.canonical import JsonValue

__all__ = ["JobHandler", "JobRunner"]

JobHandler = Callable[[JobContext], JsonValue]

_logger = logging.getLogger(__name__)

_RENEWALS_A_LEASE = 3
_LONGEST_BEAT_SECONDS = 1.0
_OUTAGE_PAUSE_SECONDS = 2.0
_SECONDS_TO_STOP = 1.0
_MAX_ERROR_CHARACTERS = 300


class JobRunner:
    """Runs jobs of the kinds in `handlers` until it is closed.

    A handler may run more than once for a job (its worker died, or lost its lease), so what it does must be safe to do
    again. A `HeadraceError` fails the job with its message, any other error with a short one and the traceback in the
    job's log.
    """

    def __init__(
        self,
        store: JobStore,
        handlers: Mapping[str, JobHandler],
        *,
        num_threads: int = 2,
        worker: str | None = None,
        poll_seconds: float = 0.5,
    ) -> None:
        """
        Args:
            num_threads: Jobs at a time.
            worker: A name that no other runner has; without one it is made of host, process and chance.
            poll_seconds: How often an idle thread looks for jobs that other processes submitted.
        """
        self.worker = worker or f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._store = store
        self._handlers = dict(handlers)
        self._num_threads = num_threads
        self._poll_seconds = poll_seconds
        self._changed = threading.Condition()  # guards the three below
        self._num_wakes = 0
        self._is_closing = False
        self._contexts: list[JobContext] = []
        self._is_over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._lease_thread = threading.Thread(target=self._keep_leases, name="headrace-job-leases", daemon=True)

    def start(self) -> None:
        """Begin to claim jobs; once."""
        # Daemons: a handler that does not hear that it must stop does not keep the process; its job was given back.
        self._threads = [
            threading.Thread(target=self._claim_and_run, name=f"headrace-jobs-{number}", daemon=True)
            for number in range(self._num_threads)
        ]
        self._lease_thread.start()
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Look for jobs now: one was submitted."""
        with self._changed:
            self._num_wakes += 1
            self._changed.notify_all()

    def close(self, drain_seconds: float = 30.0) -> None:
        """Take no more jobs, let those that run finish, and give the rest back; a second call does nothing more."""
        if self._is_over.is_set():
            return
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._join(drain_seconds)
        for context in self._running():
            context.stop("draining")
        self._join(_SECONDS_TO_STOP)
        for context in self._running():  # their handlers did not report; should they, they are refused
            self._settle(context)
        self._is_over.set()
        if self._lease_thread.ident is not None:
            self._lease_thread.join()

    def _join(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _running(self) -> list[JobContext]:
        with self._changed:
            return list(self._contexts)

    def _claim_and_run(self) -> None:
        while True:
            with self._changed:
                if self._is_closing:
                    return
                num_wakes = self._num_wakes
            pause_seconds = self._poll_seconds
            try:
                job = self._store.claim(self.worker, self._handlers)
            except Unavailable as error:
                _logger.warning("no jobs can be claimed worker=%s error=%s", self.worker, error)
                job, pause_seconds = None, _OUTAGE_PAUSE_SECONDS
            if job is not None:
                self._run(JobContext(self._store, job))
                continue
            self._wait(pause_seconds, since=num_wakes)

    def _wait(self, seconds: float, *, since: int) -> None:
        """Until there may be jobs; at once if `wake` was called after it had been called `since` times."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closing or self._num_wakes != since, seconds)

    def _run(self, context: JobContext) -> None:
        job = context.job
        _logger.info("job begins id=%s kind=%s attempt=%s", job.id, job.kind, job.attempt)
        with self._changed:
            self._contexts.append(context)
        try:
            self._work(context)
        finally:
            with self._changed:
                self._contexts.remove(context)
        _logger.info("job ends id=%s kind=%s attempt=%s", job.id, job.kind, job.attempt)

    def _work(self, context: JobContext) -> None:
        job = context.job
        try:
            result = self._handlers[job.kind](context)
        except JobInterrupted:
            self._settle(context)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a handler raises belongs to its job
            if context.stop_reason is not None:  # the handler made another error of the interruption
                self._settle(context)
            elif isinstance(error, HeadraceError):
                message = error.message
                self._write_end(job, lambda: self._store.fail(job, message))
            else:
                message, trace = _short(error), "".join(traceback.format_exception(error))
                self._write_end(job, lambda: self._store.fail(job, message, traceback=trace))
        else:
            self._write_end(job, lambda: self._succeed(job, result))

    def _succeed(self, job: Job, result: JsonValue) -> None:
        try:
            self._store.succeed(job, result)
        except InvalidInput as error:
            self._store.fail(job, error.message)

    def _settle(self, context: JobContext) -> None:
        """Write that an interrupted job ended, or is for another worker."""
        job = context.job
        if context.stop_reason == "cancelled":
            self._write_end(job, lambda: self._store.stop(job))
        elif context.stop_reason == "draining":
            self._write_end(job, lambda: self._store.release(job))
        else:
            _logger.warning("job lease lost id=%s kind=%s worker=%s", job.id, job.kind, self.worker)

    def _write_end(self, job: Job, write: Callable[[], None]) -> None:
        """Write, again and again while the database is away: without it the whole job is done once more."""
        deadline = time.monotonic() + self._store.lease_seconds
        while True:
            try:
                return write()
            except Conflict as error:
                _logger.warning("job end refused id=%s error=%s", job.id, error)
                return None
            except Unavailable as error:
                _logger.warning("job end not written id=%s error=%s", job.id, error)
                if time.monotonic() > deadline or self._is_over.wait(self._poll_seconds):
                    return None

    def _keep_leases(self) -> None:
        """Independent of what handlers do, as long as they let other threads run."""
        renewal_seconds = self._store.lease_seconds / _RENEWALS_A_LEASE
        next_renewal = time.monotonic() + renewal_seconds
        while not self._is_over.wait(min(_LONGEST_BEAT_SECONDS, renewal_seconds)):
            is_due = time.monotonic() >= next_renewal
            for context in self._running():
                if context.stop_reason == "lost":
                    continue
                context.write_late_progress()
                if is_due:
                    context.renew()
            if is_due:
                next_renewal = time.monotonic() + renewal_seconds


def _short(error: BaseException) -> str:
    first_line = (str(error).splitlines() or [""])[0][:_MAX_ERROR_CHARACTERS]
    name = type(error).__name__
    return f"{name}: {first_line}" if first_line else name
