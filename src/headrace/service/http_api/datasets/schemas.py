"""Bodies of requests and answers about datasets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from headrace.datasets.columns import check_columns, media_field, schema_to_json, type_from_json
from headrace.datasets.dataset import Dataset
from headrace.errors import InvalidInput
from headrace.service.http_api.plain_values import plain_value

__all__ = ["Column", "CreateDataset", "DatasetDocument", "SchemaDocument", "StatisticsDocument", "schema_of_columns"]


class Column(BaseModel):
    """A column of a dataset."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "id", "type": "string", "nullable": False}, {"name": "photo", "media": "image"}]
        },
    )

    name: str = Field(description="Unique in the dataset.")
    type: JsonValue = Field(
        default=None,
        description='An Arrow type: a name such as "int64", "string", "date32", or an object for types with '
        'parameters such as {"timestamp": ["us", "UTC"]} or {"list": "string"}. Media columns have none.',
        examples=["string"],
    )
    nullable: bool = Field(default=True, description="Whether rows may lack a value.")
    media: Literal["image", "video", "audio", "bytes"] | None = Field(
        default=None, description="Kind of media; null for all other columns."
    )

    @classmethod
    def all_of(cls, schema: pa.Schema) -> list[Self]:
        """The columns of a schema."""
        return [cls.model_validate(column) for column in schema_to_json(schema)]


class SchemaDocument(BaseModel):
    """The columns of a dataset, in order."""

    columns: list[Column] = Field(description="The declared ones, then those that commits brought along.")


class StatisticsDocument(BaseModel):
    """Statistics over all rows of all commits."""

    statistics: JsonValue = Field(description="Counts, labels and columns; depends on the type.")


class CreateDataset(BaseModel):
    """A dataset to create."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "intents", "type": "TEXT_INTENT", "description": "what users ask"}]},
    )

    name: str = Field(description="A letter or '_', then up to 99 letters, digits, '_', '.', '-'; unique.")
    type: str | None = Field(
        default=None, description="A dataset type; TABLE when only columns are given.", examples=["TABLE"]
    )
    description: str = Field(default="", description="Free text.")
    owner: str | None = Field(default=None, description="Who answers for it.")
    columns: list[Column] | None = Field(
        default=None, alias="schema", description="Columns of a TABLE; without them the first commit's are taken."
    )
    key: str | None = Field(default=None, description="Column of a TABLE whose values tell rows apart.")
    on_duplicate_key: Literal["keep", "replace"] | None = Field(
        default=None, description="What a key in several commits means: keep both rows, or the later one counts."
    )


class DatasetDocument(BaseModel):
    """A dataset."""

    id: str = Field(description='Number in the lake, from "1", never reused.')
    name: str = Field(description="Unique in the lake.")
    type: str = Field(description="Its dataset type.")
    description: str = Field(description="What the creator said of it.")
    owner: str | None = Field(description="Who answers for it.")
    key: str | None = Field(description="Column whose values tell rows apart; null: rows are a multiset.")
    on_duplicate_key: str = Field(description='"keep" or "replace".')
    created_at: str = Field(description="ISO 8601 in UTC.")
    updated_at: str = Field(description="ISO 8601 in UTC.")
    num_commits: int = Field(description="Commits that new snapshots see.")
    num_deleted_commits: int = Field(description="Commits that are hidden and can be restored.")
    num_rows: int = Field(description="Rows of visible commits less the deleted ones.")
    num_deleted_rows: int = Field(description="Rows that were deleted one by one and can be restored.")
    hold: str | None = Field(description="Why nothing of it may be purged; null without a hold.")
    columns: dict[str, str] = Field(description="Arrow type of each column.")
    aliases: dict[str, str] = Field(description="Alias to snapshot id.")

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """What the log says of a dataset."""
        return cls.model_validate(plain_value(dataset.to_json()))


def schema_of_columns(columns: Sequence[Column]) -> pa.Schema:
    """The Arrow schema of columns.

    Raises:
        InvalidInput: A name or type that is not allowed; names the column.
    """
    fields: list[pa.Field] = []
    for column in columns:
        if column.media is not None:
            fields.append(media_field(column.name, column.media, nullable=column.nullable))
            continue
        try:
            data_type = type_from_json(column.type)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise InvalidInput(
                f"type is {str(column.type)[:200]!r}: expected an Arrow type such as int64, float64, bool, string, "
                'date32, {"timestamp": ["us", "UTC"]} or {"list": "string"}',
                column=column.name,
            ) from error
        fields.append(pa.field(column.name, data_type, column.nullable))
    schema = pa.schema(fields)
    check_columns(schema)
    return schema
