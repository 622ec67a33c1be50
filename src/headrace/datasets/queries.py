"""Read-only SQL over given tables: one SELECT that sees these tables and nothing else."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from headrace.datasets.query_walk import QueryWalk, check_table_names
from headrace.datasets.sql_connection import default_num_threads, open_locked_connection
from headrace.datasets.sql_functions import FunctionUse
from headrace.datasets.sql_guard import JsonNode, SqlText, read_engine_fault, readable_table
from headrace.errors import InvalidInput

__all__ = ["QueryLimits", "check_query", "run_query"]

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
    check_table_names("query", tables)
    text = SqlText.checked("query", sql)
    connection = open_locked_connection(
        memory_limit_bytes=bounds.memory_bytes,
        num_threads=default_num_threads() if bounds.num_threads is None else bounds.num_threads,
        timeout_seconds=bounds.timeout_seconds,
    )
    try:
        walk = QueryWalk(text, tuple(tables), use=FunctionUse.QUERY)
        walk.visit(text.parse(connection), frozenset())
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
    check_table_names(subject, tables)
    text = SqlText.checked(subject, sql)
    walk = QueryWalk(text, tuple(tables), use=FunctionUse.QUERY)
    walk.visit(text.parse(connection), frozenset())
    return frozenset(name for name in tables if name.casefold() in walk.uses)


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
            except pa.ArrowInvalid:  # a sum of more than 63 bits stays a decimal
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
