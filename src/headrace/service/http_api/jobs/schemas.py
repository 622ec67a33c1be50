"""Bodies of answers about jobs."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field, JsonValue

from headrace.service.http_api.plain_values import plain_document
from headrace.service.http_api.public_text import PublicText
from headrace.service.jobs.job import Job, JobLogLine, JobState

__all__ = ["JobDocument", "JobLogLineDocument"]


class JobDocument(BaseModel):
    """A job as it was when it was read."""

    id: str = Field(description="Its id.")
    kind: str = Field(description="What it does, such as `prepare`.")
    arguments: dict[str, JsonValue] = Field(description="What it was asked to do.")
    key: str | None = Field(description="Jobs of a kind and key are one; null without a key.")
    state: JobState = Field(description="Where it stands.")
    attempt: int = Field(description="How often a worker took it.")
    error: str | None = Field(description="Why it failed.")
    result: JsonValue = Field(description="What came of it.")
    activity: str | None = Field(description="What it is doing.")
    rows_done: int = Field(description="How far it is.")
    rows_total: int | None = Field(description="How far it has to go, if known.")
    actor: str = Field(description="Who submitted it.")
    worker: str | None = Field(description="Which worker has it, or had it last.")
    created_at: str = Field(description="ISO 8601 in UTC.")
    started_at: str | None = Field(description="ISO 8601 in UTC.")
    finished_at: str | None = Field(description="ISO 8601 in UTC.")

    @classmethod
    def of(cls, job: Job, text: PublicText) -> Self:
        """A job, as it may leave the server."""
        document = plain_document(job.to_json())
        return cls.model_validate(
            {
                **document,
                "arguments": text.document(document["arguments"]),
                "result": text.document(document["result"]),
                "error": None if job.error is None else text.message(str(document["error"])),
            }
        )


class JobLogLineDocument(BaseModel):
    """One line of a job's log."""

    number: int = Field(description="From 1.")
    time: str = Field(description="ISO 8601 in UTC.")
    text: str = Field(description="What was said; may hold several lines.")

    @classmethod
    def of(cls, line: JobLogLine, text: PublicText) -> Self:
        """A line, as it may leave the server."""
        return cls(number=line.number, time=line.time, text=text.message(str(plain_document({"": line.text})[""])))
