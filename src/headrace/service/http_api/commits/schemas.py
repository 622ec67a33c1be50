"""Bodies of requests and answers about commits, changes and deleted rows."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from headrace.datasets.changes import Changes
from headrace.datasets.commit import Commit
from headrace.service.http_api.plain_values import plain_document, plain_value
from headrace.service.http_api.public_text import PublicText

__all__ = [
    "ChangesDocument",
    "CommitDocument",
    "CommitSummary",
    "DeleteRows",
    "DeletedRows",
    "RejectedRowDocument",
    "RevertTo",
    "SourceDocument",
]

_LISTED_REJECTED = 1_000


class CommitSummary(BaseModel):
    """What the log says of a commit."""

    id: str = Field(description='Number in the dataset, from "1".')
    digest: str = Field(description="BLAKE3 hex of the content; equal for equal rows, schema, type and tags.")
    message: str = Field(description="What the committer said.")
    tags: dict[str, str | list[str]] = Field(description="A key that was given several times has a list.")
    num_rows: int = Field(description="Rows.")
    num_bytes: int = Field(description="Media bytes.")
    num_rejected: int = Field(description="Rows that were left out as invalid.")
    created_at: str = Field(description="ISO 8601 in UTC.")
    actor: str = Field(description="Who committed.")
    is_deleted: bool = Field(description="Whether new snapshots leave it out.")

    @classmethod
    def of(cls, commit: Commit) -> Self:
        """Without reading anything but the log."""
        return cls.model_validate({**commit.to_json(), "is_deleted": commit.is_deleted})


class SourceDocument(BaseModel):
    """A source that rows came from."""

    uri: str = Field(description="Of a file of the server's machine only the name.")
    size: int | None = Field(description="Bytes.")
    digest: str | None = Field(description="BLAKE3 hex of the file.")


class RejectedRowDocument(BaseModel):
    """A row that was left out as invalid."""

    source: str = Field(description="Where it came from.")
    member: str | None = Field(description="Path in the folder or archive.")
    line: int | None = Field(description="From 1.")
    reason: str = Field(description="Why it is invalid.")


class CommitDocument(CommitSummary):
    """A commit with its sources, rejected rows and statistics."""

    sources: list[SourceDocument] = Field(description="Where its rows came from.")
    rejected: list[RejectedRowDocument] = Field(description="The first 1,000 that were left out.")
    statistics: JsonValue = Field(description="Counts, labels and columns; depends on the type.")

    @classmethod
    def read(cls, commit: Commit, text: PublicText) -> Self:
        """The whole commit; `text` says what of its places may be shown."""
        rejected = commit.rejected[:_LISTED_REJECTED] if commit.num_rejected else []
        return cls(
            **CommitSummary.of(commit).model_dump(),
            sources=[
                SourceDocument(uri=text.place(item.uri), size=item.size, digest=item.digest) for item in commit.sources
            ],
            rejected=[
                RejectedRowDocument(
                    source=text.place(row.origin_uri), member=row.member, line=row.line, reason=text.message(row.reason)
                )
                for row in rejected
            ],
            statistics=plain_value(commit.statistics),
        )


class ChangesDocument(BaseModel):
    """What happened to a dataset after a place in its log."""

    dataset: str = Field(description="Name.")
    since: str = Field(description="The place after which it begins.")
    until: str = Field(description="Pass it as the next `since`.")
    added: int = Field(description="Rows that came.")
    removed: int = Field(description="Rows that went.")
    purged: int = Field(description="Rows whose content is gone for ever.")
    commits: list[CommitSummary] = Field(description="Made in between, hidden ones too.")
    entries: list[dict[str, JsonValue]] = Field(description="Operations on rows, in order.")

    @classmethod
    def of(cls, changes: Changes, text: PublicText) -> Self:
        """Cursors, operations, commits and counts."""
        return cls(
            dataset=changes.dataset,
            since=changes.since,
            until=changes.until,
            added=changes.added.num_rows,
            removed=changes.removed.num_rows,
            purged=changes.purged.num_rows,
            commits=[CommitSummary.of(commit) for commit in changes.commits],
            entries=[
                {name: text.document(value, field=name) for name, value in plain_document(entry.to_json()).items()}
                for entry in changes.entries
            ],
        )


class DeleteRows(BaseModel):
    """Which rows to hide from new snapshots: those of a filter, or those of keys."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"where": "label = 'oos'"}]})

    where: str | None = Field(default=None, description="A DuckDB expression over the columns.")
    keys: list[str | int] | None = Field(default=None, description="Keys or `_id`s of samples.")


class DeletedRows(BaseModel):
    """How many rows were hidden."""

    num_rows: int = Field(description="Rows that new snapshots leave out from now on.")


class RevertTo(BaseModel):
    """Where to go back to."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"to": "2"}]})

    to: str = Field(max_length=18, description="Id of a commit: what was visible right after it is shown again.")
