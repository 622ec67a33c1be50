"""A table stage's SQL, checked and ready: what runs, what it reads, what it gives, whether keys can be parted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from headrace.curation.table_stages.bound_plan import BoundPlan, read_bound_plan
from headrace.curation.table_stages.engine_types import unlike_column
from headrace.curation.table_stages.file_views import FileView, write_empty_file
from headrace.curation.table_stages.result_columns import ResultColumns
from headrace.curation.table_stages.total_order import append_order, order_everything, ordered_columns
from headrace.datasets.query_walk import QueryWalk, check_table_names
from headrace.datasets.sql_connection import open_locked_connection
from headrace.datasets.sql_functions import FunctionUse, is_volatile
from headrace.datasets.sql_guard import SqlText, read_engine_fault
from headrace.errors import InvalidInput
from headrace.schema.near_misses import near_miss_or_known

__all__ = ["StageQuery", "prepare_query"]

_MEMORY_BYTES = 256 << 20  # for binding over empty tables
_TIMEOUT_SECONDS = 60.0
_PARTABLE = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_boolean,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_date,
    pa.types.is_timestamp,
    pa.types.is_decimal,
)
"""Types of keys that Arrow sorts as DuckDB does."""


@dataclass(frozen=True, slots=True)
class StageQuery:
    """A checked statement over named inputs."""

    text: SqlText  # as the user wrote it
    statement: str  # what runs: any order of input gives the same rows in the same order
    reads: Mapping[str, tuple[str, ...]]  # input that the statement names -> its columns that it needs, in their order
    columns: ResultColumns
    obstacle: str | None  # why it cannot be run by partitions of the key; None: it can


def prepare_query(sql: str, schemas: Mapping[str, pa.Schema], *, key: Sequence[str], folder: Path) -> StageQuery:
    """Check a SELECT over inputs with these schemas; reads no rows.

    Args:
        key: Columns whose equal values must come together.
        folder: An empty file for each input is written here, because types are what DuckDB makes of Parquet.

    Raises:
        InvalidInput: Not one SELECT over these inputs, wrong SQL, or a result that depends on chance or that cannot be
            kept; with the 1-based character where it is known.
    """
    check_table_names("sql", schemas)
    text = SqlText.checked("sql", sql)
    for name in key:
        if all(name.casefold() not in map(str.casefold, schema.names) for schema in schemas.values()):
            known = sorted({column for schema in schemas.values() for column in schema.names})
            raise InvalidInput(f"key: no input has a column {name!r}.{near_miss_or_known(name, known)}")
    connection = open_locked_connection(
        memory_limit_bytes=_MEMORY_BYTES, num_threads=1, timeout_seconds=_TIMEOUT_SECONDS, folder=folder
    )
    try:
        walk = QueryWalk(text, tuple(schemas), use=FunctionUse.STAGE)
        walk.visit(text.parse(connection), frozenset())
        try:
            _create_empty_tables(connection, schemas, folder)
            connection.sql(text.statement)  # binds what the user wrote, so that errors point into it
            named = {name: schema for name, schema in schemas.items() if name.casefold() in walk.uses}
            return _prepared(connection, text, named, key)
        except (duckdb.Error, pa.ArrowException) as error:
            fault = read_engine_fault(error)
            raise text.refusal(fault.message, fault.position) from error
    finally:
        connection.close()


def _create_empty_tables(connection: duckdb.DuckDBPyConnection, schemas: Mapping[str, pa.Schema], folder: Path) -> None:
    for name, schema in schemas.items():
        view = FileView((write_empty_file(folder, schema),), tuple(schema.names))
        view.create(connection, f"_headrace_empty_{name}")
        statement = f'CREATE TABLE "{name}" AS SELECT * FROM "_headrace_empty_{name}"'  # noqa: S608 - a checked name
        connection.execute(statement).fetchall()


def _prepared(
    connection: duckdb.DuckDBPyConnection, text: SqlText, schemas: Mapping[str, pa.Schema], key: Sequence[str]
) -> StageQuery:
    tree = _serialized(connection, text.statement)
    top = order_everything(tree, text, columns={name for schema in schemas.values() for name in schema.names})
    unordered = _deserialized(connection, tree)
    plan = _bound(connection, unordered, schemas, key)
    for name, num_arguments in sorted(plan.calls):
        if is_volatile(name, num_arguments=num_arguments):
            raise text.refusal(f"{name} does not give the same result each time; write the value itself")
    relation = connection.sql(unordered)
    kinds = [str(kind) for kind in relation.types]
    arrow = relation.to_arrow_reader(1).schema
    columns = ResultColumns.of(text, arrow, kinds=kinds, origins=plan.columns, schemas=schemas)
    obstacle = plan.obstacle or _unpartable_key(schemas, key) or _unpartable_column(schemas, plan)
    if top.has_order or top.has_limit:
        obstacle = obstacle or "ORDER BY, LIMIT and DISTINCT ON at the end look at all rows"
    if obstacle is None:
        first = [next(idx for idx, each in enumerate(plan.columns) if each.key == number) for number in range(len(key))]
    else:
        folded = [name.casefold() for name in arrow.names]
        first = [folded.index(name.casefold()) for name in key if name.casefold() in folded]
    rest = [idx for idx in range(len(arrow.names)) if idx not in first]
    is_settled = obstacle is None and plan.is_unique  # no two rows with one key: no need to compare more
    settled = ordered_columns(tree)
    folded = [name.casefold() for name in arrow.names]
    positions = [
        idx + 1
        for idx in (first if is_settled else first + rest)
        if folded[idx] not in settled or folded.count(folded[idx]) > 1
    ]
    append_order(tree, positions)
    statement = _deserialized(connection, tree)
    wanted = _named_by_stars(tree)
    if obstacle is None:
        wanted |= {name.casefold() for name in key}
    reads = {
        name: tuple(column for column in schema.names if column in plan.reads[name] or column.casefold() in wanted)
        # DuckDB needs a column to count rows by, whatever it is.
        or tuple(schema.names[:1])
        for name, schema in schemas.items()
    }
    return StageQuery(text, statement, reads, columns, obstacle)


def _bound(
    connection: duckdb.DuckDBPyConnection, statement: str, schemas: Mapping[str, pa.Schema], key: Sequence[str]
) -> BoundPlan:
    tables = {name: tuple(schema.names) for name, schema in schemas.items()}
    found = connection.execute("SELECT json_serialize_plan(?::VARCHAR, optimize := false)", [statement]).fetchall()[0][
        0
    ]
    plan = json.loads(found)
    if plan.get("error"):
        everything = {name: frozenset(columns) for name, columns in tables.items()}
        return BoundPlan((), everything, f"its plan cannot be read ({plan.get('error_message')})", False)
    return read_bound_plan(plan, tables=tables, key=key)


def _unpartable_key(schemas: Mapping[str, pa.Schema], key: Sequence[str]) -> str | None:
    """Why the key's types cannot be parted, or None."""
    for name in key:
        types = {
            field.type for schema in schemas.values() for field in schema if field.name.casefold() == name.casefold()
        }
        if len(types) > 1:
            return f"the key {name} has several types: {', '.join(sorted(map(str, types)))}"
        kind = next(iter(types))
        if not any(test(kind) for test in _PARTABLE) or pa.types.is_float16(kind):
            return f"the key {name} is of type {kind}, which is not parted"
    return None


def _unpartable_column(schemas: Mapping[str, pa.Schema], plan: BoundPlan) -> str | None:
    """Why one of the columns that are read cannot be handed over as Arrow, or None."""
    for name, schema in schemas.items():
        column = unlike_column(schema, [each for each in schema.names if each in plan.reads[name]])
        if column is not None:
            return f"column {column} of {name} is of type {schema.field(column).type}, which is not parted"
    return None


def _named_by_stars(tree: object) -> set[str]:
    """Columns that `* EXCLUDE`, REPLACE and RENAME name, case-folded: they must be there, though nothing reads them."""
    if isinstance(tree, list):
        return set().union(*map(_named_by_stars, tree))
    if not isinstance(tree, dict):
        return set()
    found = set().union(*map(_named_by_stars, tree.values()))
    if tree.get("class") == "STAR":
        for kind in ("exclude_list", "qualified_exclude_list", "replace_list", "rename_list"):
            for entry in tree.get(kind, ()):
                name = entry if isinstance(entry, str) else entry.get("key", entry)
                found.add(str(name["column"] if isinstance(name, dict) else name).casefold())
    return found


def _serialized(connection: duckdb.DuckDBPyConnection, statement: str) -> dict[str, Any]:
    found = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [statement]).fetchall()[0][0]
    tree: dict[str, Any] = json.loads(found)
    return tree


def _deserialized(connection: duckdb.DuckDBPyConnection, tree: dict[str, Any]) -> str:
    return str(connection.execute("SELECT json_deserialize_sql(?::JSON)", [json.dumps(tree)]).fetchall()[0][0])
