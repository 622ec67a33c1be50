"""A recipe on a lake: what is known already, what a run would do, and the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.curation.frozen_todo import FrozenTodo, TodoRows
from headrace.curation.plan_hash import PlanHash
from headrace.curation.planned_stage import PlannedStage, totals_of
from headrace.curation.run_options import BadRowLimit, RunOptions
from headrace.curation.run_records import newest_runs
from headrace.curation.schema_flow import flow_schemas
from headrace.curation.sources import OpenSource, lake_uri, open_sources
from headrace.curation.stage_cache import StageCache, stage_key
from headrace.curation.stage_graph import NodeMark, graph_of
from headrace.curation.stage_result import StageResult
from headrace.curation.stage_rows import StageRows, StageStore
from headrace.curation.stage_work import is_operator_stage, passes_through, steps_of
from headrace.curation.static_plan import StaticPlan, StaticSource, StaticStage
from headrace.datasets.lake import Lake
from headrace.errors import InvalidInput
from headrace.progress import NO_PROGRESS, Progress
from headrace.storage.canonical import canonical_json
from headrace.storage.digests import digest_hex
from headrace.units import parse_bytes

if TYPE_CHECKING:
    from headrace.curation.plan_estimate import KnownRows
    from headrace.curation.recipe_run import Run

__all__ = ["RecipePlan", "default_lake", "source_key", "sources_read"]

_RUNS_LOOKED_AT = 100
"""Newest runs that tell how long stages take."""


def default_lake(static: StaticPlan, *, folder: Path) -> str:
    """The lake of the first source that names one; relative paths start at the recipe's folder.

    Raises:
        InvalidInput: None does.
    """
    for source in static.sources:
        if source.reference.lake is not None:
            return lake_uri(source.reference.lake, folder=folder)
    raise InvalidInput(
        f"recipe {static.name}: no source names its lake, so say which one holds them: --lake LAKE, or set "
        "HEADRACE_LAKE"
    )


def source_key(source: OpenSource) -> str:
    """The cache key of a source's rows. Its name counts, because rows say where their media lies."""
    document = {
        "snapshot": source.snapshot.id,
        "redacted": source.snapshot.num_redacted,
        "added": source.snapshot.added_columns,
        "name": source.name,
        "where": source.where,
        "columns": None if source.columns is None else sorted(source.columns),
    }
    return stage_key(digest_hex(canonical_json(document)), {})


class RecipePlan:
    """A compiled recipe that knows its lake. Making one logs the snapshots that it reads, and runs nothing."""

    @classmethod
    def on(
        cls, static: StaticPlan, hashes: PlanHash, *, lake: Lake, folder: Path, todo: FrozenTodo | None = None
    ) -> RecipePlan:
        """The plan on a lake where sources that name none are looked up.

        Args:
            todo: Read the snapshots of this one.

        Raises:
            NotFound: A source is not there.
            InvalidInput: The todo is of another plan.
        """
        if todo is not None:
            todo.check_plan(hashes.digest)
        pinned = {} if todo is None else todo.snapshots
        sources = open_sources(sources_read(static), lake=lake, folder=folder, pinned=pinned)
        for source in sources:
            source.snapshot.dataset.log_snapshot(source.snapshot)  # so that nothing collects it while it is read
        return cls(static, hashes, lake=lake, folder=folder, sources=sources)

    def __init__(
        self, static: StaticPlan, hashes: PlanHash, *, lake: Lake, folder: Path, sources: Sequence[OpenSource]
    ) -> None:
        """`lake` keeps results and takes outputs; `folder` is the recipe's."""
        self.static = static
        self.hashes = hashes
        self.lake = lake
        self.folder = folder
        self.sources: dict[str, OpenSource] = {source.name: source for source in sources}
        self.stage_store = StageStore(lake, [source.uid for source in self.sources.values()])
        self.cache = StageCache(self.stage_store)
        self.steps = {
            stage.name: steps_of(stage, hashes.uses[stage.name]) for stage in static.stages if is_operator_stage(stage)
        }

    @property
    def hash(self) -> str:
        """The same on any machine and in any folder; data does not count."""
        return self.hashes.digest

    def key_of(self, stage: StaticStage, results: Mapping[str, StageRows]) -> str:
        """The cache key of a stage whose inputs are known."""
        inputs = {item.name: results[item.origin].content_id for item in stage.inputs}
        return stage_key(self.hashes.works[stage.name], inputs)

    def check_columns(self) -> None:
        """Follow the columns of the sources through the stages; reads no row.

        Raises:
            InvalidRecipe: A stage reads columns that are not there, or of another type; all that are wrong at once.
        """
        self._known_rows()

    def stages(self) -> list[PlannedStage]:
        """Each stage with what is known of it now, and what a run would have to do; runs nothing.

        Raises:
            InvalidRecipe: As `check_columns`.
        """
        return self._estimate(None)

    def todo(self) -> FrozenTodo:
        """The rows that operators are to be called for now, at most, with the snapshots that are read; runs nothing.

        Raises:
            InvalidRecipe: As `check_columns`.
        """
        rows = TodoRows()
        self._estimate(rows)
        snapshots = {name: source.snapshot.id for name, source in self.sources.items()}
        return FrozenTodo(self.static.name, self.hash, snapshots, rows.table())

    def _estimate(self, todo: TodoRows | None) -> list[PlannedStage]:
        from headrace.curation.plan_estimate import estimate_stages
        from headrace.curation.time_estimate import EarlierRuns

        return estimate_stages(
            self.static,
            self._known_rows(),
            sources=self.sources,
            steps=self.steps,
            works=self.hashes.works,
            stage_store=self.stage_store,
            earlier=EarlierRuns(newest_runs(self.lake.store, limit=_RUNS_LOOKED_AT)),
            todo=todo,
        )

    def _known_rows(self) -> KnownRows:
        """Results that lie in the lake, and the columns of all others."""
        from headrace.curation.plan_estimate import KnownRows

        known: dict[str, StageRows] = {}
        results: dict[str, StageResult] = {}
        for name, source in self.sources.items():
            found = self.cache.find(source_key(source))
            if found is not None:
                known[name] = found.rows
        for stage in self.static.stages:
            origins = [item.origin for item in stage.inputs]
            if not all(origin in known for origin in origins):
                continue
            result = self.cache.find(self.key_of(stage, known))
            if result is not None:
                results[stage.name] = result
                known[stage.name] = known[origins[0]] if passes_through(stage) else result.rows
        schemas = flow_schemas(
            self.static,
            sources=self.sources,
            steps=self.steps,
            known={name: rows.schema for name, rows in known.items()},
        )
        return KnownRows(known, results, schemas)

    def run(
        self,
        *,
        memory: str | int | None = None,
        engine: str = "local",
        workers: int | None = None,
        timeout_seconds: float | None = 600.0,
        max_bad: str | int | None = None,
        retry_quarantined: bool = False,
        ray_address: str | None = None,
        progress: Progress = NO_PROGRESS,
    ) -> Run:
        """Run every stage that is not known, and commit the outputs.

        Args:
            memory: Ceiling for this process and its workers, such as "2GiB"; with "ray" for each of them.
            engine: "local": processes of this machine. "ray": a Ray cluster.
            workers: Chunks that operators work on at once, by default one for each core; 0 runs them in this process.
            timeout_seconds: For one row in one operator; a row that takes longer goes to quarantine.
            max_bad: Rows that may end in quarantine, a number or a share such as "1%"; `Run.within_limit` tells.
            retry_quarantined: Try rows in quarantine once more.
            ray_address: host:port of a Ray cluster, "auto" for the one of this machine, or "local" to start one for
                the run; None: RAY_ADDRESS, else "local".

        Raises:
            GateFailed: A check does not hold; no output was committed.
            InvalidRecipe: As `check_columns`; nothing ran.
            InvalidInput: An argument is none of the above, or a stage cannot work on its rows.
            MissingExtra: The engine's library is not installed.
            Unavailable: The cluster does not answer.
        """
        from headrace.curation.recipe_run import run_plan

        options = RunOptions(
            workers,
            parse_bytes(memory) if isinstance(memory, str) else memory,
            timeout_seconds,
            None if max_bad is None else BadRowLimit.parse(str(max_bad)),
            retry_quarantined,
            engine=engine,
            ray_address=ray_address,
        )
        return run_plan(self, options=options, progress=progress)

    def mermaid(self, stages: Sequence[PlannedStage] | None = None) -> str:
        """The graph of the stages for diagrams, coloured by what is known.

        Args:
            stages: What `stages()` gave; None: it is asked.
        """
        found = self.stages() if stages is None else stages
        return graph_of(self.static).mermaid(marks={stage.name: _mark(stage) for stage in found})

    def to_json(self) -> dict[str, Any]:
        """The plan as a plain document."""
        stages = self.stages()
        return {
            "recipe": self.static.name,
            "plan_hash": self.hash,
            "sources": {
                name: {"snapshot": source.snapshot.id, "num_rows": source.snapshot.num_rows}
                for name, source in self.sources.items()
            },
            "stages": [stage.to_json() for stage in stages],
            "total": totals_of(stages).to_json(),
            "mermaid": self.mermaid(stages),
            "outputs": {output.name: output.dataset for output in self.static.outputs},
        }

    def __repr__(self) -> str:
        return f"<RecipePlan {self.static.name} {self.hash[:12]}, {len(self.static.stages)} stages>"


def sources_read(static: StaticPlan) -> list[StaticSource]:
    """Sources that a stage or an output reads."""
    read = {item.origin for stage in static.stages for item in stage.inputs}
    read.update(output.stage for output in static.outputs)
    return [source for source in static.sources if source.name in read]


def _mark(stage: PlannedStage) -> NodeMark:
    most = stage.to_do.at_most
    if stage.cached:
        return NodeMark(stage.reuse, "known")
    if most is None:
        return NodeMark(stage.reuse, "rows to do: ?")
    return NodeMark(stage.reuse, f"rows to do: {'' if stage.to_do.exact is not None else '<= '}{most:,}")
