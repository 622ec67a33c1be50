"""How an SQL stage will run: whole in one DuckDB, or by partitions of its key; and why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headrace.curation.stage_rows import StageRows, StageStore
from headrace.curation.table_stages.exchange import input_bytes
from headrace.curation.table_stages.memory_budget import MemoryBudget
from headrace.curation.table_stages.partition_workers import TableEngine
from headrace.curation.table_stages.stage_query import StageQuery, prepare_query

__all__ = ["SqlPlan", "plan_sql"]

_SMALL_BYTES = 64 << 20  # starting two processes takes half a second: below this one DuckDB is done by then
_GROWTH = 4  # what a hash join or a group-by holds of its input at worst, seen so far
_QUICK_BYTES = 16 << 20  # a partition whose tables stay near the processor: 48 of them took 0.7 of the time of 5
_QUICK_PARTITIONS = 128  # but not for their own sake: each cuts the row groups of every file
_MOST_PARTITIONS = 1_024


@dataclass(frozen=True, slots=True)
class SqlPlan:
    """What will be done; nothing has been read but a part of each input."""

    query: StageQuery
    mode: Literal["whole", "partitioned"]
    reason: str  # in words, for plans and logs
    num_partitions: int  # at most: equal keys stay together
    input_bytes: int  # Arrow bytes of the columns that are read, estimated
    budget: MemoryBudget

    def __str__(self) -> str:
        if self.mode == "whole":
            return f"one DuckDB with {self.budget.whole_engine_bytes:,} bytes: {self.reason}"
        return (
            f"{self.num_partitions} partitions of the key in {self.budget.num_workers} processes, DuckDB with "
            f"{self.budget.engine_bytes:,} bytes in each: {self.reason}"
        )


def plan_sql(
    stage_store: StageStore,
    inputs: Mapping[str, StageRows],
    *,
    sql: str,
    key: Sequence[str],
    memory_bytes: int,
    engine: TableEngine,
    scratch: Path,
    num_partitions: int | None = None,
) -> SqlPlan:
    """Check the statement and choose; reads one part of each input to learn how large a row is.

    Args:
        engine: What would work on partitions.
        num_partitions: None chooses; a number demands partitions wherever they are valid.

    Raises:
        InvalidInput: As `prepare_query`; or too little memory.
    """
    schemas = {name: rows.schema for name, rows in inputs.items()}
    query = prepare_query(sql, schemas, key=key, folder=scratch)
    budget = engine.budget(memory_bytes)
    inputs = {name: inputs[name] for name in query.reads}
    size = sum(input_bytes(stage_store, rows, query.reads[name]) for name, rows in inputs.items())
    num_rows = sum(rows.num_rows for rows in inputs.values())

    def whole(reason: str) -> SqlPlan:
        return SqlPlan(query, "whole", reason, 1, size, budget)

    if query.obstacle is not None:
        return whole(query.obstacle)
    if num_rows == 0:
        return whole("there are no rows")
    if budget.num_workers == 0:
        return whole("the memory has no room for a process beside this one")
    if num_partitions is None:
        fits = size * _GROWTH <= budget.whole_engine_bytes
        if fits and (engine.num_workers == 1 or size <= _SMALL_BYTES):
            return whole(f"about {size:,} bytes of input are small")
        quick = min(math.ceil(size / _QUICK_BYTES), _QUICK_PARTITIONS)
        fitting = math.ceil(size * _GROWTH / budget.engine_bytes)
        num_partitions = min(max(quick, fitting, 2 * budget.num_workers), _MOST_PARTITIONS)
    reason = f"every join, group and window contains the key {', '.join(key)}; about {size:,} bytes of input"
    return SqlPlan(query, "partitioned", reason, num_partitions, size, budget)
