"""Jobs in the database: who submits them, who works on them, and what came of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from headrace.errors import Conflict, InvalidInput, NotFound
from headrace.service.database.database import Database
from headrace.service.jobs import repository
from headrace.service.jobs.job import JOB_STATES, Job, JobLogLine
from headrace.service.jobs.stored_values import checked_name, cut_middle, cut_text, json_text
from headrace.storage.canonical import JsonValue

__all__ = ["MAX_LOST_WORKERS", "JobStore"]

MAX_LOST_WORKERS = 5
"""A job that lost so many workers in a row is not given to a further one."""

_MAX_LIST = 1000
_MAX_ID = 2**63 - 1
_MAX_KIND_CHARACTERS = 100
_MAX_KEY_CHARACTERS = 500
_MAX_LINE_BYTES = 4096
_MAX_ERROR_BYTES = 4096
_MAX_ACTIVITY_BYTES = 500
_MAX_LOG_LINES = 10_000
_LINES_KEPT_FREE = 100  # for what the store says itself: why a chatty job failed must not be lost
_LAST_LINE = f"the log of a job holds {_MAX_LOG_LINES:,} lines: what else it says is left out"


class JobStore:
    """Durable jobs. Every method is one transaction; threads and processes may share the database.

    A worker has a job by a lease. It renews the lease while it works; once the lease has ended another worker may take
    the job over, with a new attempt. Every write of a worker names its attempt, so what a worker writes that lost
    its lease is refused: a result is written once.
    """

    def __init__(
        self,
        database: Database,
        *,
        lease_seconds: float = 15.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """
        Args:
            lease_seconds: How long a worker may be silent.
            clock: Seconds since 1970. Without one it is the server's clock on PostgreSQL, whose workers may sit on
                machines that disagree, and this machine's on SQLite, which all its processes share.
        """
        self.lease_seconds = lease_seconds
        self._database = database
        self._clock = clock

    # For whoever wants work done.

    def submit(self, kind: str, arguments: Mapping[str, JsonValue], *, key: str | None = None, actor: str = "") -> Job:
        """A new job that waits for a worker.

        With a `key`, the job of this kind and key that is queued, running or succeeded is given back instead, whatever
        its arguments; after one that failed or was cancelled there is a new one.

        Raises:
            InvalidInput: A name is empty or too long, or the arguments are no JSON object of at most 1 MB.
        """
        checked_name(kind, name="kind", max_characters=_MAX_KIND_CHARACTERS)
        if key is not None:
            checked_name(key, name="key", max_characters=_MAX_KEY_CHARACTERS)
        if not isinstance(arguments, Mapping):
            raise InvalidInput(f"the arguments of a job are a JSON object; got {type(arguments).__name__}")
        text = json_text(dict(arguments), name="arguments")
        actor = cut_text(actor, max_bytes=_MAX_ERROR_BYTES)
        while True:
            try:
                with self._database.begin() as connection:
                    if key is not None:
                        live = repository.find_by_key(connection, kind=kind, key=key, is_live=True)
                        if live is not None:
                            return live
                    now = self._now(connection)
                    return repository.insert(connection, kind=kind, arguments=text, key=key, actor=actor, now=now)
            except IntegrityError:
                continue  # PostgreSQL: another submit of this key committed after we looked; now it is seen

    def get(self, job_id: str) -> Job:
        """The job of this id. Raises NotFound."""
        with self._database.read() as connection:
            return self._existing(connection, job_id)

    def by_key(self, kind: str, key: str) -> Job | None:
        """The newest job of this kind and key, whatever became of it."""
        with self._database.read() as connection:
            return repository.find_by_key(connection, kind=kind, key=key)

    def cancel(self, job_id: str) -> Job:
        """Stop a job: at once if no worker has it, else at its next report; a second call does nothing more.

        Raises:
            NotFound: No such job.
            Conflict: It has succeeded or failed.
        """
        with self._database.begin() as connection:
            job = self._existing(connection, job_id)
            now = self._now(connection)
            over = {"state": "cancelled", "finished_at": now, "leased_until": None, "is_cancel_asked": True}
            cancelled = repository.update(connection, int(job.id), states=("queued",), values=over)
            if cancelled is not None:
                self._say(connection, job.id, "cancelled before a worker took it")
                return cancelled
            running = repository.ask_cancellation(connection, int(job.id))
            if running is not None:
                self._say(connection, job.id, "cancellation asked for")
                return running
            job = self._existing(connection, job_id)
            if job.state in ("running", "cancelled"):
                return job
            raise Conflict(f"job {job.id} ({job.kind}) has {job.state} already and cannot be cancelled")

    def retry(self, job_id: str) -> Job:
        """Queue a job again that failed or was cancelled; its log and its count of attempts go on.

        Raises:
            NotFound: No such job.
            Conflict: It has not ended, has succeeded, or a newer one with its key took its place.
        """
        values: dict[str, object] = {
            "state": "queued",
            "lost_workers": 0,
            "is_cancel_asked": False,
            "worker": None,
            "activity": None,
            "rows_done": 0,
            "rows_total": None,
            "error": None,
            "started_at": None,
            "finished_at": None,
        }
        try:
            with self._database.begin() as connection:
                job = self._existing(connection, job_id)
                queued = repository.update(connection, int(job.id), states=("failed", "cancelled"), values=values)
                if queued is None:
                    raise Conflict(
                        f"job {job.id} ({job.kind}) is {self._existing(connection, job_id).state}; "
                        "only one that failed or was cancelled can be retried"
                    )
                self._say(connection, job.id, "queued again")
                return queued
        except IntegrityError as error:
            newer = self.by_key(job.kind, job.key or "")
            place = "a newer job" if newer is None else f"job {newer.id} ({newer.state})"
            raise Conflict(
                f"job {job.id} ({job.kind}) cannot be retried: {place} has its key {job.key!r}; look at that one"
            ) from error

    def log(self, job_id: str, after: int = 0, *, limit: int = 1000) -> list[JobLogLine]:
        """At most `limit` (1 to 1,000) lines of a job's log, those behind number `after`. Raises NotFound."""
        _check_limit(limit)
        with self._database.read() as connection:
            job = self._existing(connection, job_id)
            return repository.log_lines(connection, int(job.id), after=after, limit=limit)

    def list(
        self, *, state: str | None = None, kind: str | None = None, limit: int = 100, after: str | None = None
    ) -> list[Job]:
        """At most `limit` (1 to 1,000) jobs, newest first; those that come `after` the job of that id in this order."""
        if state is not None and state not in JOB_STATES:
            raise InvalidInput(f"{state!r} is no state of a job; expected one of {', '.join(JOB_STATES)}")
        _check_limit(limit)
        before = None if after is None else _number(after)
        with self._database.read() as connection:
            return repository.listed(connection, state=state, kind=kind, limit=limit, before=before)

    # For workers. `job` is the one that `claim` gave; Conflict says that another worker has it now.

    def claim(self, worker: str, kinds: Collection[str]) -> Job | None:
        """The oldest job of these kinds that waits or whose worker is silent, now leased to `worker`; None if none is.

        A job that lost its worker while somebody had asked to cancel it is cancelled, and one that lost
        `MAX_LOST_WORKERS` in a row has failed.
        """
        if not kinds:
            return None
        with self._database.read() as connection:  # workers that find nothing keep nobody from writing
            if not repository.has_claimable(connection, kinds=kinds, now=self._now(connection)):
                return None
        with self._database.begin() as connection:
            now = self._now(connection)
            while (found := repository.claimable(connection, kinds=kinds, now=now)) is not None:
                job_id = str(found.id)
                lost_workers = found.lost_workers + (found.state == "running")
                over: dict[str, object] = {"leased_until": None, "finished_at": now, "activity": None}
                if found.state == "running" and found.is_cancel_asked:
                    repository.update(connection, found.id, states=("running",), values=over | {"state": "cancelled"})
                    self._say(connection, job_id, f"cancelled: worker {found.worker} ended before it could say so")
                elif lost_workers >= MAX_LOST_WORKERS:
                    reason = (
                        f"{lost_workers} workers in a row ended while they had this job, the last one {found.worker}; "
                        "look into their logs and memory, then retry it"
                    )
                    over |= {"state": "failed", "error": reason, "lost_workers": lost_workers}
                    repository.update(connection, found.id, states=("running",), values=over)
                    self._say(connection, job_id, reason)
                else:
                    if found.state == "running":
                        self._say(connection, job_id, f"worker {found.worker} is silent; {worker} takes over")
                    return repository.set_leased(
                        connection,
                        found.id,
                        worker=worker,
                        leased_until=self._lease_end(now),
                        lost_workers=lost_workers,
                        now=now,
                    )
        return None

    def renew(self, job: Job) -> bool:
        """Keep the lease for `lease_seconds` from now; whether somebody asks to cancel the job."""
        with self._database.begin() as connection:
            return self._update_leased(connection, job, {"leased_until": self._lease_end(self._now(connection))})

    def progress(
        self, job: Job, *, activity: str | None = None, rows_done: int = 0, rows_total: int | None = None
    ) -> bool:
        """What the job is doing and how far it is; whether somebody asks to cancel it."""
        cut = None if activity is None else cut_text(activity, max_bytes=_MAX_ACTIVITY_BYTES)
        with self._database.begin() as connection:
            values: dict[str, object] = {"activity": cut, "rows_done": rows_done, "rows_total": rows_total}
            return self._update_leased(connection, job, values)

    def add_log(self, job: Job, text: str) -> bool:
        """Append to the job's log, at most 4 KB a line; whether somebody asks to cancel the job."""
        with self._database.begin() as connection:
            is_cancel_asked = self._update_leased(connection, job, {"worker": job.worker})
            self._say(connection, job.id, text, max_lines=_MAX_LOG_LINES - _LINES_KEPT_FREE)
            return is_cancel_asked

    def succeed(self, job: Job, result: JsonValue = None) -> None:
        """The job is done. Raises InvalidInput if `result` is no JSON of at most 1 MB."""
        text = None if result is None else json_text(result, name="result")
        self._finish(job, {"state": "succeeded", "result": text})

    def fail(self, job: Job, error: str, *, traceback: str | None = None) -> None:
        """The job cannot be done; `traceback` goes to its log, without its middle if it is long."""
        values: dict[str, object] = {"state": "failed", "error": cut_text(error, max_bytes=_MAX_ERROR_BYTES)}
        self._finish(job, values, line=None if traceback is None else cut_middle(traceback, max_bytes=_MAX_LINE_BYTES))

    def stop(self, job: Job) -> None:
        """The worker has stopped because somebody asked to cancel the job."""
        self._finish(job, {"state": "cancelled"}, line="cancelled")

    def release(self, job: Job) -> None:
        """The worker gives the job back unfinished, so that another one may take it at once."""
        with self._database.begin() as connection:
            values: dict[str, object] = {"state": "queued", "worker": None, "leased_until": None, "started_at": None}
            is_cancel_asked = self._update_leased(connection, job, values)
            self._say(connection, job.id, f"worker {job.worker} ends and gives the job back")
            if is_cancel_asked:
                over: dict[str, object] = {"state": "cancelled", "finished_at": self._now(connection)}
                repository.update(connection, int(job.id), states=("queued",), values=over)

    def _finish(self, job: Job, values: dict[str, object], *, line: str | None = None) -> None:
        with self._database.begin() as connection:
            over = {"leased_until": None, "activity": None, "finished_at": self._now(connection)}
            self._update_leased(connection, job, values | over)
            if line is not None:
                self._say(connection, job.id, line)

    def _update_leased(self, connection: sa.Connection, job: Job, values: dict[str, object]) -> bool:
        lease = repository.Lease(int(job.id), str(job.worker), job.attempt)
        is_cancel_asked = repository.update_leased(connection, lease, values=values)
        if is_cancel_asked is None:
            raise Conflict(
                f"job {job.id} ({job.kind}), attempt {job.attempt}, is no longer with worker {job.worker}: its lease "
                "was lost, or it has ended; what this worker says of it is not kept"
            )
        return is_cancel_asked

    def _say(self, connection: sa.Connection, job_id: str, text: str, *, max_lines: int = _MAX_LOG_LINES) -> None:
        repository.insert_log_line(
            connection,
            int(job_id),
            text=cut_text(text, max_bytes=_MAX_LINE_BYTES),
            last=_LAST_LINE,
            max_lines=max_lines,
            now=self._now(connection),
        )

    def _existing(self, connection: sa.Connection, job_id: str) -> Job:
        job = repository.find(connection, _number(job_id))
        if job is None:
            raise NotFound(f"there is no job {job_id!r}; list the jobs to see which there are")
        return job

    def _now(self, connection: sa.Connection) -> int:
        if self._clock is None and self._database.has_own_clock:
            return repository.database_time(connection)
        return int((self._clock or time.time)() * 1_000_000)

    def _lease_end(self, now: int) -> int:
        return now + int(self.lease_seconds * 1_000_000)


def _number(job_id: str) -> int:
    if not (job_id.isascii() and job_id.isdigit() and len(job_id) < 20 and int(job_id) <= _MAX_ID):
        raise NotFound(f"there is no job {job_id!r}; the id of a job is a whole number such as '17'")
    return int(job_id)


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= _MAX_LIST:
        raise InvalidInput(f"the limit is {limit}; expected 1 to {_MAX_LIST:,}")
