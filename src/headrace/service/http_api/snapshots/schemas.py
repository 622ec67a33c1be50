"""Bodies of requests and answers about snapshots, their rows and aliases."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from headrace.datasets.records import SnapshotRecord
from headrace.datasets.snapshot import Snapshot
from headrace.service.http_api.datasets.schemas import Column
from headrace.service.http_api.plain_values import plain_value

__all__ = ["AliasDocument", "AliasTarget", "RowsDocument", "SnapshotDocument", "SnapshotSummary", "TakeSnapshot"]


class TakeSnapshot(BaseModel):
    """Which commits, rows and columns a snapshot chooses; nothing given chooses all."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"tags": {"category": "aaa"}, "alias": "prod"}]}
    )

    tags: dict[str, str | list[str]] | None = Field(default=None, description="Commits must have all of these.")
    upto: str | None = Field(default=None, max_length=18, description="Only commits with this id or a lower one.")
    where: str | None = Field(default=None, description='A DuckDB expression, for example "len(text) > 20".')
    columns: list[str] | None = Field(default=None, description="Only these columns, in this order.")
    alias: str | None = Field(default=None, description="A movable name to point here.")


class SnapshotSummary(BaseModel):
    """What the log says of a snapshot."""

    id: str = Field(description="BLAKE3 hex of the selection.")
    version_hash: str | None = Field(description="The name that gRPC knows it by; null with a filter or columns.")
    created_at: str = Field(description="ISO 8601 in UTC.")
    actor: str = Field(description="Who took it.")
    aliases: list[str] = Field(description="Names that point to it now.")

    @classmethod
    def of(cls, record: SnapshotRecord, aliases: list[str]) -> Self:
        """Without reading anything but the log."""
        return cls(
            id=record.snapshot_id,
            version_hash=record.version_hash,
            created_at=record.created_at,
            actor=record.actor,
            aliases=aliases,
        )


class SnapshotDocument(BaseModel):
    """A snapshot."""

    id: str = Field(description="BLAKE3 hex of the selection.")
    dataset: str = Field(description="Name of its dataset.")
    version_hash: str | None = Field(description="The name that gRPC knows it by; null with a filter or columns.")
    state: str = Field(description="Always READY: a snapshot copies nothing.")
    num_rows: int = Field(description="Rows that belong to it.")
    commits: list[str] = Field(description="Ids of the chosen commits.")
    aliases: list[str] = Field(description="Names that point to it now.")
    where: str | None = Field(description="Its filter.")
    columns: list[str] | None = Field(description="The chosen columns; null: all.")
    splits: list[JsonValue] = Field(description="How it was split off, step by step.")
    num_redacted: int = Field(description="Rows whose content was purged since.")
    fields: list[Column] = Field(description="Its columns with their types.")
    statistics: JsonValue = Field(description="Counts, labels and columns; depends on the type.")

    @classmethod
    def read(cls, snapshot: Snapshot) -> Self:
        """The whole document."""
        document = plain_value(snapshot.to_json())
        return cls.model_validate(
            {**(document if isinstance(document, dict) else {}), "fields": Column.all_of(snapshot.schema)}
        )


class RowsDocument(BaseModel):
    """Some rows of a snapshot."""

    snapshot: str = Field(description="Id of the snapshot.")
    num_rows: int = Field(description="Rows of the whole snapshot.")
    offset: int = Field(description="Number of the first row, from 0.")
    rows: list[dict[str, JsonValue]] = Field(
        description="`_id`, `_digest` and the columns. Media is an object with size, format, width, height, duration "
        "and digest where known, and `href`: where the bytes are."
    )


class AliasTarget(BaseModel):
    """Where an alias points."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"snapshot": "@upto:2"}]})

    snapshot: str = Field(description="Id of a snapshot or its beginning, or `@` and another alias or `upto:N`.")


class AliasDocument(BaseModel):
    """A movable name of a snapshot."""

    alias: str = Field(description="The name.")
    snapshot: str = Field(description="Id of the snapshot.")
