"""A stage that lets a run go on or stops it: SQL over the rows so far that must be true, or must find nothing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from headrace.curation.stage_rows import StageRows, StageStore
from headrace.curation.table_stages.compared_sides import compared_sides
from headrace.curation.table_stages.local_partitions import LocalTables
from headrace.curation.table_stages.partition_workers import TableEngine
from headrace.curation.table_stages.sql_plan import plan_sql
from headrace.curation.table_stages.sql_stage import sql_tables
from headrace.errors import GateFailed
from headrace.progress import NO_PROGRESS, Progress

__all__ = ["CheckResult", "check_rows"]

_SHOWN_ROWS = 5
_VALUE_LENGTH = 80  # characters


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What was found where all is well."""

    kind: str  # "boolean": one value that is true; "rows": no rows
    num_rows: int  # of the inputs


def check_rows(
    stage_store: StageStore,
    inputs: Mapping[str, StageRows],
    *,
    sql: str,
    message: str,
    memory_bytes: int,
    scratch: Path,
    num_workers: int = 1,
    progress: Progress = NO_PROGRESS,
) -> CheckResult:
    """Run a SELECT that gives one boolean, or the rows that must not be there.

    Args:
        message: What the recipe says of a failure; starts the error.

    Raises:
        GateFailed: The boolean is false or null, or there are rows; with the value, or their number and the first five.
        InvalidInput: The SQL is wrong.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="check-", dir=scratch))
    engine = LocalTables(num_workers)  # a check declares no key, so it has no partitions
    try:
        plan = plan_sql(
            stage_store,
            inputs,
            sql=sql,
            key=(),
            memory_bytes=memory_bytes,
            engine=engine,
            scratch=folder,
        )
        schema = plan.query.columns.schema
        is_boolean = len(schema) == 1 and pa.types.is_boolean(schema.field(0).type)
        first: list[dict[str, object]] = []
        num_found = 0
        for table in sql_tables(
            stage_store, inputs, plan, folder=folder, num_workers=num_workers, engine=engine, progress=progress
        ):
            first += table.slice(0, max(0, _SHOWN_ROWS - len(first))).to_pylist()
            num_found += table.num_rows
        if is_boolean and num_found <= 1:
            value = next(iter(first[0].values())) if first else None
            if value is not True:
                seen = ""
                if value is not None:
                    seen = _compared(stage_store, inputs, sql, memory_bytes=memory_bytes, folder=folder, engine=engine)
                raise GateFailed(f"{message}: {sql.strip()} gave {_shown(value)}{seen}")
        elif num_found:
            shown = "; ".join(_row(row) for row in first)
            more = f" (the first {len(first)})" if num_found > len(first) else ""
            raise GateFailed(f"{message}: {sql.strip()} found {num_found:,} rows{more}: {shown}")
        return CheckResult("boolean" if is_boolean else "rows", sum(rows.num_rows for rows in inputs.values()))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _compared(
    stage_store: StageStore,
    inputs: Mapping[str, StageRows],
    sql: str,
    *,
    memory_bytes: int,
    folder: Path,
    engine: TableEngine,
) -> str:
    """What stood on the two sides of a comparison that is the whole check; empty where it is another kind of check."""
    sides = compared_sides(sql)
    if sides is None:
        return ""
    plan = plan_sql(
        stage_store,
        inputs,
        sql=sides.statement,
        key=(),
        memory_bytes=memory_bytes,
        engine=engine,
        scratch=folder,
    )
    tables = sql_tables(stage_store, inputs, plan, folder=folder, num_workers=engine.num_workers, engine=engine)
    row = next((row for table in tables for row in table.to_pylist()), None)
    return "" if row is None else f": {sides.name} is {_shown(row['found'])}, {_shown(row['wanted'])} wanted"


def _row(row: Mapping[str, object]) -> str:
    return ", ".join(f"{name} = {_shown(value)}" for name, value in row.items())


def _shown(value: object) -> str:
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _VALUE_LENGTH else f"{text[: _VALUE_LENGTH - 1]}…"
