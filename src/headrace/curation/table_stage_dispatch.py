"""Which code runs a stage that sees whole tables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from headrace.curation.media_access import MediaAccess
from headrace.curation.operator_spec import OperatorSpec
from headrace.curation.run_options import RunOptions
from headrace.curation.stage_result import DROPPED_SCHEMA, FAILED_SCHEMA, StageResult
from headrace.curation.stage_rows import StageRows, StageStore
from headrace.curation.static_plan import (
    CheckWork,
    CommandWork,
    FilterWork,
    MergeWork,
    OperatorWork,
    SqlWork,
    StaticStage,
)
from headrace.curation.table_stages.check_stage import check_rows
from headrace.curation.table_stages.command_environment import CommandEnvironment
from headrace.curation.table_stages.command_stage import run_command
from headrace.curation.table_stages.filter_stage import filter_rows
from headrace.curation.table_stages.merge_stage import run_merge
from headrace.curation.table_stages.partition_workers import TableEngine
from headrace.curation.table_stages.sql_stage import run_sql
from headrace.curation.table_stages.table_operator_stage import run_table_operator
from headrace.curation.table_stages.table_result import TableResult
from headrace.errors import InvalidInput
from headrace.progress import Progress

__all__ = ["run_table_stage"]

_MEMORY_BYTES = 4 << 30
"""Where the run has no ceiling: what table stages spill to disk above."""


def run_table_stage(
    stage: StaticStage,
    inputs: Mapping[str, StageRows],
    *,
    stage_store: StageStore,
    options: RunOptions,
    engine: TableEngine,
    folder: Path,
    scratch: Path,
    media: MediaAccess,
    progress: Progress,
) -> StageResult:
    """Run a filter, SQL, a merge, a check, a table operator or a command.

    Args:
        inputs: Rows by the name that the stage calls them.
        engine: What works on partitions of SQL and merges; all else runs in this process.
        folder: The recipe's; commands run there.
        scratch: For files that are gone when the run ends.
        media: Bytes for commands.

    Raises:
        GateFailed: A check does not hold.
        InvalidInput: The stage's SQL, command or operator cannot work on these rows.
    """
    memory_bytes = options.memory_bytes or _MEMORY_BYTES
    is_local = options.engine == "local"  # elsewhere the number is that of other machines
    num_workers = (options.num_workers if is_local else 0) or (os.cpu_count() or 1)
    rows = next(iter(inputs.values()))
    match stage.work:
        case FilterWork(expression=expression):
            found = filter_rows(stage_store, rows, expression=expression, progress=progress)
            return _result(stage_store, found, by="filter")
        case OperatorWork(uses=(use,)) if isinstance(use.operator, OperatorSpec):
            found = run_table_operator(
                stage_store,
                rows,
                spec=use.operator,
                settings=dict(use.settings),
                memory_bytes=memory_bytes,
                scratch=scratch,
                progress=progress,
            )
            return _result(stage_store, found, by=use.operator.name)
        case SqlWork(sql=sql, key=key):
            given = run_sql(
                stage_store,
                inputs,
                sql=sql,
                key=key,
                memory_bytes=memory_bytes,
                num_workers=num_workers,
                scratch=scratch,
                progress=progress,
                engine=engine,
            )
            return _undropped(sum(item.num_rows for item in inputs.values()), given)
        case MergeWork(rules=rules):
            merged = run_merge(
                stage_store,
                inputs,
                rules=rules,
                memory_bytes=memory_bytes,
                num_workers=num_workers,
                scratch=scratch,
                progress=progress,
                engine=engine,
            )
            return _undropped(sum(item.num_rows for item in inputs.values()), merged)
        case CheckWork(sql=sql, message=message):
            check_rows(
                stage_store,
                inputs,
                sql=sql,
                message=message or f"check {stage.name!r} does not hold",
                memory_bytes=memory_bytes,
                num_workers=num_workers,
                scratch=scratch,
                progress=progress,
            )
            return _undropped(rows.num_rows, rows)
        case CommandWork(arguments=arguments, python=python, requirements=requirements, media=columns):
            has_own = python is not None or requirements is not None
            found = run_command(
                stage_store,
                rows,
                command=arguments,
                folder=folder,
                scratch=scratch,
                memory_bytes=memory_bytes,
                environment=CommandEnvironment(requirements, python) if has_own else None,
                environments=_environments() if has_own else None,
                media=media,
                media_columns=columns,
                progress=progress,
            )
            return _result(stage_store, found, by=arguments[0])
    raise InvalidInput(f"stage {stage.name!r}: {stage.summary} comes from a catalogue that only describes operators")


def _environments() -> Path:
    """Where the environments of commands are kept, for all lakes of this machine."""
    cache = os.environ.get("HEADRACE_CACHE")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headrace"
    return (Path(cache) if cache else home) / "environments"


def _undropped(num_in: int, rows: StageRows) -> StageResult:
    return StageResult(num_in, rows, StageRows(DROPPED_SCHEMA, ()), StageRows(FAILED_SCHEMA, ()), calls={})


def _result(stage_store: StageStore, found: TableResult, *, by: str) -> StageResult:
    """With the name of who dropped the rows."""
    writer = stage_store.writer(DROPPED_SCHEMA)
    for table in stage_store.tables(found.dropped):
        columns = {"operator": pa.array([by] * table.num_rows, pa.string())}
        columns |= {name: table.column(name) for name in table.column_names}
        writer.add(pa.table([columns[name] for name in DROPPED_SCHEMA.names], schema=DROPPED_SCHEMA))
    return StageResult(found.num_in, found.rows, writer.finish(), StageRows(FAILED_SCHEMA, ()), calls={})
