"""One execution of a plan, stage by stage; what is known is not computed again."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.curation.cleaning_mark import wait_while_cleaned
from headrace.curation.curated_rows import recipe_origins
from headrace.curation.drawing import draw_order
from headrace.curation.media_access import MediaAccess
from headrace.curation.operator_stage import Measured, OperatorStage
from headrace.curation.output_commits import commit_output, committed_output
from headrace.curation.recipe_plan import RecipePlan, source_key
from headrace.curation.run_engine import run_engine
from headrace.curation.run_options import RunOptions
from headrace.curation.run_records import RunRecord, StageRecord, new_run_id, write_run
from headrace.curation.settings import Setting, SettingRole
from headrace.curation.stage_result import DROPPED_SCHEMA, FAILED_SCHEMA, StageResult
from headrace.curation.stage_rows import StageRows, StageStore
from headrace.curation.stage_work import is_operator_stage, passes_through
from headrace.curation.static_plan import OperatorWork, Sampling, StaticStage
from headrace.curation.table_stage_dispatch import run_table_stage
from headrace.datasets.collector_process import this_process
from headrace.datasets.filters import Filter
from headrace.datasets.snapshot import Snapshot
from headrace.errors import HeadraceError, InvalidInput
from headrace.progress import NO_PROGRESS, Progress

if TYPE_CHECKING:
    from headrace.curation.stage_summary import StageSummary

__all__ = ["Run", "RunStage", "run_plan", "run_stages"]


@dataclass(frozen=True, slots=True)
class RunStage:
    """A stage of a run, with its rows."""

    record: StageRecord
    result: StageResult
    _run_id: str
    _stage_store: StageStore
    _inputs: Mapping[str, StageRows]

    @property
    def rows_in(self) -> int:
        return self.record.rows_in

    @property
    def rows_out(self) -> int:
        return self.record.rows_out

    @property
    def dropped(self) -> int:
        return self.record.dropped

    @property
    def quarantined(self) -> int:
        return self.record.quarantined

    @property
    def cached(self) -> bool:
        """Whether the whole result was known before."""
        return self.record.cached

    def to_arrow(self) -> pa.Table:
        """The rows that went on; media as structs without bytes."""
        return self._stage_store.table(self.result.rows)

    def dropped_rows(self) -> pa.Table:
        """`_id`, operator, reason, value and threshold of each row that was dropped."""
        return self._stage_store.table(self.result.dropped)

    def quarantined_rows(self) -> pa.Table:
        """`_id`, operator, class, message and attempt of each row that failed."""
        return self._stage_store.table(self.result.failed)

    def summary(self) -> StageSummary:
        """Why rows left, histograms with the cut, and 20 kept and 20 dropped samples."""
        from headrace.curation.stage_summary import summarise_stage

        return summarise_stage(self._stage_store, self.record, self.result, inputs=self._inputs, run_id=self._run_id)


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run.

    Attributes:
        id: Of the run's record in the lake.
        outputs: The snapshot of each output.
        stages: By name, in the order they ran.
        within_limit: False where more rows are in quarantine than `max_bad` allows.
    """

    id: str
    outputs: Mapping[str, Snapshot]
    stages: Mapping[str, RunStage]
    record: RunRecord
    within_limit: bool
    plan: RecipePlan

    def explain(self, *, sample: str) -> Any:
        """What each stage did with the sample, see `headrace.curation.explaining.explain`."""
        from headrace.curation.explaining import explain

        return explain(self.plan.lake, self.record, sample=sample)

    def to_json(self) -> dict[str, Any]:
        """The document of `headrace recipe run --json`."""
        return {
            "run_id": self.id,
            "recipe": self.record.recipe,
            "plan_hash": self.record.plan_hash,
            "stages": [
                {
                    "name": stage.name,
                    "kind": stage.kind,
                    "rows_in": stage.rows_in,
                    "rows_out": stage.rows_out,
                    "dropped": stage.dropped,
                    "quarantined": stage.quarantined,
                    "cached": stage.cached,
                    "calls": stage.calls,
                    "seconds": round(stage.seconds, 3),
                }
                for stage in self.record.stages
            ],
            "outputs": {name: snapshot.id for name, snapshot in self.outputs.items()},
            "within_limit": self.within_limit,
        }

    def __repr__(self) -> str:
        return f"<Run {self.id} of {self.record.recipe}: {', '.join(self.outputs) or 'no outputs'}>"


def run_plan(plan: RecipePlan, *, options: RunOptions | None = None, progress: Progress = NO_PROGRESS) -> Run:
    """Run every stage that is not known, and commit the outputs.

    An interrupted run leaves what it finished in the lake: the next one goes on from there.

    Raises:
        GateFailed: A check did not hold; no output was committed.
        InvalidInput: An operator needs a GPU, or more memory, than there is; nothing ran, and no run is written down.
        InvalidRecipe: A stage reads columns that are not there; nothing ran, and no run is written down.
        HeadraceError: As the stages raise.
    """
    plan.check_columns()
    run = _Running(plan, options or RunOptions(), progress)
    try:
        run.check_needs()
    except BaseException:
        run.close()
        raise
    plan.lake.store.prepare_for_writing()
    write_run(plan.stage_store, run.record)
    try:
        wait_while_cleaned(plan.stage_store.store, plan.stage_store.base)
        found = run.run()
    except BaseException as error:
        failed = replace(
            run.record,
            state="failed",
            finished_at=time.time(),
            error=str(error) or type(error).__name__,
            stages=[stage.record for stage in run.stages.values()],
        )
        write_run(plan.stage_store, failed)
        raise
    finally:
        run.close()
        progress.finish()
    return found


def run_stages(plan: RecipePlan, *, options: RunOptions) -> Mapping[str, RunStage]:
    """Run the stages alone: nothing is committed or written down."""
    plan.check_columns()
    run = _Running(plan, options, NO_PROGRESS)
    try:
        run.check_needs()
        run.run_stages()
        return run.stages
    finally:
        run.close()


class _Running:
    def __init__(self, plan: RecipePlan, options: RunOptions, progress: Progress) -> None:
        self._plan = plan
        self._options = options
        self._progress = progress
        self._steps = plan.steps
        self._engine = run_engine(plan, options)
        self._scratch = Path(tempfile.mkdtemp(prefix="headrace-run-"))
        self._known: dict[str, StageRows] = {}
        self.stages: dict[str, RunStage] = {}
        self.record = RunRecord(
            new_run_id(),
            plan.static.name,
            plan.hash,
            "running",
            time.time(),
            plan.stage_store.base,
            sources={
                name: {"lake": source.lake.uri, "reference": source.reference, "key": source_key(source)}
                for name, source in plan.sources.items()
            },
            process=this_process(),
        )

    def close(self) -> None:
        try:
            self._engine.close()
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def check_needs(self) -> None:
        """Raise `InvalidInput` where the machine lacks what an operator needs; one that is not called needs nothing."""
        try:
            self._engine.check(self._steps)
        except InvalidInput:
            if self._options.retries:
                raise
            known = {stage.name for stage in self._plan.stages() if stage.cached or stage.to_do.at_most == 0}
            self._engine.check(name for name in self._steps if name not in known)

    def run_stages(self) -> None:
        for name in self._plan.sources:
            self._known[name] = self._source_rows(name)
        for stage in self._plan.static.stages:
            self._run_stage(stage)

    def run(self) -> Run:
        self.run_stages()
        outputs = {output.name: self._commit(output.name) for output in self._plan.static.outputs}
        self.record = replace(
            self.record,
            state="finished",
            finished_at=time.time(),
            stages=[stage.record for stage in self.stages.values()],
            outputs={
                output.name: {
                    "stage": output.stage,
                    "dataset": output.dataset,
                    "snapshot": outputs[output.name].id,
                    "num_rows": outputs[output.name].num_rows,
                }
                for output in self._plan.static.outputs
            },
        )
        write_run(self._plan.stage_store, self.record)
        num_read = sum(self._known[name].num_rows for name in self._plan.sources)
        limit = self._options.max_bad
        within = limit is None or limit.allows(self.record.num_quarantined, num_read)
        return Run(self.record.run_id, outputs, self.stages, self.record, within, self._plan)

    def _source_rows(self, name: str) -> StageRows:
        source = self._plan.sources[name]
        key = source_key(source)
        found = self._plan.cache.find(key)
        if found is not None:
            return found.rows
        self._progress.start(f"reading {name}", total_rows=source.snapshot.num_rows)
        store = self._plan.stage_store
        rows = source.write_rows(store)
        nothing = StageResult(
            rows.num_rows, rows, StageRows(DROPPED_SCHEMA, ()), StageRows(FAILED_SCHEMA, ()), calls={}
        )
        self._plan.cache.put(key, nothing)
        return rows

    def _run_stage(self, stage: StaticStage) -> None:
        begin = time.monotonic()
        key = self._plan.key_of(stage, self._known)
        result = self._plan.cache.find(key)
        is_cached = result is not None and not (self._options.retries and result.failed.num_rows)
        if result is None or not is_cached:
            try:
                result = self._computed(stage)
            except HeadraceError as error:
                if stage.name in error.message:
                    raise
                raise type(error)(f"stage {stage.name!r}: {error.message}") from error
            self._plan.cache.put(key, result, replaces=self._options.retries)
        rows = self._known[stage.inputs[0].origin] if passes_through(stage) else result.rows
        self._known[stage.name] = rows
        record = StageRecord(
            stage.name,
            stage.kind,
            stage.summary,
            key,
            inputs={item.name: item.origin for item in stage.inputs},
            rows_in=result.num_in,
            rows_out=rows.num_rows,
            dropped=result.dropped.num_rows,
            quarantined=result.failed.num_rows,
            cached=is_cached,
            calls=result.calls,
            seconds=time.monotonic() - begin,
            compared=_named_by_settings(stage, role="column"),
            conditions=_named_by_settings(stage, role="condition"),
            work=self._plan.hashes.works[stage.name],
            operators=self._operator_keys(stage),
        )
        inputs = {item.origin: self._known[item.origin] for item in stage.inputs}
        self.stages[stage.name] = RunStage(record, result, self.record.run_id, self._plan.stage_store, inputs)

    def _operator_keys(self, stage: StaticStage) -> list[str]:
        """Names of the ledgers that it reads."""
        return list(self._plan.hashes.uses[stage.name]) if is_operator_stage(stage) else []

    def _computed(self, stage: StaticStage) -> StageResult:
        if is_operator_stage(stage):
            rows = self._known[stage.inputs[0].origin]
            work = OperatorStage(
                self._plan.stage_store,
                self._steps[stage.name],
                name=stage.name,
                measured=self._measured(stage, rows),
                chunk=self._options.chunk,
                retries=self._options.retries,
            )
            return work.run(rows, runner=self._engine.runner(stage.name), progress=self._progress)
        self._progress.start(f"stage {stage.name}")
        return run_table_stage(
            stage,
            {item.name: self._known[item.origin] for item in stage.inputs},
            stage_store=self._plan.stage_store,
            options=self._options,
            engine=self._engine.tables(),
            folder=self._plan.folder,
            scratch=self._scratch,
            media=MediaAccess(
                {name: source.snapshot for name, source in self._plan.sources.items()},
                self._plan.stage_store.store,
                self._plan.stage_store.base,
            ),
            progress=self._progress,
        )

    def _measured(self, stage: StaticStage, rows: StageRows) -> Measured | None:
        """Which rows the operators see: those of `where`, and of these the sample."""
        work = stage.work
        if not isinstance(work, OperatorWork) or (work.where is None and work.sample is None):
            return None
        chosen = None if work.where is None else Filter.parse(work.where, rows.schema)
        drawn = None if work.sample is None else self._drawn(rows, chosen, work.sample)

        def measured(table: pa.Table, start: int) -> NDArray[np.bool_]:
            mask = np.ones(table.num_rows, dtype=np.bool_) if chosen is None else chosen.mask(table)
            return mask if drawn is None else mask & drawn[start : start + table.num_rows]

        return measured

    def _drawn(self, rows: StageRows, chosen: Filter | None, sample: Sampling) -> NDArray[np.bool_]:
        """The rows of a sample, [num_rows]; a function of ids and seed."""
        tables = self._plan.stage_store.tables(rows)
        masks = [np.ones(table.num_rows, dtype=np.bool_) if chosen is None else chosen.mask(table) for table in tables]
        eligible = np.flatnonzero(np.concatenate(masks))
        ids = self._plan.stage_store.table(rows, columns=["_id"]).column("_id").combine_chunks()
        if isinstance(ids, pa.ChunkedArray):
            ids = pa.concat_arrays(ids.chunks) if ids.num_chunks else pa.array([], pa.string())
        order = draw_order(ids.take(pa.array(eligible)), seed=sample.seed)
        wanted = sample.rows if sample.rows is not None else round((sample.share or 0.0) * len(eligible))
        drawn = np.zeros(rows.num_rows, dtype=np.bool_)
        drawn[eligible[order[:wanted]]] = True
        return drawn

    def _commit(self, name: str) -> Snapshot:
        output = next(output for output in self._plan.static.outputs if output.name == name)
        rows = self._known[output.stage]
        found = committed_output(self._plan.lake, output, rows)
        if found is not None:
            _point_to(found, name)
            return found
        read = ", ".join(source.reference[:-52] for source in self._plan.sources.values())  # 12 digits of the id
        snapshot = commit_output(
            self._plan.lake,
            output,
            rows,
            stage_store=self._plan.stage_store,
            sources=self._plan.sources,
            origins=recipe_origins(
                self._plan.lake,
                self._plan.sources,
                recipe=self._plan.static.name,
                plan_hash=self._plan.hash,
                run_id=self.record.run_id,
            ),
            message=f"recipe {self.record.recipe}, plan {self._plan.hash[:12]}, run {self.record.run_id}, of {read}",
            progress=self._progress,
        )
        _point_to(snapshot, name)
        for source in self._plan.sources.values():
            source.lake.record_run(
                source.snapshot,
                name=f"recipe {self._plan.static.name}",
                artefacts=[f"{self._plan.lake.uri}::{output.dataset}@id:{snapshot.id}", f"plan:{self._plan.hash}"],
                metrics={"rows_out": float(rows.num_rows)},
            )
        return snapshot


def _named_by_settings(stage: StaticStage, *, role: SettingRole) -> list[str]:
    """Columns or expressions that the settings of a table operator name, for `explain`."""
    work = stage.work
    if not isinstance(work, OperatorWork) or is_operator_stage(stage):
        return []
    named: list[str] = []
    for use in work.uses:
        values = dict(use.settings)
        for name, setting in use.operator.settings.items():
            if isinstance(setting, Setting) and setting.role == role:
                value = values.get(name)
                named += [str(item) for item in (value if isinstance(value, list) else [value]) if item is not None]
    return named


def _point_to(snapshot: Snapshot, name: str) -> None:
    """Let the output's name mean the newest run: the dataset without a selector holds the rows of all runs."""
    if name not in snapshot.aliases:
        snapshot.alias(name)
