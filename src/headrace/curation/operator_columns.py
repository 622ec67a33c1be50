"""Which columns the operators of a stage need, and which rows have behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from headrace.curation.executor.step import Step
from headrace.curation.operator_spec import OperatorSpec
from headrace.curation.replaced_media import AT, PLACE_TYPE
from headrace.datasets.columns import MEDIA_VIEW_TYPE
from headrace.errors import InvalidInput
from headrace.schema.near_misses import near_miss_or_known

__all__ = ["MissingInput", "columns_after", "columns_after_table_operator", "missing_inputs"]


@dataclass(frozen=True, slots=True)
class MissingInput:
    """An input of a step that the rows do not have as it needs it."""

    step_idx: int
    input_name: str
    message: str


def missing_inputs(steps: Sequence[Step], schema: pa.Schema) -> Iterator[MissingInput]:
    """Inputs whose column is not there, or holds media where values are wanted, or the other way round."""
    for idx, step in enumerate(steps):
        for name, column in step.columns.items():
            if column not in schema.names:
                yield MissingInput(
                    idx,
                    name,
                    f"{step.spec.name} reads column {column!r} as {name!r}, which is not "
                    f"there.{near_miss_or_known(column, schema.names)} To read another one: columns: "
                    f"{{{name}: …}}",
                )
                continue
            is_media = schema.field(column).type == MEDIA_VIEW_TYPE
            if is_media != (step.spec.inputs[name] == "media"):
                yield MissingInput(
                    idx,
                    name,
                    f"{step.spec.name} wants {'no ' if is_media else ''}media as {name!r}; "
                    f"column {column!r} holds {'media' if is_media else str(schema.field(column).type)}",
                )


def columns_after(steps: Sequence[Step], schema: pa.Schema) -> pa.Schema:
    """Columns that sample and batch operators give for rows of this schema; an output replaces a column of its name."""
    fields = {field.name: field for field in schema}
    for step in steps:
        for name, kind in step.spec.outputs.items():
            column = step.outputs[name]
            fields[column] = pa.field(column, kind)
        for name in step.spec.replaces:
            fields[AT + step.columns[name]] = pa.field(AT + step.columns[name], PLACE_TYPE)
    return pa.schema(list(fields.values()))


def columns_after_table_operator(
    spec: OperatorSpec, settings: Mapping[str, object], schema: pa.Schema
) -> tuple[tuple[str, ...], pa.Schema]:
    """Columns that a table operator reads of rows of this schema, `_id` included, and those that it gives.

    Raises:
        InvalidInput: It is no table operator, a column is missing, the rows have no ids, or an output's name is taken.
    """
    if spec.kind != "table":
        raise InvalidInput(f"operator {spec.name} works on each {spec.kind}; a table stage needs a table operator")
    if "_id" not in schema.names:
        raise InvalidInput(f"{spec.name} needs the rows' ids: they have no column '_id'; select it in the stage before")
    taken = [name for name in spec.outputs if name in schema.names]
    if taken:
        raise InvalidInput(f"{spec.name} gives a column {taken[0]!r}, and the rows have one already; rename that first")
    reads = tuple(sorted({*spec.columns_read(settings, schema), "_id"}, key=schema.names.index))
    return reads, pa.schema([*schema, *(pa.field(name, kind) for name, kind in spec.outputs.items())])
