"""Which code runs a stage that sees whole tables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from headrace.curation.applying import DROPPED, apply_to_table
from headrace.curation.operator_spec import OperatorSpec
from headrace.curation.run_options import RunOptions
from headrace.curation.stage_result import DROPPED_SCHEMA, FAILED_SCHEMA, StageResult
from headrace.curation.stage_rows import StageRows, StageStore
from headrace.curation.static_plan import CheckWork, FilterWork, OperatorWork, SqlWork, StaticStage
from headrace.curation.table_stages.sql_stage import run_sql
from headrace.datasets.filters import Filter
from headrace.datasets.queries import run_query
from headrace.errors import GateFailed, InvalidInput
from headrace.progress import Progress

__all__ = ["run_table_stage"]

_MEMORY_BYTES = 4 << 30


def run_table_stage(
    stage: StaticStage,
    inputs: Mapping[str, StageRows],
    *,
    stage_store: StageStore,
    options: RunOptions,
    scratch: Path,
    progress: Progress,
) -> StageResult:
    """Run a filter, SQL, a check, a table operator or a command.

    Raises:
        GateFailed: A check does not hold.
    """
    rows = next(iter(inputs.values()))
    nothing = StageRows(FAILED_SCHEMA, ())
    match stage.work:
        case FilterWork(expression=expression):
            table = stage_store.table(rows)
            keep = pa.array(Filter.parse(expression, rows.schema).mask(table))
            lost = table.filter(pc.invert(keep))
            dropped = _dropped(lost, "filter", [expression] * lost.num_rows)
            return StageResult(
                rows.num_rows, stage_store.write(table.filter(keep)), stage_store.write(dropped), nothing, {}
            )
        case SqlWork(sql=sql, key=key):
            found = run_sql(
                stage_store,
                inputs,
                sql=sql,
                key=key,
                memory_bytes=options.memory_bytes or _MEMORY_BYTES,
                num_workers=options.num_workers or (os.cpu_count() or 1),
                scratch=scratch,
                progress=progress,
            )
            num_in = sum(item.num_rows for item in inputs.values())
            return StageResult(num_in, found, StageRows(DROPPED_SCHEMA, ()), nothing, {})
        case CheckWork(sql=sql, message=message):
            tables = {name: stage_store.table(item) for name, item in inputs.items()}
            held = run_query(sql, tables).column(0).to_pylist()
            if held != [True]:
                raise GateFailed(f"check {stage.name!r} does not hold: {message or sql}; found {held[:5]}")
            return StageResult(rows.num_rows, rows, StageRows(DROPPED_SCHEMA, ()), nothing, {})
        case OperatorWork(uses=(use,)) if isinstance(use.operator, OperatorSpec):
            table = stage_store.table(rows)
            found_table = apply_to_table(use.operator, table, dict(use.settings))
            for name in use.operator.outputs:
                table = table.append_column(name, found_table.column(name))
            why = found_table.column(DROPPED)
            lost = table.filter(pc.is_valid(why))
            dropped = _dropped(lost, use.operator.name, why.drop_null().to_pylist())
            kept = table.filter(pc.is_null(why))
            return StageResult(rows.num_rows, stage_store.write(kept), stage_store.write(dropped), nothing, {})
    raise InvalidInput(f"stage {stage.name!r}: stages of kind {stage.kind} do not run yet")


def _dropped(lost: pa.Table, operator: str, reasons: list[str]) -> pa.Table:
    return pa.table(
        [
            lost.column("_id"),
            pa.array([operator] * lost.num_rows, pa.string()),
            pa.array(reasons, pa.string()),
            pa.nulls(lost.num_rows, pa.string()),
            pa.nulls(lost.num_rows, pa.string()),
        ],
        schema=DROPPED_SCHEMA,
    )
