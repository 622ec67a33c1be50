"""Bodies of requests and answers about runs."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from headrace.datasets.records import RunRecord

__all__ = ["RecordRun", "RunDocument"]


class RecordRun(BaseModel):
    """Something that was made from a snapshot: a model, a report, another dataset."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"snapshot": "@prod", "name": "baseline", "metrics": {"accuracy": 0.93}}]},
    )

    snapshot: str = Field(description="Id of the snapshot that was used or its beginning, or `@` and an alias.")
    name: str = Field(description="Runs may share one.")
    artefacts: list[str] = Field(default=[], description="Paths or URIs of what came out.")
    metrics: dict[str, float] = Field(default={}, description="Finite numbers by name.")


class RunDocument(BaseModel):
    """A recorded run; artefacts and metrics are in the lineage of its snapshot."""

    run: str = Field(description="Its id.")
    name: str = Field(description="Its name.")
    snapshot: str = Field(description="Id of the snapshot that was used.")
    created_at: str = Field(description="ISO 8601 in UTC.")
    actor: str = Field(description="Who recorded it.")

    @classmethod
    def of(cls, record: RunRecord) -> Self:
        """What the log says of a run."""
        return cls(
            run=record.run_id,
            name=record.name,
            snapshot=record.snapshot_id,
            created_at=record.created_at,
            actor=record.actor,
        )
