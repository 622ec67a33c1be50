"""Which columns the rows of each source and stage have, followed through a recipe before any row is read."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from headrace.curation.executor.step import Step
from headrace.curation.merge_columns import merge_problems, merged_schema
from headrace.curation.merge_rules import MergeRules
from headrace.curation.operator_columns import columns_after, columns_after_table_operator, missing_inputs
from headrace.curation.operator_spec import OperatorSpec
from headrace.curation.recipe_file.problems import Problems
from headrace.curation.sources import OpenSource, source_schema
from headrace.curation.stage_work import is_operator_stage
from headrace.curation.static_plan import (
    CheckWork,
    CommandWork,
    FilterWork,
    MergeWork,
    OperatorWork,
    SqlWork,
    StaticPlan,
    StaticStage,
)
from headrace.datasets.columns import media_kind
from headrace.datasets.filters import Filter
from headrace.errors import HeadraceError
from headrace.schema.near_misses import near_miss_or_known

__all__ = ["flow_schemas"]


def flow_schemas(
    static: StaticPlan,
    *,
    sources: Mapping[str, OpenSource],
    steps: Mapping[str, list[Step]],
    known: Mapping[str, pa.Schema],
) -> dict[str, pa.Schema | None]:
    """Columns of each source and stage by its name; None behind a command, which may give any.

    Args:
        steps: Of each stage of operators, by its name.
        known: Columns of stages whose result is there; these are not checked again.

    Raises:
        InvalidRecipe: Columns that are not there or of the wrong type, all at once, each with file, line, column and
            the nearest name.
    """
    problems = Problems()
    flow = _Flow(steps, problems)
    for source in static.sources:
        if source.name in sources:
            flow.schemas[source.name] = known.get(source.name)
            if flow.schemas[source.name] is None:
                with problems.noted(source.place_of(["columns"], ["where"], [])):
                    flow.schemas[source.name] = sources[source.name].schema
                if source.where is not None:
                    with problems.noted(source.place_of(["where"], []), subject=f"source {source.name!r}"):
                        Filter.parse(source.where, source_schema(sources[source.name].snapshot))
    for stage in static.stages:
        flow.schemas[stage.name] = known[stage.name] if stage.name in known else flow.behind(stage)
    problems.raise_any()
    return flow.schemas


class _Flow:
    def __init__(self, steps: Mapping[str, list[Step]], problems: Problems) -> None:
        self._steps = steps
        self._problems = problems
        self.schemas: dict[str, pa.Schema | None] = {}

    def behind(self, stage: StaticStage) -> pa.Schema | None:
        """Columns of the stage's rows, None where they are not known."""
        inputs = {item.name: self.schemas[item.origin] for item in stage.inputs}
        given = {name: schema for name, schema in inputs.items() if schema is not None}
        if len(given) < len(inputs):
            return None
        schema = next(iter(given.values()))
        match stage.work:
            case OperatorWork():
                return self._behind_operators(stage, stage.work, schema)
            case FilterWork(expression=expression):
                self._check_expression(stage, "filter", expression, schema)
                return schema
            case SqlWork(sql=sql, key=key):
                return self._behind_sql(stage, "sql", sql, key, given)
            case MergeWork(rules=rules):
                return self._behind_merge(stage, rules, given)
            case CheckWork(sql=sql):
                self._behind_sql(stage, "check", sql, (), given)
                return schema
            case CommandWork(media=media):
                self._check_media(stage, media, schema)
        return None

    def _check_media(self, stage: StaticStage, columns: Sequence[str], schema: pa.Schema) -> None:
        known = [field.name for field in schema if media_kind(field) is not None]
        for idx, name in enumerate(columns):
            if name not in known:
                self._problems.add(
                    f"stage {stage.name!r}: command: {name!r} is no media column.{near_miss_or_known(name, known)}",
                    stage.place_of(["media", idx]),
                )

    def _behind_operators(self, stage: StaticStage, work: OperatorWork, schema: pa.Schema) -> pa.Schema | None:
        if not is_operator_stage(stage):
            return self._behind_table_operator(stage, work, schema)
        if work.where is not None:
            self._check_expression(stage, "where", work.where, schema)
        steps = self._steps[stage.name]
        for missing in missing_inputs(steps, schema):
            inside: tuple[str | int, ...] = ("operators", missing.step_idx) if stage.kind == "operators" else ()
            self._problems.add(
                f"stage {stage.name!r}: {missing.message}",
                stage.place_of([*inside, "columns", missing.input_name], [*inside, "operator"]),
                missing=missing.input_name,
            )
        return columns_after(steps, schema)

    def _behind_table_operator(self, stage: StaticStage, work: OperatorWork, schema: pa.Schema) -> pa.Schema | None:
        use = work.uses[0]
        spec, settings = use.operator, dict(use.settings)
        if not isinstance(spec, OperatorSpec):
            return None
        wrong = next((name for name in spec.settings if _names_no_column(spec, name, settings, schema)), None)
        paths = [["operator"]] if wrong is None else [["settings", wrong], ["operator"]]
        with self._problems.noted(stage.place_of(*paths), subject=f"stage {stage.name!r}"):
            return columns_after_table_operator(spec, settings, schema)[1]
        return None

    def _check_expression(self, stage: StaticStage, key: str, expression: str, schema: pa.Schema) -> None:
        with self._problems.noted(stage.place_of([key]), subject=f"stage {stage.name!r}"):
            Filter.parse(expression, schema)

    def _behind_merge(self, stage: StaticStage, rules: MergeRules, inputs: Mapping[str, pa.Schema]) -> pa.Schema | None:
        found = merge_problems(rules, inputs)
        for path, message in found:
            self._problems.add(f"stage {stage.name!r}: {message}", stage.place_of(path, path[:1]))
        return None if found else merged_schema(rules, inputs)

    def _behind_sql(
        self, stage: StaticStage, key: str, sql: str, columns: tuple[str, ...], inputs: Mapping[str, pa.Schema]
    ) -> pa.Schema | None:
        """DuckDB says what the statement gives for empty tables."""
        from headrace.curation.table_stages.stage_query import prepare_query

        with (
            tempfile.TemporaryDirectory(prefix="headrace-columns-") as folder,
            self._problems.noted(stage.place_of([key]), subject=f"stage {stage.name!r}"),
        ):
            return prepare_query(sql, inputs, key=columns, folder=Path(folder)).columns.schema
        return None


def _names_no_column(spec: OperatorSpec, name: str, settings: Mapping[str, object], schema: pa.Schema) -> bool:
    """Whether a setting names a column, or holds an expression over columns, that is not there."""
    role = spec.settings[name].role
    value = settings[name]
    if role == "column":
        named = value if isinstance(value, list | tuple) else () if value in (None, "") else (value,)
        return any(column not in schema.names for column in named)
    if role == "condition":
        try:
            Filter.parse(str(value), schema)
        except HeadraceError:
            return True
    return False
