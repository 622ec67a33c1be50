"""What is known of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from headrace.storage.canonical import JsonValue

__all__ = ["JOB_STATES", "Job", "JobLogLine", "JobState"]

JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
JOB_STATES: tuple[JobState, ...] = get_args(JobState)


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it was when it was read; times are ISO-8601 in UTC.

    `attempt` counts how often a worker took it, over take-overs and retries. `worker` has it, or had it last.
    """

    id: str
    kind: str
    arguments: Mapping[str, JsonValue]
    key: str | None
    state: JobState
    attempt: int
    error: str | None
    result: JsonValue
    activity: str | None
    rows_done: int
    rows_total: int | None
    actor: str
    worker: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None

    @property
    def is_finished(self) -> bool:
        """Whether nothing more happens unless somebody retries it."""
        return self.state in ("succeeded", "failed", "cancelled")

    def to_json(self) -> dict[str, JsonValue]:
        """The same names and values as one JSON object."""
        return {
            "id": self.id,
            "kind": self.kind,
            "arguments": dict(self.arguments),
            "key": self.key,
            "state": self.state,
            "attempt": self.attempt,
            "error": self.error,
            "result": self.result,
            "activity": self.activity,
            "rows_done": self.rows_done,
            "rows_total": self.rows_total,
            "actor": self.actor,
            "worker": self.worker,
            "created_at": self.created_at,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
        }


@dataclass(frozen=True, slots=True)
class JobLogLine:
    """One line of a job's log, numbered from 1; a line may hold several lines of text."""

    number: int
    time: str
    text: str

    def to_json(self) -> dict[str, JsonValue]:
        """The same names and values as one JSON object."""
        return {"number": self.number, "time": self.time, "text": self.text}
