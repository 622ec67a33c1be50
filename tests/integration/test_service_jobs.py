"""Jobs over processes: each is done once, whoever is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace.service.database import Database
from headrace.service.jobs.job_store import JobStore

_WORKER = """
import sys, time
from pathlib import Path
from headrace.service.database import open_database
from headrace.service.jobs.job_runner import JobRunner
from headrace.service.jobs.job_store import JobStore

url, name, folder, lease_seconds = sys.argv[1], sys.argv[2], Path(sys.argv[3]), float(sys.argv[4])

def note(context):
    with open(folder / name, "a") as notes:
        notes.write(context.job.id + "\\n")
    return name

def hang(context):
    note(context)
    context.progress.start("hanging", total_rows=1)
    while not (folder / "may-end").exists():
        time.sleep(0.01)
    return name

def kill_the_worker(context):
    note(context)
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)

runner = JobRunner(
    JobStore(open_database(url), lease_seconds=lease_seconds),
    {"note": note, "hang": hang, "kill": kill_the_worker},
    num_threads=2, worker=name, poll_seconds=0.05,
)
runner.start()
(folder / f"{name}.ready").touch()
sys.stdin.readline()
runner.close()
"""


@contextmanager
def _worker(url: str, name: str, folder: Path, *, lease_seconds: float) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", _WORKER, url, name, str(folder), str(lease_seconds)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        _until(lambda: (folder / f"{name}.ready").exists() or process.poll() is not None)
        yield process
        if process.poll() is None:
            _output, said = process.communicate("end\n", timeout=30)
            assert process.returncode == 0, said
    finally:
        process.kill()
        process.communicate()


def _until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.02)


def _notes(folder: Path, name: str) -> list[str]:
    return (folder / name).read_text().split() if (folder / name).exists() else []


def test_two_processes_do_each_of_200_jobs_once(database: Database, database_url: str, tmp_path: Path) -> None:
    store = JobStore(database)
    with (
        _worker(database_url, "w1", tmp_path, lease_seconds=15),
        _worker(database_url, "w2", tmp_path, lease_seconds=15),
    ):
        ids = [store.submit("note", {"number": number}).id for number in range(200)]
        _until(lambda: len(store.list(state="succeeded", limit=1000)) == 200)
    by_worker = {name: _notes(tmp_path, name) for name in ("w1", "w2")}
    assert Counter(by_worker["w1"] + by_worker["w2"]) == Counter(ids)
    assert all(by_worker.values()), "both had a part in it"
    assert {job.id: job.result for job in store.list(limit=1000)} == {
        job_id: name for name, done in by_worker.items() for job_id in done
    }
    assert {job.attempt for job in store.list(limit=1000)} == {1}


def test_job_of_a_killed_process_is_taken_over(database: Database, database_url: str, tmp_path: Path) -> None:
    store = JobStore(database)
    with _worker(database_url, "w1", tmp_path, lease_seconds=1) as first:
        job = store.submit("hang", {})
        _until(lambda: store.get(job.id).activity == "hanging")
        with _worker(database_url, "w2", tmp_path, lease_seconds=1):
            first.send_signal(signal.SIGKILL)
            first.wait()
            killed_at = time.monotonic()
            _until(lambda: store.get(job.id).worker == "w2")
            assert time.monotonic() - killed_at < 5
            (tmp_path / "may-end").touch()
            _until(lambda: store.get(job.id).is_finished)
    done = store.get(job.id)
    assert (done.state, done.result, done.attempt) == ("succeeded", "w2", 2)
    assert [line.text for line in store.log(job.id)] == ["worker w1 is silent; w2 takes over"]


def test_stopped_process_that_wakes_up_late_writes_no_result(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    store = JobStore(database)
    with _worker(database_url, "w1", tmp_path, lease_seconds=1) as first:
        job = store.submit("hang", {})
        _until(lambda: store.get(job.id).activity == "hanging")
        first.send_signal(signal.SIGSTOP)
        try:
            (tmp_path / "may-end").touch()
            with _worker(database_url, "w2", tmp_path, lease_seconds=1):
                _until(lambda: store.get(job.id).is_finished)
        finally:
            first.send_signal(signal.SIGCONT)
    done = store.get(job.id)
    assert (done.state, done.result, done.attempt) == ("succeeded", "w2", 2)
    assert (_notes(tmp_path, "w1"), _notes(tmp_path, "w2")) == ([job.id], [job.id])


def test_job_that_kills_every_worker_fails_and_the_others_are_done(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    store = JobStore(database)
    deadly = store.submit("kill", {})
    harmless = store.submit("hang", {})
    (tmp_path / "may-end").touch()
    number = 0
    while not (store.get(deadly.id).is_finished and store.get(harmless.id).is_finished):
        number += 1
        assert number < 12
        with _worker(database_url, f"w{number}", tmp_path, lease_seconds=0.2) as process:
            _until(
                lambda process=process: (
                    process.poll() is not None  # type: ignore[misc]
                    or (store.get(deadly.id).is_finished and store.get(harmless.id).is_finished)
                )
            )
    failed = store.get(deadly.id)
    assert (failed.state, failed.attempt) == ("failed", 5)
    assert "5 workers in a row ended" in str(failed.error)
    assert store.get(harmless.id).state == "succeeded"
