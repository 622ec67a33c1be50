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
from headrace.curation.table_stages.gathering import read_gathered
from headrace.curation.table_stages.partition_views import PartitionView
from headrace.curation.table_stages.sql_plan import SqlPlan, plan_sql
from headrace.curation.table_stages.statement_run import Engine
from headrace.curation.table_stages.worker_pool import Task, WorkerPool
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
) -> StageRows:
    """Run one SELECT over the inputs by their names; the order is that of the key, then of all other columns.

    An ORDER BY at the end is kept and comes first. `progress` is not finished here: the caller's work may go on.

    Args:
        key: Columns by which rows belong together; they are what large inputs are parted by.
        memory_bytes: Of this process and all that it starts, together.
        num_workers: Processes at most.
        scratch: A folder for temporary files of about the size of the inputs; what is made in it is removed.
        num_partitions: None chooses; for tests and measurements.

    Raises:
        InvalidInput: The SQL is wrong, depends on chance, or a value does not fit; or too little memory.
        Unavailable: Worker processes died again and again.
        DataCorrupted: A part of an input is not what was written.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="sql-", dir=scratch))
    try:
        plan = plan_sql(
            stage_store,
            inputs,
            sql=sql,
            key=key,
            memory_bytes=memory_bytes,
            num_workers=num_workers,
            scratch=folder,
            num_partitions=num_partitions,
        )
        _LOG.info("stage=sql mode=%s partitions=%d reason=%s", plan.mode, plan.num_partitions, plan.reason)
        writer = stage_store.writer(plan.query.columns.schema)
        for table in sql_tables(
            stage_store, inputs, plan, key=key, folder=folder, num_workers=num_workers, progress=progress
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
    key: Sequence[str] = (),
    progress: Progress = NO_PROGRESS,
) -> Iterator[pa.Table]:
    """The result of a plan, batch by batch in its order; files are made in `folder`, which the caller removes."""
    run = _Run(stage_store, inputs, plan, key, folder, progress)
    return run.whole(num_workers) if plan.mode == "whole" else run.partitioned()


class _Run:
    """One run of one plan, in a folder of its own."""

    def __init__(
        self,
        stage_store: StageStore,
        inputs: Mapping[str, StageRows],
        plan: SqlPlan,
        key: Sequence[str],
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
                self._exchange.fetch(part, files[-1])
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
        plan = self._plan
        with WorkerPool(plan.budget.num_workers) as pool:
            pool.start()
            partitions = self._exchange.partitions(pool, num_partitions=plan.num_partitions)
            tasks = [self._gather_task(views, idx) for idx, views in enumerate(partitions)]
            self._progress.start("computing partitions")
            for task, answer in zip(tasks, pool.submit(tasks)):
                answer.result()
                out = Path(task.arguments["out"])
                for table in read_gathered(out):
                    self._progress.advance(rows=table.num_rows)
                    yield table
                out.unlink()

    def _gather_task(self, views: Mapping[str, PartitionView], partition: int) -> Task:
        arguments: dict[str, Any] = {
            "statement": self._plan.query.statement,
            "views": {name: view.to_json() for name, view in views.items()},
            "columns": self._plan.query.columns.to_json(),
            "memory_bytes": self._plan.budget.engine_bytes,
            "folder": str(self._folder),
            "out": str(self._folder / f"gathered-{partition}.arrow"),
        }
        return Task("gather", arguments)

    def _empty(self, name: str) -> str:
        return write_empty_file(self._folder, self._inputs[name].schema)
