"""A runner's promises, in one process, on both databases."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from headrace.errors import DataCorrupted, NotFound
from headrace.service.database import Database
from headrace.service.jobs.job import Job
from headrace.service.jobs.job_context import JobContext
from headrace.service.jobs.job_runner import JobHandler, JobRunner
from headrace.service.jobs.job_store import JobStore
from headrace.storage.canonical import JsonValue


@pytest.fixture
def store(database: Database) -> JobStore:
    return JobStore(database)


@contextmanager
def _running(store: JobStore, handler: JobHandler, *, num_threads: int = 1, worker: str = "w") -> Iterator[JobRunner]:
    runner = JobRunner(store, {"work": handler}, num_threads=num_threads, worker=worker, poll_seconds=0.05)
    runner.start()
    try:
        yield runner
    finally:
        runner.close(drain_seconds=0)


def _until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.01)


def _ended(store: JobStore, job_id: str) -> Job:
    _until(lambda: store.get(job_id).is_finished)
    return store.get(job_id)


def test_handler_gets_its_arguments_and_gives_the_result(store: JobStore) -> None:
    def work(context: JobContext) -> JsonValue:
        context.log("begin ✓")
        context.progress.start("counting", total_rows=3)
        context.progress.advance(rows=3)
        context.progress.finish()
        assert not context.is_cancelled
        return {"twice": context.arguments["number"] * 2, "worker": context.job.worker}

    with _running(store, work):
        done = _ended(store, store.submit("work", {"number": 21}).id)
    assert (done.state, done.result, done.worker) == ("succeeded", {"twice": 42, "worker": "w"}, "w")
    assert (done.rows_done, done.rows_total, done.activity, done.attempt) == (3, 3, None, 1)
    assert [line.text for line in store.log(done.id)] == ["begin ✓"]


def _raise(error: BaseException) -> JsonValue:
    raise error


@pytest.mark.parametrize(
    ("error", "said", "num_log_lines"),
    [
        (NotFound("dataset 'böots' does not exist; create it"), "dataset 'böots' does not exist; create it", 0),
        (DataCorrupted("object x"), "object x", 0),
        (ValueError("first\nsecond"), "ValueError: first", 1),
        (KeyError(), "KeyError", 1),
        (SystemExit(3), "SystemExit: 3", 1),
        (RuntimeError("\x00" + "x" * 9999), "RuntimeError: \ufffd" + "x" * 299, 1),
    ],
    ids=["not-found", "corrupted", "two-lines", "no-text", "exit", "long"],
)
def test_error_of_a_handler_fails_the_job_and_not_the_runner(
    store: JobStore, error: BaseException, said: str, num_log_lines: int
) -> None:
    bad = store.submit("work", {"is_bad": True})
    good = store.submit("work", {"is_bad": False})
    with _running(store, lambda context: _raise(error) if context.arguments["is_bad"] else "fine"):
        assert _ended(store, good.id).result == "fine"
        failed = _ended(store, bad.id)
    assert (failed.state, failed.error) == ("failed", said)
    log = store.log(bad.id)
    assert len(log) == num_log_lines
    assert all("in _raise" in line.text for line in log)


@pytest.mark.parametrize("result", [object(), "x" * 1_000_001, float("nan")], ids=["object", "long", "nan"])
def test_result_that_cannot_be_kept_fails_the_job(store: JobStore, result: JsonValue) -> None:
    with _running(store, lambda _context: result):
        failed = _ended(store, store.submit("work", {}).id)
    assert failed.state == "failed"
    assert "the result of a job" in str(failed.error)


@pytest.mark.parametrize("is_logging", [False, True])
def test_cancelled_job_stops_at_its_next_report(store: JobStore, is_logging: bool) -> None:
    begun = threading.Event()

    def work(context: JobContext) -> JsonValue:
        begun.set()
        context.progress.start("for ever")
        try:
            while True:
                try:
                    context.log("still") if is_logging else context.progress.advance(rows=1)
                except Exception:  # a policy about bad rows must not keep the job
                    continue
                time.sleep(0.01)
        finally:
            context.progress.finish()

    with _running(store, work):
        job = store.submit("work", {})
        assert begun.wait(10)
        store.cancel(job.id)
        assert _ended(store, job.id).state == "cancelled"


def test_job_that_ends_before_it_hears_of_the_cancellation_has_succeeded(store: JobStore) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def work(_context: JobContext) -> JsonValue:
        begun.set()
        may_end.wait(10)
        return "done"

    with _running(store, work):
        job = store.submit("work", {})
        assert begun.wait(10)
        store.cancel(job.id)
        may_end.set()
        assert _ended(store, job.id).result == "done"


def test_wake_spares_the_wait_for_the_poll(store: JobStore) -> None:
    runner = JobRunner(store, {"work": lambda _context: 1}, poll_seconds=3600)
    runner.start()
    try:
        for _ in range(3):
            job = store.submit("work", {})
            runner.wake()
            assert _ended(store, job.id).result == 1
    finally:
        runner.close()


def test_lease_is_kept_while_the_handler_says_nothing(database: Database) -> None:
    store = JobStore(database, lease_seconds=0.6)
    took = []

    def work(context: JobContext) -> JsonValue:
        took.append(context.job.attempt)
        time.sleep(1.5)
        return "quiet"

    with _running(store, work, num_threads=2):
        done = _ended(store, store.submit("work", {}).id)
    assert (done.result, done.attempt, took) == ("quiet", 1, [1])


def test_close_lets_running_jobs_finish_and_takes_no_more(store: JobStore) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def work(_context: JobContext) -> JsonValue:
        begun.set()
        may_end.wait(10)
        return "done"

    first, second = store.submit("work", {}), store.submit("work", {})
    with _running(store, work) as runner:
        assert begun.wait(10)
        closing = threading.Thread(target=runner.close)
        closing.start()
        may_end.set()
        closing.join(10)
        assert not closing.is_alive()
    assert store.get(first.id).result == "done"
    assert store.get(second.id).state == "queued"


@pytest.mark.parametrize("is_deaf", [False, True])
def test_close_gives_back_what_does_not_finish(store: JobStore, is_deaf: bool) -> None:
    begun, may_end, was_stopped = threading.Event(), threading.Event(), threading.Event()

    def work(context: JobContext) -> JsonValue:
        begun.set()
        try:
            while not may_end.is_set():
                if not is_deaf:
                    context.progress.advance(rows=1)
                time.sleep(0.01)
            context.log("I am still here")
        finally:
            was_stopped.set()
        return "too late"

    job = store.submit("work", {})
    with _running(store, work) as runner:
        assert begun.wait(10)
        runner.close(drain_seconds=0.1)
        runner.close()
    taken = store.claim("other", ["work"])
    assert taken is not None, "at once, long before the lease would have ended"
    assert (taken.id, taken.attempt) == (job.id, 2)
    may_end.set()
    assert was_stopped.wait(10)
    store.succeed(taken, "by the other")
    assert store.get(job.id).result == "by the other"
    assert "I am still here" not in [line.text for line in store.log(job.id)]


def test_runner_that_never_started_can_be_closed(store: JobStore) -> None:
    JobRunner(store, {}).close()
