"""Read-only SQL over given tables: one SELECT that sees these tables and nothing else."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from headrace.datasets.sql_connection import default_num_threads, open_locked_connection
from headrace.datasets.sql_functions import FunctionUse
from headrace.datasets.sql_guard import (
    ExpressionRules,
    JsonNode,
    SqlText,
    read_engine_fault,
    readable_table,
)
from headrace.errors import InvalidInput
from headrace.schema.near_misses import near_miss_or_known

__all__ = ["QueryLimits", "check_query", "run_query"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_UNKNOWN_COLUMN = re.compile(r'column "([^"]+)" not found')
_BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What one query may use; above any of them it fails with `InvalidInput`."""

    rows: int = 1_000_000  # rows of the result
    result_bytes: int = 1 << 30  # Arrow bytes of the result
    timeout_seconds: float = 120.0
    memory_bytes: int = 2 << 30  # sorts, joins and groups inside the engine; nothing is written to disk
    num_threads: int | None = None  # None: as many as there are cores, four at most


def run_query(
    sql: str,
    tables: Mapping[str, pa.Table | pa.RecordBatchReader],
    *,
    limits: QueryLimits | None = None,
) -> pa.Table:
    """Run one SELECT (WITH, joins, subqueries, aggregates, windows) over the tables by their names.

    A reader is streamed where the query names it once, else read into memory first; either way it is used up. Columns
    of types that the engine does not know (unions) are left out. Without ORDER BY the rows come in no promised order.

    Raises:
        InvalidInput: Not one SELECT over these tables, wrong SQL, or above a limit; with the 1-based character.
    """
    bounds = QueryLimits() if limits is None else limits
    _check_table_names(tables, subject="query")
    text = SqlText.checked("query", sql)
    connection = open_locked_connection(
        memory_limit_bytes=bounds.memory_bytes,
        num_threads=default_num_threads() if bounds.num_threads is None else bounds.num_threads,
        timeout_seconds=bounds.timeout_seconds,
    )
    try:
        walk = _walked(text, tuple(tables), connection)
        left_out: list[str] = []
        try:
            for name, table in tables.items():
                uses = walk.uses.get(name.casefold(), 0)
                if uses:
                    left_out += _register(connection, name, table, stream=uses == 1 and not walk.repeats)
            return _fetch(connection, text, bounds)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise _refused(text, error, bounds, walk.places, left_out) from error
    finally:
        connection.close()


def check_query(
    sql: str, tables: Collection[str], *, subject: str, connection: duckdb.DuckDBPyConnection
) -> frozenset[str]:
    """Check a SELECT whose tables are known by name only, and give the names of those that it reads.

    Syntax, functions and tables are checked; columns and types are when the query runs.

    Args:
        connection: A locked one; reading many queries needs no more than one.

    Raises:
        InvalidInput: Not one SELECT over these tables, or it could read something else.
    """
    _check_table_names(tables, subject=subject)
    text = SqlText.checked(subject, sql)
    uses = _walked(text, tuple(tables), connection).uses
    return frozenset(name for name in tables if name.casefold() in uses)


def _check_table_names(tables: Collection[str], *, subject: str) -> None:
    for name in tables:
        if not _NAME.fullmatch(name):
            raise InvalidInput(f"{subject}: table name {name!r} is not letters, digits and _ (100 at most)")
    if len({name.casefold() for name in tables}) != len(tables):
        raise InvalidInput(f"{subject}: table names must differ in more than case")


def _walked(text: SqlText, tables: tuple[str, ...], connection: duckdb.DuckDBPyConnection) -> _QueryWalk:
    walk = _QueryWalk(text, frozenset(name.casefold() for name in tables), known=tables)
    walk.visit(text.parse(connection), frozenset())
    return walk


def _register(
    connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table | pa.RecordBatchReader, *, stream: bool
) -> tuple[str, ...]:
    if isinstance(table, pa.RecordBatchReader):
        kept, left_out = readable_table(table.schema.empty_table())
        if stream and kept.schema.equals(table.schema):
            connection.register(name, table)
            return left_out
        table = table.read_all()
    readable, left_out = readable_table(table)
    connection.register(name, readable)
    return left_out


def _fetch(connection: duckdb.DuckDBPyConnection, text: SqlText, limits: QueryLimits) -> pa.Table:
    """Read batch by batch, so that a result above the limits is refused before it fills the memory."""
    deadline = time.monotonic() + limits.timeout_seconds
    relation = connection.sql(text.statement)
    kinds = [str(kind) for kind in relation.types]
    reader: pa.RecordBatchReader = relation.to_arrow_reader(_BATCH_ROWS)
    batches: list[pa.RecordBatch] = []
    num_rows = 0
    num_bytes = 0
    for batch in reader:
        batches.append(batch)
        num_rows += batch.num_rows
        num_bytes += batch.nbytes
        if num_rows > limits.rows:
            raise text.refusal(f"the result has more than {limits.rows:,} rows; add LIMIT or aggregate")
        if num_bytes > limits.result_bytes:
            raise text.refusal(f"the result has more than {limits.result_bytes:,} bytes; select fewer columns or rows")
        if time.monotonic() > deadline:
            raise _too_slow(text, limits)
    return _with_plain_integers(pa.Table.from_batches(batches, schema=reader.schema), kinds)


def _with_plain_integers(table: pa.Table, kinds: list[str]) -> pa.Table:
    """sum() of integers is a 128-bit integer, which Arrow would show as a decimal: int64 where it fits."""
    for idx, kind in enumerate(kinds):
        if kind == "HUGEINT":
            try:
                column = table.column(idx).cast(pa.int64())
            except pa.ArrowInvalid:
                continue
            table = table.set_column(idx, table.schema.field(idx).with_type(pa.int64()), column)
    return table


def _too_slow(text: SqlText, limits: QueryLimits) -> InvalidInput:
    return text.refusal(f"took more than {limits.timeout_seconds:g} s and was stopped; filter or aggregate earlier")


def _refused(
    text: SqlText, error: Exception, limits: QueryLimits, places: Mapping[str, JsonNode], left_out: list[str]
) -> InvalidInput:
    fault = read_engine_fault(error)
    if "maximum execution time" in fault.message or fault.kind.upper().startswith("INTERRUPT"):
        return _too_slow(text, limits)
    if fault.kind.startswith("Out of Memory"):
        return text.refusal(f"needs more than {limits.memory_bytes:,} bytes of memory; filter or aggregate earlier")
    message = fault.message
    if left_out and fault.kind.startswith("Binder"):
        message += f" (columns of types that SQL cannot read are left out: {', '.join(sorted(left_out))})"
    position: JsonNode = fault.position
    unknown = _UNKNOWN_COLUMN.search(message)
    if position is None and unknown is not None:  # DuckDB leaves the place out of some of these
        position = places.get(unknown[1].casefold())
    return text.refusal(message, position)


_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_SOURCES = frozenset({"EMPTY", "EXPRESSION_LIST", "JOIN", "PIVOT", "SUBQUERY"})
_MODIFIERS = frozenset({"DISTINCT_MODIFIER", "LIMIT_MODIFIER", "ORDER_MODIFIER"})
_ORDERS = frozenset({"ORDER_DEFAULT", "ORDER_ASCENDING", "ORDER_DESCENDING", "ASCENDING", "DESCENDING"})
# Constants in older notation carry their type as {"id": ...}, which is no node.
_PLAIN = _MODIFIERS | _ORDERS


class _QueryWalk:
    """Visits every node; what is not on a list is refused. Knows which tables are read and how often."""

    def __init__(self, sql: SqlText, tables: frozenset[str], *, known: tuple[str, ...]) -> None:
        self._sql = sql
        self._tables = tables  # case-folded
        self._known = known
        self._rules = ExpressionRules(sql, use=FunctionUse.QUERY)
        self.uses: dict[str, int] = {}
        self.places: dict[str, JsonNode] = {}  # column name, case-folded -> where it is first read
        self.repeats = False  # a part of the query may be run more than once, so a table in it as well

    def visit(self, node: Mapping[str, JsonNode], scope: frozenset[str]) -> None:
        """`scope`: case-folded names of the common table expressions that this node sees."""
        if "class" in node:
            self._rules.check(node)
            if node.get("class") == "SUBQUERY":
                self.repeats = True
            names = node.get("column_names")
            if isinstance(names, list) and names:
                self.places.setdefault(str(names[-1]).casefold(), node.get("query_location"))
            self._descend(node.values(), scope)
            return
        kind = node.get("type")
        if not isinstance(kind, str) or kind in _PLAIN:
            if "query_node" in node or "at_clause" in node:
                raise self._sql.refusal("holds a kind of statement that is not allowed")
            self._descend(node.values(), scope)
        elif kind in _NODES:
            self._visit_node(node, scope)
        elif kind == "BASE_TABLE":
            self._visit_table(node, scope)
        elif kind == "TABLE_FUNCTION":
            function = node.get("function")
            if not isinstance(function, dict):
                raise self._sql.refusal("holds a table function that cannot be read", node.get("query_location"))
            self._rules.check_table_function(function)
            self._descend(function.values(), scope)
        elif kind in _SOURCES:
            self.repeats = self.repeats or kind == "PIVOT"
            self._descend(node.values(), scope)
        else:
            words = "DESCRIBE, SHOW and SUMMARIZE" if kind == "SHOW_REF" else kind.lower().replace("_", " ")
            raise self._sql.refusal(
                f"{words}: not allowed; one SELECT over the given tables is", node.get("query_location")
            )

    def _visit_node(self, node: Mapping[str, JsonNode], scope: frozenset[str]) -> None:
        recursive = node.get("cte_name") if node.get("type") == "RECURSIVE_CTE_NODE" else None
        if isinstance(recursive, str):
            self.repeats = True
            scope = scope | {recursive.casefold()}
        tables = node.get("cte_map")
        entries = tables.get("map") if isinstance(tables, dict) else None
        for entry in entries if isinstance(entries, list) else []:
            if not isinstance(entry, dict):
                raise self._sql.refusal("holds a WITH that cannot be read")
            name, value = entry.get("key"), entry.get("value")
            query = value.get("query_node") if isinstance(value, dict) else None
            if not isinstance(name, str) or not isinstance(value, dict) or not isinstance(query, dict):
                raise self._sql.refusal("holds a WITH that cannot be read")
            self.repeats = True
            self.visit(query, scope)
            self._descend((part for key, part in value.items() if key != "query_node"), scope)
            scope = scope | {name.casefold()}
        self._descend((part for key, part in node.items() if key != "cte_map"), scope)

    def _visit_table(self, node: Mapping[str, JsonNode], scope: frozenset[str]) -> None:
        name = str(node.get("table_name", ""))
        location = node.get("query_location")
        qualified = node.get("qualified_name")
        path = qualified.get("path") if isinstance(qualified, dict) else None
        shown = ".".join(str(part) for part in path) if isinstance(path, list) else name
        plain = (
            isinstance(path, list) and len(path) == 1 and not node.get("schema_name") and not node.get("catalog_name")
        )
        if plain and name.casefold() in scope:
            return
        if not plain or name.casefold() not in self._tables:
            raise self._sql.refusal(f'there is no table "{shown}".{near_miss_or_known(shown, self._known)}', location)
        if node.get("at_clause"):
            raise self._sql.refusal("AT is not allowed; take a snapshot of the version to look at", location)
        self.uses[name.casefold()] = self.uses.get(name.casefold(), 0) + 1

    def _descend(self, values: Iterable[JsonNode], scope: frozenset[str]) -> None:
        pending: list[JsonNode] = list(values)
        while pending:
            value = pending.pop()
            if isinstance(value, list):
                pending += value
            elif isinstance(value, dict):
                self.visit(value, scope)
