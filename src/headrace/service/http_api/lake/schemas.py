"""Bodies of requests and answers about the whole lake."""

from __future__ import annotations

from typing import Self

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from headrace.datasets.audit import AuditEntry
from headrace.datasets.diffing import Diff
from headrace.service.http_api.plain_values import plain_column, plain_document, plain_value
from headrace.service.http_api.public_text import PublicText

__all__ = ["AuditDocument", "DiffDocument", "LineageDocument", "Query", "QueryColumn", "QueryResult"]

ROWS_LIMIT = 10_000


class DiffDocument(BaseModel):
    """What leads from one snapshot to another."""

    before: str = Field(description="Id of the snapshot `a`.")
    after: str = Field(description="Id of the snapshot `b`.")
    added: int = Field(description="Rows of `b` only.")
    removed: int = Field(description="Rows of `a` only.")
    changed: int = Field(description="Rows of both with other values.")
    statistics: JsonValue = Field(description="Of the added, removed and changed rows.")

    @classmethod
    def of(cls, diff: Diff) -> Self:
        """Counts and statistics."""
        return cls.model_validate({**diff.to_json(), "statistics": plain_value(diff.statistics)})


class Query(BaseModel):
    """A question in SQL."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"reference": "intents@prod", "sql": "SELECT count(*) AS num_rows FROM snapshot"}]
        },
    )

    reference: str = Field(description="A dataset, and perhaps @ and which snapshot of it.")
    sql: str = Field(description="One SELECT in DuckDB's dialect over the table `snapshot`.")


class QueryColumn(BaseModel):
    """A column of a result."""

    name: str = Field(description="Its name; columns may share one.")
    type: str = Field(description="Its Arrow type.")


class QueryResult(BaseModel):
    """The result of a question."""

    columns: list[QueryColumn] = Field(description="In the order of the SELECT.")
    num_rows: int = Field(description="Rows of the whole result.")
    rows: list[list[JsonValue]] = Field(description="The first 10,000 rows, a value for each column.")
    is_cut: bool = Field(description="Whether the result has more rows than these.")

    @classmethod
    def of(cls, table: pa.Table) -> Self:
        """The first rows of a table."""
        shown = table.slice(0, ROWS_LIMIT)
        values = [plain_column(column, name=name) for name, column in zip(shown.column_names, shown.columns)]
        return cls(
            columns=[QueryColumn(name=field.name, type=str(field.type)) for field in table.schema],
            num_rows=table.num_rows,
            rows=[list(row) for row in zip(*values)],
            is_cut=shown.num_rows < table.num_rows,
        )


class LineageDocument(BaseModel):
    """The way back of samples; of files of the server's machine only the names."""

    samples: list[JsonValue] = Field(
        description="Each with its dataset, commit, source, member, line, media, snapshots and runs."
    )


class AuditDocument(BaseModel):
    """One change of the lake."""

    time: str = Field(description="ISO 8601 in UTC.")
    actor: str = Field(description="Who made it.")
    operation: str = Field(description="What was done.")
    dataset: str | None = Field(description="Name; null in the lake's own log.")
    number: int = Field(description="In its log.")
    digest: str = Field(description="BLAKE3 hex of the entry; the next entry holds it.")
    details: JsonValue = Field(description="The body of the entry.")

    @classmethod
    def of(cls, entry: AuditEntry, text: PublicText) -> Self:
        """An entry, as it may leave the server."""
        document = plain_document(entry.to_json())
        return cls.model_validate({**document, "details": text.document(document["details"])})
