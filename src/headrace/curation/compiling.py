"""From a recipe's document to its static plan: names resolved, values filled in, stages in order. No data is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from headrace.curation.command_stages import compile_command
from headrace.curation.merge_stages import compile_merge
from headrace.curation.operator_catalogue import OperatorCatalogue
from headrace.curation.operator_stages import compile_operators
from headrace.curation.recipe_file.document import (
    ReadOutput,
    ReadSource,
    ReadStage,
    RecipeDocument,
    StageBody,
    UnreadStage,
)
from headrace.curation.recipe_file.fields import (
    CheckFields,
    CommandFields,
    FilterFields,
    FusedFields,
    MergeFields,
    OperatorFields,
    SqlFields,
)
from headrace.curation.recipe_file.problems import Place, Problems
from headrace.curation.stage_inputs import (
    readable_names,
    reads_of,
    refuse_cycles,
    refuse_reading_of_checks,
    resolve_inputs,
    written_keys,
)
from headrace.curation.stage_order import ordered_stages
from headrace.curation.static_plan import (
    CheckWork,
    FilterWork,
    SqlWork,
    StageInput,
    StageKind,
    StageWork,
    StaticOutput,
    StaticPlan,
    StaticSource,
    StaticStage,
)
from headrace.errors import HeadraceError
from headrace.schema.names import check_column_name, check_dataset_name
from headrace.schema.near_misses import near_miss_or_known
from headrace.schema.references import Reference
from headrace.schema.tags import normalise_tags

if TYPE_CHECKING:
    import duckdb

__all__ = ["compile_recipe"]


def compile_recipe(
    document: RecipeDocument, *, catalogue: OperatorCatalogue, folder: Path, problems: Problems
) -> StaticPlan:
    """The plan of the document.

    Args:
        folder: The recipe's; names of files start there.
        problems: Takes what is wrong, and may hold problems of reading; they are raised together.

    Raises:
        InvalidRecipe: There is at least one problem.
    """
    names = readable_names(document, problems)
    with _sql_connection(document) as connection:
        sources = tuple(_source(source, connection, problems) for source in document.sources)
        stages = {
            stage.fields.name: _stage(stage, document, names, catalogue, folder, connection, problems)
            for stage in document.stages
            if isinstance(stage, ReadStage)
        }
    if len(stages) == sum(isinstance(stage, ReadStage) for stage in document.stages):
        refuse_cycles(document, stages, problems)  # where two stages share a name, it says nothing
    refuse_reading_of_checks(document, stages, problems)
    outputs = tuple(_output(output, document, stages, problems) for output in document.outputs)
    problems.raise_any()
    order = ordered_stages(reads_of(stages))
    return StaticPlan(
        document.name,
        document.description,
        tuple(source for source in sources if source is not None),
        tuple(stages[name] for name in order),
        tuple(output for output in outputs if output is not None),
    )


@contextmanager
def _sql_connection(document: RecipeDocument) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """A locked connection that parses SQL, if there is any to parse: opening takes 20 ms."""
    has_sql = any(source.fields.where is not None for source in document.sources) or any(
        not isinstance(stage.fields, CommandFields | MergeFields) and _has_sql(stage.fields)
        for stage in document.stages
        if isinstance(stage, ReadStage)
    )
    if not has_sql:
        yield None
        return
    from headrace.datasets.sql_connection import open_locked_connection

    connection = open_locked_connection(memory_limit_bytes=1 << 28, num_threads=1, timeout_seconds=60.0)
    try:
        yield connection
    finally:
        connection.close()


def _has_sql(fields: StageBody) -> bool:
    if isinstance(fields, OperatorFields | FusedFields):
        return fields.where is not None
    return True


def _check_expression(
    text: str,
    *,
    subject: str,
    key: str,
    place: Place | None,
    connection: duckdb.DuckDBPyConnection | None,
    problems: Problems,
) -> None:
    from headrace.datasets.filters import check_expression

    if connection is None:
        raise RuntimeError("SQL to check and no connection")  # _sql_connection looks at the same fields
    with problems.noted(place, subject=subject):
        check_expression(text, subject=key, connection=connection)


def _source(
    source: ReadSource, connection: duckdb.DuckDBPyConnection | None, problems: Problems
) -> StaticSource | None:
    subject = f"source {source.name!r}"
    fields = source.fields
    if fields.where is not None:
        _check_expression(
            fields.where,
            subject=subject,
            key="where",
            place=source.node.at(["where"]),
            connection=connection,
            problems=problems,
        )
    for idx, column in enumerate(fields.columns or ()):
        with problems.noted(source.node.at(["columns", idx]), subject=subject):
            check_column_name(column)
    try:
        reference = Reference.parse(fields.ref)
    except HeadraceError as error:
        problems.add(f"{subject}: {error.message}", source.node.at(["ref"]))
        return None
    columns = None if fields.columns is None else tuple(fields.columns)
    return StaticSource(source.name, reference, fields.where, columns, source.node)


def _stage(
    stage: ReadStage,
    document: RecipeDocument,
    names: Mapping[str, Place | None],
    catalogue: OperatorCatalogue,
    folder: Path,
    connection: duckdb.DuckDBPyConnection | None,
    problems: Problems,
) -> StaticStage:
    fields = stage.fields
    inputs = resolve_inputs(stage, document, names, problems)
    work: StageWork
    if isinstance(fields, OperatorFields | FusedFields):
        if fields.where is not None:
            _check_expression(
                fields.where,
                subject=stage.subject,
                key="where",
                place=stage.node.at(["where"]),
                connection=connection,
                problems=problems,
            )
        work = compile_operators(stage, fields, catalogue=catalogue, folder=folder, problems=problems)
    elif isinstance(fields, FilterFields):
        _check_expression(
            fields.filter,
            subject=stage.subject,
            key="filter",
            place=stage.node.at(["filter"]),
            connection=connection,
            problems=problems,
        )
        work = FilterWork(fields.filter)
    elif isinstance(fields, SqlFields):
        _check_query(fields.sql, "sql", stage, inputs, connection, problems)
        for idx, column in enumerate(fields.key):
            place = stage.node.at(["key", idx])
            with problems.noted(place, subject=stage.subject):
                check_column_name(column)
            if column in fields.key[:idx]:
                problems.add(f"{stage.subject}: the key names {column!r} twice", place)
        work = SqlWork(fields.sql, tuple(fields.key))
    elif isinstance(fields, MergeFields):
        work = compile_merge(stage, fields, folder=folder, problems=problems)
    elif isinstance(fields, CheckFields):
        _check_query(fields.check, "check", stage, inputs, connection, problems)
        work = CheckWork(fields.check, fields.message)
    else:
        work = compile_command(stage, fields, folder=folder, problems=problems)
    return StaticStage(fields.name, cast(StageKind, stage.kind), inputs, work, stage.node.place, stage.node)


def _check_query(
    text: str,
    key: str,
    stage: ReadStage,
    inputs: tuple[StageInput, ...],
    connection: duckdb.DuckDBPyConnection | None,
    problems: Problems,
) -> None:
    from headrace.datasets.queries import check_query

    if connection is None:
        raise RuntimeError("SQL to check and no connection")  # _sql_connection looks at the same fields
    with problems.noted(stage.node.at([key]), subject=stage.subject):
        used = check_query(text, [item.name for item in inputs], subject=key, connection=connection)
        unused = [item.name for item in inputs if item.name not in used]
        if unused and inputs:
            place = stage.node.at(["inputs", unused[0]]) if "inputs" in written_keys(stage) else stage.node.at([key])
            problems.add(f"{stage.subject}: {key} does not read the table {unused[0]!r}", place)


def _output(
    output: ReadOutput, document: RecipeDocument, stages: Mapping[str, StaticStage], problems: Problems
) -> StaticOutput | None:
    subject = f"output {output.name!r}"
    fields = output.fields
    unread = {stage.name for stage in document.stages if isinstance(stage, UnreadStage)}
    if fields.stage not in {*stages, *unread} and not document.is_partial and "${" not in fields.stage:
        hint = near_miss_or_known(fields.stage, stages)
        problems.add(f"{subject}: there is no stage {fields.stage!r}.{hint}", output.node.at(["stage"]))
    with problems.noted(output.node.at(["dataset"]), subject=subject):
        check_dataset_name(fields.dataset)
    try:
        tags = normalise_tags(fields.tags)
    except HeadraceError as error:
        problems.add(f"{subject}: {error.message}", output.node.at(["tags"]))
        return None
    return StaticOutput(output.name, fields.stage, fields.dataset, tags)
