"""A stage that is one SELECT over named inputs: whole in one DuckDB, or scattered by its key and gathered.

The rows and their order are the same whichever it is, however many partitions, workers and bytes there are.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.curation.stage_rows import StageRows, StageStore
from headrace.curation.table_stages.engine_types import engine_schema
from headrace.curation.table_stages.exchange import Exchange
from headrace.curation.table_stages.file_views import FileView, write_empty_file
from headrace.curation.table_stages.local_partitions import LocalTables, fetch_part
from headrace.curation.table_stages.partition_workers import TableEngine
from headrace.curation.table_stages.sql_plan import SqlPlan, plan_sql
from headrace.curation.table_stages.statement_run import Engine
from headrace.progress import NO_PROGRESS, Progress

__all__ = ["run_sql", "sql_tables"]

_THREAD_BYTES = 256 << 20  # with less for each of its threads DuckDB's sort fails instead of spilling

_LOG = logging.getLogger(__name__)


def run_sql(
    stage_store: StageStore,
    inputs: Mapping[str, StageRows],
    *,
    sql: str,
    key: Sequence[str],
    memory_bytes: int,
    num_workers: int,
    scratch: Path,
    progress: Progress = NO_PROGRESS,
    num_partitions: int | None = None,
    engine: TableEngine | None = None,
) -> StageRows:
    """Run one SELECT over the inputs by their names; the order is that of the key, then of all other columns.

    An ORDER BY at the end is kept and comes first. `progress` is not finished here: the caller's work may go on.

    Args:
        key: Columns by which rows belong together; they are what large inputs are parted by.
        memory_bytes: Of this process and all that it starts, together.
        num_workers: Processes at most.
        scratch: A folder for temporary files of about the size of the inputs; what is made in it is removed.
        num_partitions: None chooses; for tests and measurements.
        engine: What works on partitions; None: `num_workers` processes of this machine.

    Raises:
        InvalidInput: The SQL is wrong, depends on chance, or a value does not fit; or too little memory.
        Unavailable: Worker processes died again and again.
        DataCorrupted: A part of an input is not what was written.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="sql-", dir=scratch))
    engine = engine or LocalTables(num_workers)
    try:
        plan = plan_sql(
            stage_store,
            inputs,
            sql=sql,
            key=key,
            memory_bytes=memory_bytes,
            engine=engine,
            scratch=folder,
            num_partitions=num_partitions,
        )
        _LOG.info("stage=sql mode=%s partitions=%d reason=%s", plan.mode, plan.num_partitions, plan.reason)
        writer = stage_store.writer(plan.query.columns.schema)
        for table in sql_tables(
            stage_store,
            inputs,
            plan,
            key=key,
            folder=folder,
            num_workers=num_workers,
            engine=engine,
            progress=progress,
        ):
            writer.add(table)
        return writer.finish()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sql_tables(
    stage_store: StageStore,
    inputs: Mapping[str, StageRows],
    plan: SqlPlan,
    *,
    folder: Path,
    num_workers: int,
    engine: TableEngine,
    key: Sequence[str] = (),
    progress: Progress = NO_PROGRESS,
) -> Iterator[pa.Table]:
    """The result of a plan, batch by batch in its order; files are made in `folder`, which the caller removes."""
    run = _Run(stage_store, inputs, plan, key, engine, folder, progress)
    return run.whole(num_workers) if plan.mode == "whole" else run.partitioned()


class _Run:
    """One run of one plan, in a folder of its own."""

    def __init__(
        self,
        stage_store: StageStore,
        inputs: Mapping[str, StageRows],
        plan: SqlPlan,
        key: Sequence[str],
        engine: TableEngine,
        folder: Path,
        progress: Progress,
    ) -> None:
        self._stage_store = stage_store
        self._inputs = {name: inputs[name] for name in plan.query.reads}  # others are in nobody's way
        self._plan = plan
        self._folder = folder
        self._progress = progress
        self._exchange = Exchange(
            stage_store=stage_store,
            inputs=self._inputs,
            schemas={name: engine_schema(rows.schema, plan.query.reads[name]) for name, rows in self._inputs.items()}
            if plan.mode == "partitioned"
            else {},
            key=key,
            input_bytes=plan.input_bytes,
            budget=plan.budget,
            engine=engine,
            folder=folder,
            progress=progress,
        )

    # ------------------------------------------------------------------------------------------------- in one

    def whole(self, num_threads: int) -> Iterator[pa.Table]:
        """All rows in this process, with what does not fit in files."""
        query = self._plan.query
        self._progress.start("reading the inputs", total_rows=sum(rows.num_rows for rows in self._inputs.values()))
        views = {}
        for name, rows in self._inputs.items():
            files = []
            for idx, part in enumerate(rows.parts):
                files.append(str(self._folder / f"{name}-{idx}.parquet"))
                fetch_part(self._stage_store, part, Path(files[-1]))
                self._progress.advance(rows=part.num_rows)
            views[name] = FileView(tuple(files) or (self._empty(name),), self._plan.query.reads[name])
        self._progress.start("computing")
        engine_bytes = self._plan.budget.whole_engine_bytes
        engine = Engine(
            memory_bytes=engine_bytes,
            num_threads=min(num_threads, max(1, engine_bytes // _THREAD_BYTES)),
            folder=self._folder,
        )
        with closing(engine):
            for table in engine.run(query.statement, views, columns=query.columns):
                self._progress.advance(rows=table.num_rows)
                yield table

    # ------------------------------------------------------------------------------------- scatter and gather

    def partitioned(self) -> Iterator[pa.Table]:
        """Partition by partition, in the order of the key."""
        arguments: dict[str, Any] = {
            "statement": self._plan.query.statement,
            "columns": self._plan.query.columns.to_json(),
            "memory_bytes": self._plan.budget.engine_bytes,
        }
        return self._exchange.gathered(
            "gather", arguments, num_partitions=self._plan.num_partitions, activity="computing partitions"
        )

    def _empty(self, name: str) -> str:
        return write_empty_file(self._folder, self._inputs[name].schema)
