"""The keys of a recipe file with their types: what is validated, and what the published schema says."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from headrace.curation.merge_rules import MergeFunction
from headrace.curation.recipe_file.nodes import WrittenFloat

__all__ = [
    "STAGE_KINDS",
    "CheckFields",
    "CommandFields",
    "EnvironmentFields",
    "FilterFields",
    "ForeachFields",
    "FusedFields",
    "MergeFields",
    "OperatorFields",
    "OutputFields",
    "RecipeFields",
    "SampleFields",
    "SourceFields",
    "SqlFields",
    "StageFields",
    "UseFields",
]


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _as_written(value: object) -> object:
    return value.text if isinstance(value, WrittenFloat) else value


def _as_reference(value: object) -> object:
    return {"ref": value} if isinstance(value, str) else value


def _as_use(value: object) -> object:
    return {"operator": value} if isinstance(value, str) else value


class SourceFields(_Fields):
    """A dataset that the recipe reads."""

    ref: str = Field(description="DATASET, then nothing, @alias, @id:HEX, @upto:N or @{time}; or LAKE::DATASET…")
    where: str | None = Field(default=None, description="Expression that is true for the rows to read.")
    columns: list[str] | None = Field(default=None, min_length=1, description="Columns to read; by default all.")


class SampleFields(_Fields):
    """Which rows are measured; the others get null. Exactly one of `rows` and `share`."""

    rows: int | None = Field(default=None, ge=1, description="How many rows.")
    share: float | None = Field(default=None, gt=0, le=1, description="Share of the rows, above 0 and up to 1.")
    seed: int = Field(default=0, ge=0, lt=2**63, description="The same seed takes the same rows on any machine.")


class UseFields(_Fields):
    """One operator in a list of them."""

    operator: str = Field(description="Name of the operator, such as image.blur.")
    columns: dict[str, str] = Field(default={}, description="The operator's input: the column that it reads.")
    settings: dict[str, Any] = Field(default={}, description="The operator's settings; `headrace operators show`.")


_NAME = "Letters, digits, '_', '.' and '-', a letter or '_' first; no two stages share one."
_INPUT = "Stage or source to read; by default the stage before, in the first stage the only source."
_INPUTS = "Tables of the SQL: name in the SQL, stage or source. Instead of `input`, whose table is called input."


class _StageBase(_Fields):
    name: str = Field(description=_NAME)
    input: str | None = Field(default=None, description=_INPUT)


class OperatorFields(_StageBase):
    """Runs an operator; it adds columns, or drops rows."""

    operator: str = Field(description="Name of the operator, such as image.blur.")
    columns: dict[str, str] = Field(default={}, description="The operator's input: the column that it reads.")
    settings: dict[str, Any] = Field(default={}, description="The operator's settings; `headrace operators show`.")
    where: str | None = Field(default=None, description="Measure rows for which this is true; others get null.")
    sample: SampleFields | None = Field(default=None, description="Measure only some rows; others get null.")


class FusedFields(_StageBase):
    """Runs several operators over one decode of each row's media."""

    operators: list[Annotated[UseFields, BeforeValidator(_as_use, json_schema_input_type=str | UseFields)]] = Field(
        min_length=1, description="Names of operators, or mappings with `operator`, `columns` and `settings`."
    )
    where: str | None = Field(default=None, description="Measure rows for which this is true; others get null.")
    sample: SampleFields | None = Field(default=None, description="Measure only some rows; others get null.")


class FilterFields(_StageBase):
    """Keeps the rows for which an expression is true."""

    filter: str = Field(description="One DuckDB expression over the columns; null drops the row.")


class SqlFields(_StageBase):
    """One SELECT over stages and sources."""

    sql: str = Field(description="One SELECT; it sees the tables of `inputs` only.")
    inputs: dict[str, str] | None = Field(default=None, min_length=1, description=_INPUTS)
    key: list[str] = Field(
        min_length=1,
        description="Columns whose equal values must come together; the work is divided and sorted by them.",
    )


class CheckFields(_StageBase):
    """Stops the run with exit code 6 unless a SELECT gives one true value; hands its input on."""

    check: str = Field(description="One SELECT that gives one true or false.")
    inputs: dict[str, str] | None = Field(default=None, min_length=1, description=_INPUTS)
    message: str | None = Field(default=None, description="What to tell when it is false.")


class MergeFields(_StageBase):
    """Makes one row of the rows that several sources have of one identity."""

    merge: dict[str, MergeFunction] = Field(
        min_length=1,
        description="Fields and how their values become one: weighted_vote, noisy_or, best_source, mean, max, min, "
        "first.",
    )
    identity: str = Field(description="Column whose equal values are the same thing in all sources.")
    source: str | None = Field(
        default=None, description="Column with the name of each row's source, where all are in one table."
    )
    inputs: dict[str, str] | None = Field(
        default=None,
        min_length=1,
        description="A table for each source: its name, stage or source. Instead of `source`.",
    )
    source_weight_map: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(
        min_length=1, description="How far each source is trusted, above 0; for noisy_or up to 1."
    )
    vocabularies: dict[str, dict[str, str | list[str]]] = Field(
        default={},
        description="Field, then source: the values that it can give, as a list or as a file with one in each line; by "
        "default those that it gives anywhere in the table, or any for fields with a single value.",
    )
    keep: list[str] = Field(default=[], description="Fields that are not merged and become {source}__{field} as well.")
    carry: list[str] = Field(
        default=[], description="Columns taken as they are from the row of the most trusted source, such as media."
    )


class EnvironmentFields(_Fields):
    """A Python environment of the command's own."""

    python: Annotated[str, BeforeValidator(_as_written, json_schema_input_type=str | float)] = Field(
        description="Python version, such as 3.11.", pattern=r"^3\.[0-9]{1,2}(\.[0-9]{1,2})?$"
    )
    requirements: str | None = Field(
        default=None, description="Requirements file beside the recipe; its content counts."
    )


class CommandFields(_StageBase):
    """Runs a program, folder in, folder out; without a shell."""

    command: list[str] = Field(
        min_length=1,
        description="Program and arguments; {input} and {output} stand for the folders. Content of files in it counts.",
    )
    media: list[str] = Field(
        default=[],
        description="Media columns: their bytes are files in {input}/media/COLUMN, named by the row's _id; files that "
        "the command leaves in {output}/media/COLUMN take their place.",
    )
    environment: EnvironmentFields | None = Field(default=None, description="By default the run's own environment.")


class ForeachFields(_Fields):
    """Repeats stages for each value of a list, when the recipe is read."""

    foreach: dict[str, list[Any]] = Field(
        min_length=1, max_length=1, description="A name and its values; ${name} is the value in the stages."
    )
    stages: list[StageFields] = Field(min_length=1, description="The stages to repeat; their names hold ${name}.")


class OutputFields(_Fields):
    """A stage that becomes a commit."""

    stage: str = Field(description="The stage.")
    dataset: str = Field(description="Dataset to commit to.")
    tags: dict[str, str | list[str]] = Field(default={}, description="Tags of the commit.")


StageFields = (
    OperatorFields | FusedFields | FilterFields | SqlFields | MergeFields | CheckFields | CommandFields | ForeachFields
)

STAGE_KINDS: dict[str, type[_Fields]] = {
    "operator": OperatorFields,
    "operators": FusedFields,
    "filter": FilterFields,
    "sql": SqlFields,
    "merge": MergeFields,
    "check": CheckFields,
    "command": CommandFields,
    "foreach": ForeachFields,
}
"""The key that says what a stage is, and the keys of such a stage."""


_Source = Annotated[SourceFields, BeforeValidator(_as_reference, json_schema_input_type=str | SourceFields)]


class RecipeFields(_Fields):
    """A recipe."""

    recipe: str = Field(description=f"Name of the recipe. {_NAME.partition(';')[0]}.")
    description: str = Field(default="", description="For people; counts nowhere.")
    parameters: str | dict[str, Any] = Field(
        default={},
        description="Values that stages use as ${name} and `--set name=value` overrides; or the file that has them.",
    )
    sources: dict[str, _Source] = Field(min_length=1, description="Datasets to read, by the name that stages use.")
    stages: list[StageFields] = Field(min_length=1, description="The stages; any order that has no cycle.")
    outputs: dict[str, OutputFields] = Field(default={}, description="Stages that become commits, by a name.")


ForeachFields.model_rebuild()
RecipeFields.model_rebuild()
