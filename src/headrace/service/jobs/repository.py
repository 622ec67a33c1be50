"""All SQL of jobs. Each function works in the transaction of the caller; times are microseconds since 1970."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from headrace.service.jobs.job import Job, JobLogLine, JobState
from headrace.service.jobs.stored_values import iso_time

__all__ = [
    "ClaimableJob",
    "Lease",
    "ask_cancellation",
    "claimable",
    "database_time",
    "find",
    "find_by_key",
    "has_claimable",
    "insert",
    "insert_log_line",
    "listed",
    "log_lines",
    "set_leased",
    "update",
    "update_leased",
]

_JOBS = sa.table(
    "jobs",
    sa.column("id", sa.BigInteger),
    sa.column("kind", sa.Text),
    sa.column("key", sa.Text),
    sa.column("arguments", sa.Text),
    sa.column("actor", sa.Text),
    sa.column("state", sa.Text),
    sa.column("attempt", sa.Integer),
    sa.column("lost_workers", sa.Integer),
    sa.column("is_cancel_asked", sa.Boolean),
    sa.column("worker", sa.Text),
    sa.column("leased_until", sa.BigInteger),
    sa.column("activity", sa.Text),
    sa.column("rows_done", sa.BigInteger),
    sa.column("rows_total", sa.BigInteger),
    sa.column("num_log_lines", sa.Integer),
    sa.column("error", sa.Text),
    sa.column("result", sa.Text),
    sa.column("created_at", sa.BigInteger),
    sa.column("started_at", sa.BigInteger),
    sa.column("finished_at", sa.BigInteger),
)
_LOG = sa.table(
    "job_log",
    sa.column("job_id", sa.BigInteger),
    sa.column("number", sa.Integer),
    sa.column("time", sa.BigInteger),
    sa.column("text", sa.Text),
)
_LIVE: tuple[JobState, ...] = ("queued", "running", "succeeded")


@dataclass(frozen=True, slots=True)
class Lease:
    """Who has a job: no attempt is given twice, so this names one taking of it by one worker."""

    job_id: int
    worker: str
    attempt: int


@dataclass(frozen=True, slots=True)
class ClaimableJob:
    """A job that may be taken, locked until the end of the transaction."""

    id: int
    state: JobState
    attempt: int
    lost_workers: int  # in a row, since it was submitted or retried
    is_cancel_asked: bool
    worker: str | None


def database_time(connection: sa.Connection) -> int:
    """The time of a PostgreSQL server."""
    seconds = sa.extract("epoch", sa.func.clock_timestamp())
    return int(connection.execute(sa.select(sa.cast(seconds * 1_000_000, sa.BigInteger))).scalar_one())


def insert(connection: sa.Connection, *, kind: str, arguments: str, key: str | None, actor: str, now: int) -> Job:
    """A new job that waits. Raises sqlalchemy's IntegrityError if a live one has the key."""
    statement = (
        sa.insert(_JOBS)
        .values(
            kind=kind,
            arguments=arguments,
            key=key,
            actor=actor,
            state="queued",
            attempt=0,
            lost_workers=0,
            is_cancel_asked=False,
            rows_done=0,
            num_log_lines=0,
            created_at=now,
        )
        .returning(*_JOBS.c)
    )
    return _job(connection.execute(statement).one())


def find(connection: sa.Connection, job_id: int) -> Job | None:
    """The job of this number."""
    row = connection.execute(sa.select(*_JOBS.c).where(_JOBS.c.id == job_id)).one_or_none()
    return None if row is None else _job(row)


def find_by_key(connection: sa.Connection, *, kind: str, key: str, is_live: bool = False) -> Job | None:
    """The newest job of this kind and key; with `is_live` the one that neither failed nor was cancelled."""
    statement = sa.select(*_JOBS.c).where(_JOBS.c.kind == kind, _JOBS.c.key == key)
    if is_live:
        statement = statement.where(_JOBS.c.state.in_(_LIVE))
    row = connection.execute(statement.order_by(_JOBS.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else _job(row)


def listed(
    connection: sa.Connection, *, state: str | None, kind: str | None, limit: int, before: int | None
) -> list[Job]:
    """Jobs from the newest to the oldest, those below the number `before`."""
    statement = sa.select(*_JOBS.c).order_by(_JOBS.c.id.desc()).limit(limit)
    if state is not None:
        statement = statement.where(_JOBS.c.state == state)
    if kind is not None:
        statement = statement.where(_JOBS.c.kind == kind)
    if before is not None:
        statement = statement.where(_JOBS.c.id < before)
    return [_job(row) for row in connection.execute(statement)]


def has_claimable(connection: sa.Connection, *, kinds: Collection[str], now: int) -> bool:
    """Whether a job waits, or its lease has ended; locks nothing."""
    return connection.execute(sa.select(_JOBS.c.id).where(*_may_be_claimed(kinds, now)).limit(1)).first() is not None


def claimable(connection: sa.Connection, *, kinds: Collection[str], now: int) -> ClaimableJob | None:
    """The oldest job that waits or whose lease has ended, locked: nobody else is given it in the meantime.

    SQLite's transaction has locked the whole database already, and its SQL knows no FOR UPDATE.
    """
    columns = ("id", "state", "attempt", "lost_workers", "is_cancel_asked", "worker")
    statement = (
        sa.select(*(_JOBS.c[name] for name in columns))
        .where(*_may_be_claimed(kinds, now))
        .order_by(_JOBS.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else ClaimableJob(*row)


def update(
    connection: sa.Connection, job_id: int, *, states: Iterable[JobState], values: dict[str, object]
) -> Job | None:
    """Set `values` if the job is in one of `states`; None if it is not (any more)."""
    statement = sa.update(_JOBS).where(_JOBS.c.id == job_id, _JOBS.c.state.in_(tuple(states))).values(**values)
    row = connection.execute(statement.returning(*_JOBS.c)).one_or_none()
    return None if row is None else _job(row)


def ask_cancellation(connection: sa.Connection, job_id: int) -> Job | None:
    """Ask the worker of a running job to stop; None if it does not run or was asked before."""
    statement = (
        sa.update(_JOBS)
        .where(_JOBS.c.id == job_id, _JOBS.c.state == "running", _JOBS.c.is_cancel_asked.is_(False))
        .values(is_cancel_asked=True)
    )
    row = connection.execute(statement.returning(*_JOBS.c)).one_or_none()
    return None if row is None else _job(row)


def set_leased(
    connection: sa.Connection, job_id: int, *, worker: str, leased_until: int, lost_workers: int, now: int
) -> Job:
    """Give a locked job to `worker`, with a new attempt."""
    statement = (
        sa.update(_JOBS)
        .where(_JOBS.c.id == job_id)
        .values(
            state="running",
            worker=worker,
            attempt=_JOBS.c.attempt + 1,
            leased_until=leased_until,
            lost_workers=lost_workers,
            started_at=now,
            activity=None,
            rows_done=0,
            rows_total=None,
        )
        .returning(*_JOBS.c)
    )
    return _job(connection.execute(statement).one())


def update_leased(connection: sa.Connection, lease: Lease, *, values: dict[str, object]) -> bool | None:
    """Set `values` if the lease still holds.

    Returns:
        Whether a cancellation is asked for; None if the lease was lost.
    """
    statement = (
        sa.update(_JOBS)
        .where(
            _JOBS.c.id == lease.job_id,
            _JOBS.c.state == "running",
            _JOBS.c.worker == lease.worker,
            _JOBS.c.attempt == lease.attempt,
        )
        .values(**values)
        .returning(_JOBS.c.is_cancel_asked)
    )
    return connection.execute(statement).scalar_one_or_none()


def insert_log_line(connection: sa.Connection, job_id: int, *, text: str, last: str, max_lines: int, now: int) -> None:
    """Append a line; the one that would be number `max_lines` is `last` instead, and later ones are dropped."""
    counted = (
        sa.update(_JOBS)
        .where(_JOBS.c.id == job_id, _JOBS.c.num_log_lines < max_lines)
        .values(num_log_lines=_JOBS.c.num_log_lines + 1)
        .returning(_JOBS.c.num_log_lines)
    )
    number = connection.execute(counted).scalar_one_or_none()
    if number is None:
        return
    kept = text if number < max_lines else last
    connection.execute(sa.insert(_LOG).values(job_id=job_id, number=number, time=now, text=kept))


def log_lines(connection: sa.Connection, job_id: int, *, after: int, limit: int) -> list[JobLogLine]:
    """The lines behind number `after`, in their order."""
    statement = (
        sa.select(_LOG.c.number, _LOG.c.time, _LOG.c.text)
        .where(_LOG.c.job_id == job_id, _LOG.c.number > after)
        .order_by(_LOG.c.number)
        .limit(limit)
    )
    return [JobLogLine(number, iso_time(time), text) for number, time, text in connection.execute(statement)]


def _may_be_claimed(kinds: Collection[str], now: int) -> tuple[sa.ColumnElement[bool], ...]:
    ended = sa.and_(_JOBS.c.state == "running", _JOBS.c.leased_until < now)
    return _JOBS.c.kind.in_(tuple(kinds)), sa.or_(_JOBS.c.state == "queued", ended)


def _job(row: sa.Row[tuple[object, ...]]) -> Job:
    values = row._mapping
    return Job(
        id=str(values["id"]),
        kind=values["kind"],
        arguments=json.loads(values["arguments"]),
        key=values["key"],
        state=values["state"],
        attempt=values["attempt"],
        error=values["error"],
        result=None if values["result"] is None else json.loads(values["result"]),
        activity=values["activity"],
        rows_done=values["rows_done"],
        rows_total=values["rows_total"],
        actor=values["actor"],
        worker=values["worker"],
        created_at=iso_time(values["created_at"]),
        started_at=None if values["started_at"] is None else iso_time(values["started_at"]),
        finished_at=None if values["finished_at"] is None else iso_time(values["finished_at"]),
    )
