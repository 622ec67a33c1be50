"""A store of jobs does what a small model says, for any order of calls, workers and silences."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from headrace.errors import Conflict
from headrace.service.database import Database
from headrace.service.jobs.job import Job
from headrace.service.jobs.job_store import MAX_LOST_WORKERS, JobStore

_LEASE_SECONDS = 10
_KINDS = ("ingest", "prepare")
_WORKERS = st.sampled_from(["w1", "w1", "w1", "w2"])  # one that takes its own job over is the harder case


@dataclass
class _ModelJob:
    kind: str
    key: str | None
    state: str = "queued"
    attempt: int = 0
    lost_workers: int = 0
    leased_until: int = 0
    is_cancel_asked: bool = False
    results: list[str] = field(default_factory=list)


class _Store(RuleBasedStateMachine):
    claimed: Bundle[Job] = Bundle("claimed")

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.now = 1_790_000_000
        self.store = JobStore(database, lease_seconds=_LEASE_SECONDS, clock=lambda: self.now)
        self.model: dict[str, _ModelJob] = {}
        with database.begin() as connection:
            connection.execute(sa.text("DELETE FROM job_log"))
            connection.execute(sa.text("DELETE FROM jobs"))

    @rule(seconds=st.sampled_from([1, _LEASE_SECONDS, _LEASE_SECONDS + 1]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(kind=st.sampled_from(_KINDS), key=st.sampled_from([None, "a"]))
    def submit(self, kind: str, key: str | None) -> None:
        job = self.store.submit(kind, {}, key=key)
        live = self._live(kind, key)
        if live is not None:
            assert job.id == live
        else:
            assert job.id not in self.model
            self.model[job.id] = _ModelJob(kind, key)

    @rule(target=claimed, worker=_WORKERS, kinds=st.sampled_from([_KINDS, ("prepare",)]))
    def claim(self, worker: str, kinds: tuple[str, ...]) -> Job | MultipleResults[Job]:
        return self._claimed(worker, kinds)

    @rule(target=claimed, worker=_WORKERS)
    def take_over(self, worker: str) -> Job | MultipleResults[Job]:
        """Often enough that jobs lose several workers."""
        self.now += _LEASE_SECONDS + 1
        return self._claimed(worker, _KINDS)

    def _claimed(self, worker: str, kinds: tuple[str, ...]) -> Job | MultipleResults[Job]:
        job = self.store.claim(worker, kinds)
        expected = self._claim(kinds)
        assert (None if job is None else job.id) == expected
        if job is None:
            return multiple()
        assert (job.state, job.worker, job.attempt) == ("running", worker, self.model[job.id].attempt)
        return job

    @rule(job=claimed)
    def renew(self, job: Job) -> None:
        model = self._held(job)
        if model is None:
            with pytest.raises(Conflict):
                self.store.renew(job)
        else:
            assert self.store.renew(job) is model.is_cancel_asked
            model.leased_until = self.now + _LEASE_SECONDS

    @rule(job=consumes(claimed), end=st.sampled_from(["succeed", "fail", "stop", "release"]))
    def end(self, job: Job, end: str) -> None:
        model = self._held(job)
        writes = {
            "succeed": lambda: self.store.succeed(job, f"{job.worker} {job.attempt}"),
            "fail": lambda: self.store.fail(job, "no"),
            "stop": lambda: self.store.stop(job),
            "release": lambda: self.store.release(job),
        }
        if model is None:
            with pytest.raises(Conflict):
                writes[end]()
            return
        writes[end]()
        model.state = {"succeed": "succeeded", "fail": "failed", "stop": "cancelled", "release": "queued"}[end]
        if end == "release" and model.is_cancel_asked:
            model.state = "cancelled"
        if end == "succeed":
            model.results.append(f"{job.worker} {job.attempt}")

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job_id = self._any_id(data)
        if job_id is None:
            return
        model = self.model[job_id]
        if model.state in ("succeeded", "failed"):
            with pytest.raises(Conflict):
                self.store.cancel(job_id)
            return
        self.store.cancel(job_id)
        model.is_cancel_asked = model.state != "cancelled" or model.is_cancel_asked
        if model.state == "queued":
            model.state = "cancelled"

    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        job_id = self._any_id(data)
        if job_id is None:
            return
        model = self.model[job_id]
        if model.state not in ("failed", "cancelled") or self._live(model.kind, model.key) is not None:
            with pytest.raises(Conflict):
                self.store.retry(job_id)
            return
        self.store.retry(job_id)
        model.state, model.lost_workers, model.is_cancel_asked = "queued", 0, False

    @invariant()
    def states_and_results_are_those_of_the_model(self) -> None:
        jobs = self.store.list(limit=1000)
        assert {job.id: (job.state, job.attempt) for job in jobs} == {
            job_id: (model.state, model.attempt) for job_id, model in self.model.items()
        }
        for job in jobs:
            assert ([] if job.result is None else [job.result]) == self.model[job.id].results
            assert (job.finished_at is not None) == job.is_finished

    def _any_id(self, data: st.DataObject) -> str | None:
        return data.draw(st.sampled_from(sorted(self.model, key=int))) if self.model else None

    def _live(self, kind: str, key: str | None) -> str | None:
        """The job that has the key."""
        live = ("queued", "running", "succeeded")
        found = [job_id for job_id, it in self.model.items() if (it.kind, it.key) == (kind, key) and it.state in live]
        assert key is None or len(found) <= 1
        return found[0] if found and key is not None else None

    def _held(self, job: Job) -> _ModelJob | None:
        model = self.model[job.id]
        return model if model.state == "running" and model.attempt == job.attempt else None

    def _claim(self, kinds: tuple[str, ...]) -> str | None:
        for job_id in sorted(self.model, key=int):
            model = self.model[job_id]
            is_lost = model.state == "running" and model.leased_until < self.now
            if model.kind not in kinds or not (model.state == "queued" or is_lost):
                continue
            if is_lost and model.is_cancel_asked:
                model.state = "cancelled"
                continue
            model.lost_workers += is_lost
            if model.lost_workers >= MAX_LOST_WORKERS:
                model.state = "failed"
                continue
            model.state, model.leased_until = "running", self.now + _LEASE_SECONDS
            model.attempt += 1
            return job_id
        return None


def test_store_does_what_the_model_says(database: Database) -> None:
    run_state_machine_as_test(
        lambda: _Store(database),  # type: ignore[arg-type]  # it is documented as a factory
        settings=settings(max_examples=25, stateful_step_count=50, deadline=None),
    )
