"""A store's promises, one by one, on both databases."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from headrace.errors import Conflict, InvalidInput, NotFound
from headrace.service.database import Database
from headrace.service.jobs.job import Job
from headrace.service.jobs.job_store import MAX_LOST_WORKERS, JobStore

_KINDS = ("ingest", "prepare")


class Clock:
    """A time that moves when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1_790_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: Database, clock: Clock) -> JobStore:
    return JobStore(database, clock=clock)


def _claimed(store: JobStore, worker: str = "w1") -> Job:
    job = store.claim(worker, _KINDS)
    assert job is not None
    return job


def test_submitted_job_is_read_back(store: JobStore) -> None:
    arguments = {"dataset": "böots 🚤", "rows": [1, 2.5, None, True], "odd": "\x00\ud800", "": {}}
    job = store.submit("ingest", arguments, key="schlüssel", actor="Zoë")
    assert job == Job(
        id="1",
        kind="ingest",
        arguments=arguments,
        key="schlüssel",
        state="queued",
        attempt=0,
        error=None,
        result=None,
        activity=None,
        rows_done=0,
        rows_total=None,
        actor="Zoë",
        worker=None,
        created_at="2026-09-21T14:13:20.000000Z",
        started_at=None,
        finished_at=None,
    )
    assert store.get("1") == store.by_key("ingest", "schlüssel") == job
    assert store.by_key("prepare", "schlüssel") is None
    assert job.to_json()["arguments"] == arguments


@pytest.mark.parametrize("job_id", ["2", "0", "-1", "", "x", "1.0", "١", "9" * 19, "9" * 40, " 1"])
def test_id_that_is_not_there(store: JobStore, job_id: str) -> None:
    store.submit("ingest", {})
    for call in (store.get, store.cancel, store.retry, store.log):
        with pytest.raises(NotFound, match="there is no job"):
            call(job_id)


@pytest.mark.parametrize("kind", ["", "k" * 101, "a\x00b", "\ud800"])
def test_names_that_cannot_be_kept_are_refused(store: JobStore, kind: str) -> None:
    with pytest.raises(InvalidInput, match="the kind of a job"):
        store.submit(kind, {})
    with pytest.raises(InvalidInput, match="the key of a job"):
        store.submit("ingest", {}, key=kind * 5)
    assert store.list() == []


def test_arguments_are_limited_to_one_megabyte_of_json(store: JobStore) -> None:
    room = 1_000_000 - len('{"x":""}')
    assert len(store.submit("ingest", {"x": "y" * room}).arguments["x"]) == room
    with pytest.raises(InvalidInput, match="1,000,000 bytes as JSON and would have 1,000,001"):
        store.submit("ingest", {"x": "y" * (room + 1)})
    for bad in ({"x": float("nan")}, {"x": object()}, {"x": {1, 2}}):
        with pytest.raises(InvalidInput, match="cannot be written as JSON"):
            store.submit("ingest", bad)
    with pytest.raises(InvalidInput, match="a JSON object; got list"):
        store.submit("ingest", [])  # type: ignore[arg-type]


def test_key_gives_the_job_back_until_it_failed_or_was_cancelled(store: JobStore) -> None:
    first = store.submit("ingest", {"a": 1}, key="k")
    assert store.submit("ingest", {"a": 2}, key="k") == first
    assert store.submit("prepare", {}, key="k").id != first.id
    running = _claimed(store)
    assert store.submit("ingest", {}, key="k") == running
    store.fail(running, "no")
    second = store.submit("ingest", {}, key="k")
    assert second.id not in (first.id, "2")
    store.cancel(second.id)
    third = store.submit("ingest", {}, key="k")
    store.claim("w", ["prepare"])
    store.succeed(_claimed(store))
    assert store.submit("ingest", {}, key="k").id == third.id
    assert store.submit("ingest", {}, key="k").state == "succeeded"
    assert store.submit("ingest", {}).id != store.submit("ingest", {}).id


def test_eight_submits_of_one_key_at_once_make_one_job(store: JobStore) -> None:
    for round_number in range(5):
        start = threading.Barrier(8)

        def submit(_number: int, start: threading.Barrier = start, key: str = f"k{round_number}") -> str:
            start.wait()
            return store.submit("ingest", {}, key=key).id

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(submit, range(8)))) == 1
    assert len(store.list()) == 5


def test_list_is_newest_first_in_pages(store: JobStore) -> None:
    ids = [store.submit(_KINDS[number % 2], {}).id for number in range(5)]
    assert [job.id for job in store.list(limit=2)] == [ids[4], ids[3]]
    assert [job.id for job in store.list(limit=2, after=ids[3])] == [ids[2], ids[1]]
    assert [job.id for job in store.list(kind="ingest")] == [ids[4], ids[2], ids[0]]
    _claimed(store)
    assert [job.id for job in store.list(state="running")] == [ids[0]]
    assert store.list(state="failed") == []
    with pytest.raises(InvalidInput, match="'lost' is no state"):
        store.list(state="lost")
    for limit in (0, -1, 1001):
        with pytest.raises(InvalidInput, match="the limit is"):
            store.list(limit=limit)


def test_oldest_of_the_kinds_is_claimed_once(store: JobStore) -> None:
    store.submit("ingest", {})
    store.submit("prepare", {})
    assert store.claim("w", []) is None
    assert store.claim("w", ["export"]) is None
    prepared = store.claim("w", ["prepare"])
    assert prepared is not None
    assert (prepared.id, prepared.state, prepared.attempt, prepared.worker) == ("2", "running", 1, "w")
    assert _claimed(store).id == "1"
    assert store.claim("w", _KINDS) is None


def test_progress_log_and_result_are_read_back(store: JobStore, clock: Clock) -> None:
    store.submit("ingest", {})
    job = _claimed(store)
    assert store.progress(job, activity="reading ß.csv", rows_done=3, rows_total=2**40) is False
    assert store.add_log(job, "zeile\x00 \ud800 ✓") is False
    clock.seconds += 1.5
    assert store.add_log(job, "") is False
    seen = store.get(job.id)
    assert (seen.activity, seen.rows_done, seen.rows_total) == ("reading ß.csv", 3, 2**40)
    store.succeed(job, {"snapshot": "hash/g==", "rows": 3})
    done = store.get(job.id)
    assert (done.state, done.result, done.activity) == ("succeeded", {"snapshot": "hash/g==", "rows": 3}, None)
    assert (done.started_at, done.finished_at) == ("2026-09-21T14:13:20.000000Z", "2026-09-21T14:13:21.500000Z")
    assert [(line.number, line.text) for line in store.log(job.id)] == [(1, "zeile\ufffd ? ✓"), (2, "")]
    assert [line.time for line in store.log(job.id, after=1)] == ["2026-09-21T14:13:21.500000Z"]
    assert [line.number for line in store.log(job.id, limit=1)] == [1]


def test_lost_lease_writes_nothing(store: JobStore, clock: Clock) -> None:
    store.submit("ingest", {})
    old = _claimed(store, "w1")
    clock.seconds += 14
    store.renew(old)
    clock.seconds += 14
    assert store.claim("w2", _KINDS) is None, "it was renewed"
    clock.seconds += 2
    store.progress(old, rows_done=1)  # late, but nobody else has it
    new = _claimed(store, "w2")
    assert (new.id, new.attempt, new.worker, new.rows_done) == (old.id, 2, "w2", 0)
    for write in (
        lambda: store.renew(old),
        lambda: store.progress(old, rows_done=9),
        lambda: store.add_log(old, "from the dead"),
        lambda: store.succeed(old, "old"),
        lambda: store.fail(old, "old"),
        lambda: store.stop(old),
        lambda: store.release(old),
    ):
        with pytest.raises(Conflict, match="attempt 1, is no longer with worker w1"):
            write()
    assert store.get(old.id) == new
    store.succeed(new, "new")
    with pytest.raises(Conflict):
        store.succeed(new, "twice")
    assert store.get(old.id).result == "new"
    assert [line.text for line in store.log(old.id)] == ["worker w1 is silent; w2 takes over"]


def test_same_worker_that_took_its_own_job_over_has_one_lease(store: JobStore, clock: Clock) -> None:
    store.submit("ingest", {})
    old = _claimed(store, "w1")
    clock.seconds += 16
    new = _claimed(store, "w1")
    with pytest.raises(Conflict):
        store.succeed(old, "old")
    store.succeed(new, "new")


def test_job_that_kills_its_workers_fails(store: JobStore, clock: Clock) -> None:
    store.submit("ingest", {}, key="k")
    for attempt in range(1, MAX_LOST_WORKERS + 1):
        assert _claimed(store, f"w{attempt}").attempt == attempt
        clock.seconds += 16
    store.submit("prepare", {})
    assert _claimed(store, "w6").kind == "prepare", "the one behind it is not held up"
    failed = store.get("1")
    assert (failed.state, failed.attempt) == ("failed", 5)
    assert failed.error is not None
    assert failed.error.startswith("5 workers in a row ended while they had this job, the last one w5")
    store.retry("1")
    assert _claimed(store).attempt == 6
    clock.seconds += 16
    assert _claimed(store).attempt == 7, "a retry gives it five more"


def test_cancel_of_a_waiting_job_is_at_once(store: JobStore) -> None:
    store.submit("ingest", {})
    cancelled = store.cancel("1")
    assert (cancelled.state, cancelled.finished_at) == ("cancelled", cancelled.created_at)
    assert store.cancel("1") == cancelled
    assert store.claim("w", _KINDS) is None


def test_cancel_of_a_running_job_is_told_to_its_worker(store: JobStore) -> None:
    store.submit("ingest", {})
    job = _claimed(store)
    assert store.cancel("1").state == "running"
    assert store.cancel("1").state == "running"
    assert store.renew(job) is True
    assert store.progress(job, rows_done=1) is True
    assert store.add_log(job, "so be it") is True
    store.stop(job)
    assert store.get("1").state == "cancelled"
    assert [line.text for line in store.log("1")] == ["cancellation asked for", "so be it", "cancelled"]


def test_cancelled_job_of_a_dead_worker_is_not_begun_again(store: JobStore, clock: Clock) -> None:
    store.submit("ingest", {})
    _claimed(store)
    store.cancel("1")
    clock.seconds += 16
    assert store.claim("w2", _KINDS) is None
    assert store.get("1").state == "cancelled"


def test_ended_job_cannot_be_cancelled(store: JobStore) -> None:
    store.submit("ingest", {})
    store.succeed(_claimed(store))
    with pytest.raises(Conflict, match=r"job 1 \(ingest\) has succeeded already"):
        store.cancel("1")


def test_retry_is_for_what_failed_or_was_cancelled(store: JobStore) -> None:
    store.submit("ingest", {}, key="k")
    with pytest.raises(Conflict, match="is queued; only one that failed"):
        store.retry("1")
    job = _claimed(store)
    with pytest.raises(Conflict, match="is running"):
        store.retry("1")
    store.cancel("1")
    store.fail(job, "x" * 5000, traceback="Traceback" + "y" * 9000 + "\nValueError: the end")
    assert len((store.get("1").error or "").encode()) == 4096
    assert store.log("1")[-1].text.endswith("ValueError: the end")
    again = store.retry("1")
    assert (again.state, again.attempt, again.error, again.finished_at) == ("queued", 1, None, None)
    second = _claimed(store)
    assert second.attempt == 2
    assert store.renew(second) is False, "the old wish to cancel is forgotten"
    store.succeed(second)
    with pytest.raises(Conflict, match="is succeeded"):
        store.retry("1")


def test_retry_gives_way_to_a_newer_job_with_the_key(store: JobStore) -> None:
    store.submit("ingest", {}, key="k")
    store.cancel("1")
    newer = store.submit("ingest", {}, key="k")
    with pytest.raises(Conflict, match=rf"job {newer.id} \(queued\) has its key 'k'"):
        store.retry("1")
    assert store.get("1").state == "cancelled"


def test_released_job_is_taken_at_once_and_loses_no_worker(store: JobStore) -> None:
    store.submit("ingest", {})
    for attempt in range(1, MAX_LOST_WORKERS + 3):
        job = _claimed(store, f"w{attempt}")
        assert job.attempt == attempt
        store.release(job)
    assert store.get("1").state == "queued"
    job = _claimed(store)
    store.cancel("1")
    store.release(job)
    assert store.get("1").state == "cancelled"


def test_log_is_bounded_and_keeps_why_a_job_failed(store: JobStore) -> None:
    store.submit("ingest", {})
    job = _claimed(store)
    for _ in range(3):
        store.add_log(job, "é" * 3000)
    line = store.log("1")[0].text
    assert len(line.encode()) <= 4096
    assert line == "é" * 2046 + "…"


def test_result_that_cannot_be_kept_is_refused(store: JobStore) -> None:
    store.submit("ingest", {})
    job = _claimed(store)
    for result in ("x" * 1_000_000, float("inf"), b"bytes"):
        with pytest.raises(InvalidInput, match="the result of a job"):
            store.succeed(job, result)
    store.succeed(job, "x" * 999_998)


def test_time_is_the_servers_on_postgresql_and_this_machines_on_sqlite(database: Database) -> None:
    store = JobStore(database)
    job = store.submit("ingest", {})
    assert job.created_at.endswith("Z")
    assert job.created_at[:4] >= "2026"
    first, second = store.submit("ingest", {}), store.submit("ingest", {})
    assert job.created_at < first.created_at < second.created_at
