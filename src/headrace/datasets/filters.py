"""Row filters: one DuckDB expression over the columns of a dataset, true for the rows to keep."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.datasets.columns import MEDIA_VIEW_TYPE, media_kind
from headrace.datasets.sql_connection import open_locked_connection
from headrace.datasets.sql_functions import FunctionUse
from headrace.datasets.sql_guard import (
    ExpressionRules,
    JsonNode,
    SqlText,
    arrow_for_engine,
    read_engine_fault,
    readable_table,
)
from headrace.errors import InvalidInput
from headrace.schema.near_misses import near_miss_or_known

__all__ = ["Expression", "Filter", "check_expression", "expression_tree"]

# Names inside DuckDB; no column may start with an underscore.
_ROWS = "_headrace_rows"
_KEEP = "_headrace_keep"
_PREFIX = "SELECT (\n"
_SUFFIX = f'\n) AS "{_KEEP}" FROM "{_ROWS}"'
_MEMORY_LIMIT_BYTES = 2 << 30
_NUM_THREADS = 2
_TIMEOUT_SECONDS = 600.0
_CLOCK = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})


class _Engine:
    """One locked connection for all filters of a process, opened where it is first needed: opening takes 20 ms.

    Neither a fork nor pickling carries a connection over: the other process opens its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._pid = 0
        self._abandoned: list[duckdb.DuckDBPyConnection] = []

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own for one caller; close it after use."""
        with self._lock:
            if self._connection is None or self._pid != os.getpid():
                if self._connection is not None:
                    # Closing a connection that came over a fork would wait for threads that are not there.
                    self._abandoned.append(self._connection)
                self._connection = open_locked_connection(
                    memory_limit_bytes=_MEMORY_LIMIT_BYTES, num_threads=_NUM_THREADS, timeout_seconds=_TIMEOUT_SECONDS
                )
                self._pid = os.getpid()
            return self._connection.cursor()


_ENGINE = _Engine()


@dataclass(frozen=True, slots=True)
class Filter:
    """A checked expression. Deterministic: the same rows always give the same mask. Thread-safe."""

    expression: str
    columns: tuple[str, ...]  # top-level columns that the expression reads, sorted

    @classmethod
    def parse(cls, expression: str, schema: pa.Schema) -> Filter:
        """Check the expression against the dataset's schema; media columns are structs without bytes in it.

        Raises:
            InvalidInput: Not one boolean expression over these columns, or it could read more than its row (files,
                clock, random numbers, other rows). The message gives the 1-based character and near misses.
        """
        sql = SqlText.checked("where", expression, prefix=_PREFIX, suffix=_SUFFIX)
        sql.refuse_breakouts()
        with closing(_ENGINE.cursor()) as connection:
            schema = _narrow_schema(schema)
            columns = _read_columns(sql, connection, schema)
            _check_boolean(sql, connection, schema, columns)
        return cls(expression, columns)

    def mask(
        self,
        table: pa.Table,  # [rows], with at least the columns the filter reads
    ) -> NDArray[np.bool_]:
        """True for each row to keep, in the order of the table; null counts as false. Shape [rows].

        Raises:
            InvalidInput: A column is missing, or a value cannot be used as the expression wants (a cast that fails).
        """
        missing = [name for name in self.columns if name not in table.column_names]
        if missing:
            raise InvalidInput(
                f'where: the rows have no column "{missing[0]}", which {self.expression!r} reads.'
                f"{near_miss_or_known(missing[0], table.column_names)}"
            )
        if table.num_rows == 0:
            return np.zeros(0, dtype=np.bool_)
        sql = SqlText("where", self.expression, _PREFIX, _SUFFIX)
        with closing(_ENGINE.cursor()) as connection:
            try:
                connection.register(_ROWS, _input_rows(table, self.columns))
                found = connection.execute(sql.statement).fetchnumpy()[_KEEP]  # [rows], masked where null
            except (duckdb.Error, pa.ArrowException) as error:
                raise _refused(sql, error) from error
        keep: NDArray[np.bool_] = np.asarray(np.ma.filled(found, False)).astype(np.bool_)
        if keep.shape != (table.num_rows,):
            raise RuntimeError(f"filter gave {keep.shape} values for {table.num_rows} rows")
        return keep


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression that gives each row a value of any type; the same rules as for filters. Thread-safe."""

    subject: str  # starts messages
    expression: str
    columns: tuple[str, ...]  # top-level columns that it reads, sorted

    @classmethod
    def parse(cls, expression: str, schema: pa.Schema, *, subject: str) -> Expression:
        """Check the expression against the schema; media columns are structs without bytes in it.

        Raises:
            InvalidInput: Not one expression over these columns, or it could read more than its row.
        """
        sql = SqlText.checked(subject, expression, prefix=_PREFIX, suffix=_SUFFIX)
        sql.refuse_breakouts()
        with closing(_ENGINE.cursor()) as connection:
            columns = _read_columns(sql, connection, _narrow_schema(schema))
        return cls(subject, expression, columns)

    def values(
        self,
        table: pa.Table,  # [rows], with at least the columns the expression reads
    ) -> pa.ChunkedArray:
        """One value a row, in the order of the table, [rows].

        Raises:
            InvalidInput: A value cannot be used as the expression wants (a cast that fails).
        """
        sql = SqlText(self.subject, self.expression, _PREFIX, _SUFFIX)
        with closing(_ENGINE.cursor()) as connection:
            try:
                connection.register(_ROWS, _input_rows(table, self.columns))
                found = connection.sql(sql.statement).to_arrow_table().column(0)
            except (duckdb.Error, pa.ArrowException) as error:
                raise _refused(sql, error) from error
        if len(found) != table.num_rows:
            raise RuntimeError(f"expression gave {len(found)} values for {table.num_rows} rows")
        return found


def check_expression(expression: str, *, subject: str, connection: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Check an expression whose columns are not known yet, and give the names that it reads, sorted.

    Syntax, functions and everything else that needs no schema is checked; `Filter.parse` checks the rest later.

    Args:
        connection: A locked one; reading many expressions needs no more than one.

    Raises:
        InvalidInput: Not one expression, or it could read more than its row.
    """
    sql = SqlText.checked(subject, expression, prefix=_PREFIX, suffix=_SUFFIX)
    sql.refuse_breakouts()
    walk = _FormWalk(sql, pa.schema([]))
    walk.visit(_only_expression(sql, sql.parse(connection)), frozenset())
    return tuple(sorted(walk.columns))


def expression_tree(expression: str) -> Mapping[str, JsonNode]:
    """DuckDB's syntax tree of one expression; its columns and functions are not looked at.

    Raises:
        InvalidInput: Not one expression.
    """
    sql = SqlText.checked("where", expression, prefix=_PREFIX, suffix=_SUFFIX)
    with closing(_ENGINE.cursor()) as connection:
        return _only_expression(sql, sql.parse(connection))


def _narrow_schema(schema: pa.Schema) -> pa.Schema:
    """Media columns, which hold bytes in the dataset's schema, as the structs that filters see."""
    return pa.schema(
        [
            field.with_type(MEDIA_VIEW_TYPE)
            if media_kind(field) is not None and not pa.types.is_struct(field.type)
            else field
            for field in schema
        ]
    )


def _input_rows(table: pa.Table, columns: tuple[str, ...]) -> pa.Table:
    """The columns read, in types that DuckDB reads; a filler where the expression is a constant."""
    if not columns:
        return pa.table({f"{_ROWS}_filler": pa.nulls(table.num_rows, pa.int8())})
    return readable_table(table.select(list(columns)))[0]


def _read_columns(sql: SqlText, connection: duckdb.DuckDBPyConnection, schema: pa.Schema) -> tuple[str, ...]:
    """Top-level columns that the expression reads, sorted, of the schema without media bytes.

    Raises:
        InvalidInput: Not one expression over these columns, or it could read more than its row.
    """
    walk = _FilterWalk(sql, schema)
    walk.visit(_only_expression(sql, sql.parse(connection)), frozenset())
    columns = tuple(sorted(walk.columns))
    _check_readable(sql, schema, columns)
    return columns


def _only_expression(sql: SqlText, node: Mapping[str, JsonNode]) -> Mapping[str, JsonNode]:
    """The one expression between prefix and suffix; anything more means that the text left its place."""
    outside = sql.refusal("expected one expression over the columns, such as label = 'cat'")
    allowed = {"type", "select_list", "from_table", "cte_map", "aggregate_handling"}
    table = node.get("from_table")
    selected = node.get("select_list")
    if node.get("type") != "SELECT_NODE" or set(node) - allowed or node.get("cte_map"):
        raise outside
    if not isinstance(table, dict) or not isinstance(selected, list) or len(selected) != 1:
        raise outside
    plain = {"type", "table_name", "query_location", "query_location_length", "qualified_name"}
    if table.get("type") != "BASE_TABLE" or table.get("table_name") != _ROWS or set(table) - plain:
        raise outside
    expression = selected[0]
    if not isinstance(expression, dict) or expression.get("alias") != _KEEP:
        raise outside
    return expression


class _FilterWalk:
    """Checks every node and collects the columns read."""

    def __init__(self, sql: SqlText, schema: pa.Schema) -> None:
        self._sql = sql
        self._schema = schema
        self._rules = ExpressionRules(sql, use=FunctionUse.FILTER)
        self.columns: set[str] = set()

    def visit(self, node: Mapping[str, JsonNode], parameters: frozenset[str]) -> None:
        """`parameters`: names that lambdas around this node define, case-folded."""
        self._rules.check(node)
        if node.get("class") == "COLUMN_REF":
            self._resolve(node, parameters)
            return
        if node.get("class") == "LAMBDA" and node.get("syntax_type") != "SINGLE_ARROW":
            left = node.get("lhs")
            inner = parameters | frozenset(_parameter_names(left))
            body = node.get("expr")
            if isinstance(body, dict):
                self.visit(body, inner)
            return
        if node.get("class") == "LAMBDA":
            self._refuse_old_lambda(node)
        for child in _children(self._sql, node):
            self.visit(child, parameters)

    def _refuse_old_lambda(self, node: Mapping[str, JsonNode]) -> None:
        """`a -> b` takes a value out of JSON where `a` is a column, and was once a lambda where it is none."""
        names = list(_parameter_names(node.get("lhs")))
        if names and not any(known.casefold() in names for known in self._schema.names):
            raise self._sql.refusal(
                f"write lambda {', '.join(names)}: ... instead of {', '.join(names)} -> ...", node.get("query_location")
            )

    def _resolve(self, node: Mapping[str, JsonNode], parameters: frozenset[str]) -> None:
        names = node.get("column_names")
        location = node.get("query_location")
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise self._sql.refusal("holds a column name that cannot be read", location)
        path = [str(name) for name in names]
        if path[0].casefold() in parameters:
            return
        field = self._find(path[0], location)
        self.columns.add(field.name)
        kind = field.type
        for depth, name in enumerate(path[1:], start=1):
            if not pa.types.is_struct(kind):
                parent = ".".join(path[:depth])
                raise self._sql.refusal(f'"{parent}" is of type {kind} and has no field "{name}"', location)
            inner = {child.name: child.type for child in kind}
            match = [known for known in inner if known.casefold() == name.casefold()]
            if not match:
                raise self._sql.refusal(
                    f'"{".".join(path[:depth])}" has no field "{name}".{near_miss_or_known(name, inner)}', location
                )
            kind = inner[match[0]]

    def _find(self, name: str, location: object) -> pa.Field:
        names = self._schema.names
        matches = [name] if name in names else [known for known in names if known.casefold() == name.casefold()]
        if not matches and name.casefold() in _CLOCK:
            raise self._sql.refusal(f"{name} reads the clock; write the time itself, TIMESTAMP '2026-11-01'", location)
        if not matches:
            raise self._sql.refusal(f'unknown column "{name}".{near_miss_or_known(name, names)}', location)
        twins = [known for known in names if known.casefold() == matches[0].casefold()]
        used = self.columns & set(twins)
        if len(matches) > 1 or used - {matches[0]} or names.count(matches[0]) > 1:
            raise self._sql.refusal(
                f'column "{name}" is ambiguous: {", ".join(repr(twin) for twin in sorted(twins))} '
                "differ in case only and cannot be used in one expression",
                location,
            )
        return self._schema.field(matches[0])


class _FormWalk(_FilterWalk):
    """The same without a schema: any name may be a column."""

    def _refuse_old_lambda(self, node: Mapping[str, JsonNode]) -> None:
        """Whether `a -> b` means a lambda depends on the columns."""

    def _resolve(self, node: Mapping[str, JsonNode], parameters: frozenset[str]) -> None:
        names = node.get("column_names")
        if isinstance(names, list) and names and str(names[0]).casefold() not in parameters:
            self.columns.add(str(names[0]))


def _parameter_names(node: JsonNode) -> Iterator[str]:
    """Names that a lambda defines: one column reference, or a row of them."""
    if not isinstance(node, dict):
        return
    if node.get("class") == "COLUMN_REF":
        names = node.get("column_names")
        if isinstance(names, list) and len(names) == 1:
            yield str(names[0]).casefold()
        return
    arguments = node.get("arguments")
    for item in arguments if isinstance(arguments, list) else []:
        if isinstance(item, dict):
            yield from _parameter_names(item.get("expression"))


def _children(sql: SqlText, node: Mapping[str, JsonNode]) -> Iterator[Mapping[str, JsonNode]]:
    """Expressions directly below this one; a kind of node that is no expression is refused."""
    pending: list[JsonNode] = list(node.values())
    while pending:
        value = pending.pop(0)
        if isinstance(value, list):
            pending = list(value) + pending
        elif isinstance(value, dict):
            if "class" in value:
                yield value
                continue
            if isinstance(value.get("type"), str) and value.get("type") != "ORDER_MODIFIER":
                raise sql.refusal("subqueries and statements are not allowed here", value.get("query_location"))
            pending = list(value.values()) + pending


def _check_readable(sql: SqlText, schema: pa.Schema, columns: tuple[str, ...]) -> None:
    for name in columns:
        if arrow_for_engine(schema.field(name).type) is None:
            raise sql.refusal(f'column "{name}" of type {schema.field(name).type} cannot be filtered on')


def _check_boolean(
    sql: SqlText, connection: duckdb.DuckDBPyConnection, schema: pa.Schema, columns: tuple[str, ...]
) -> None:
    """Bind against no rows: types fit, functions exist, and the result is a BOOLEAN."""
    empty = pa.schema([schema.field(name) for name in columns]).empty_table()
    try:
        connection.register(_ROWS, _input_rows(empty, columns))
        relation = connection.sql(sql.statement)
        kind = str(relation.types[0])
    except (duckdb.Error, pa.ArrowException) as error:
        raise _refused(sql, error) from error
    if kind != "BOOLEAN":
        raise sql.refusal(
            f"the expression gives {kind.strip(chr(34))}, and BOOLEAN is needed; compare it with something, "
            f"such as {sql.text.strip()[:60]} = ..."
        )


def _refused(sql: SqlText, error: Exception) -> InvalidInput:
    fault = read_engine_fault(error)
    message = fault.message
    if "lambda arrow" in message:
        message = "write lambda x: ... instead of x -> ..."
    elif fault.kind.startswith("Conversion"):
        message += "; use TRY_CAST to get null where a value does not fit"
    elif "maximum execution time" in message:
        message = f"took more than {_TIMEOUT_SECONDS:g} s on one batch of rows; simplify the expression"
    elif fault.kind.startswith("Out of Memory"):
        message = f"needs more than {_MEMORY_LIMIT_BYTES >> 30} GiB for one batch of rows; simplify the expression"
    return sql.refusal(message, fault.position)
