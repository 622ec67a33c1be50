"""A recipe on a lake: what is known already, what a run would do, and the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.curation.executor.step import Step
from headrace.curation.operator_spec import OperatorSpec
from headrace.curation.plan_hash import PlanHash
from headrace.curation.run_options import BadRowLimit, RunOptions
from headrace.curation.sources import OpenSource, lake_uri, open_sources
from headrace.curation.stage_cache import StageCache, stage_key
from headrace.curation.stage_graph import graph_of
from headrace.curation.stage_result import StageResult
from headrace.curation.stage_rows import StageRows, StageStore
from headrace.curation.static_plan import CheckWork, OperatorWork, StaticPlan, StaticSource, StaticStage
from headrace.datasets.lake import Lake
from headrace.errors import InvalidInput
from headrace.progress import NO_PROGRESS, Progress
from headrace.storage.canonical import canonical_json
from headrace.storage.digests import digest_hex
from headrace.units import parse_bytes

if TYPE_CHECKING:
    from headrace.curation.recipe_run import Run

__all__ = [
    "PlannedStage",
    "RecipePlan",
    "default_lake",
    "is_operator_stage",
    "passes_through",
    "source_key",
    "sources_read",
    "steps_of",
]


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


def is_operator_stage(stage: StaticStage) -> bool:
    """Whether it runs sample or batch operators, row by row."""
    return isinstance(stage.work, OperatorWork) and all(use.operator.kind != "table" for use in stage.work.uses)


def passes_through(stage: StaticStage) -> bool:
    """Whether it hands its only input on as it is."""
    return isinstance(stage.work, CheckWork) and len(stage.inputs) == 1


def steps_of(stage: StaticStage, keys: Sequence[str]) -> list[Step]:
    """The operators of a stage; `keys` are their digests, see `PlanHash.uses`."""
    if not isinstance(stage.work, OperatorWork):
        return []
    steps: list[Step] = []
    for use, key in zip(stage.work.uses, keys, strict=True):
        spec = use.operator
        if not isinstance(spec, OperatorSpec):
            raise TypeError(f"operator {spec.name} comes from a catalogue that only describes")
        outputs = {name: name for name in spec.outputs}
        steps.append(Step(spec, columns=dict(use.columns), outputs=outputs, settings=dict(use.settings), key=key))
    return steps


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


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """What a run would do for one stage.

    Attributes:
        rows_in: None where it depends on a stage that is not known yet.
        cached: The whole result is known.
    """

    name: str
    kind: str
    summary: str
    inputs: tuple[str, ...]
    rows_in: int | None
    rows_out: int | None
    cached: bool

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return {
            "name": self.name,
            "kind": self.kind,
            "summary": self.summary,
            "inputs": list(self.inputs),
            "rows_in": self.rows_in,
            "rows_out": self.rows_out,
            "cached": self.cached,
        }


class RecipePlan:
    """A compiled recipe that knows its lake. Making one logs the snapshots that it reads, and runs nothing."""

    @classmethod
    def on(cls, static: StaticPlan, hashes: PlanHash, *, lake: Lake, folder: Path) -> RecipePlan:
        """The plan on a lake where sources that name none are looked up.

        Raises:
            NotFound: A source is not there.
        """
        sources = open_sources(sources_read(static), lake=lake, folder=folder)
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

    @property
    def hash(self) -> str:
        """The same on any machine and in any folder; data does not count."""
        return self.hashes.digest

    def key_of(self, stage: StaticStage, results: Mapping[str, StageRows]) -> str:
        """The cache key of a stage whose inputs are known."""
        inputs = {item.name: results[item.origin].content_id for item in stage.inputs}
        return stage_key(self.hashes.works[stage.name], inputs)

    def stages(self) -> list[PlannedStage]:
        """Each stage with what is known of it now; runs nothing."""
        known: dict[str, StageRows] = {}
        for name, source in self.sources.items():
            found = self.cache.find(source_key(source))
            if found is not None:
                known[name] = found.rows
        planned: list[PlannedStage] = []
        for stage in self.static.stages:
            origins = [item.origin for item in stage.inputs]
            result: StageResult | None = None
            if all(origin in known for origin in origins):
                result = self.cache.find(self.key_of(stage, known))
            if result is not None:
                known[stage.name] = known[origins[0]] if passes_through(stage) else result.rows
            counts = [self._rows_of(origin, known) for origin in origins]
            planned.append(
                PlannedStage(
                    stage.name,
                    stage.kind,
                    stage.summary,
                    tuple(origins),
                    rows_in=None if None in counts else sum(count or 0 for count in counts),
                    rows_out=None if result is None else result.rows.num_rows,
                    cached=result is not None,
                )
            )
        return planned

    def run(
        self,
        *,
        memory: str | int | None = None,
        engine: str = "local",
        workers: int | None = None,
        timeout_seconds: float | None = 600.0,
        max_bad: str | int | None = None,
        retry_quarantined: bool = False,
        progress: Progress = NO_PROGRESS,
    ) -> Run:
        """Run every stage that is not known, and commit the outputs.

        Args:
            memory: Ceiling for this process and its workers, such as "2GiB".
            engine: "local": processes of this machine.
            workers: Processes for operators, by default one for each core; 0 runs them in this process.
            timeout_seconds: For one row in one operator; a row that takes longer goes to quarantine.
            max_bad: Rows that may end in quarantine, a number or a share such as "1%"; `Run.within_limit` tells.
            retry_quarantined: Try rows in quarantine once more.

        Raises:
            GateFailed: A check does not hold; no output was committed.
            InvalidInput: An argument is none of the above, or a stage cannot work on its rows.
        """
        from headrace.curation.recipe_run import run_plan

        if engine != "local":
            raise InvalidInput(f"engine is {engine!r}: this version runs recipes with engine='local'")
        options = RunOptions(
            workers,
            parse_bytes(memory) if isinstance(memory, str) else memory,
            timeout_seconds,
            None if max_bad is None else BadRowLimit.parse(str(max_bad)),
            retry_quarantined,
        )
        return run_plan(self, options=options, progress=progress)

    def mermaid(self) -> str:
        """The graph of the stages for diagrams."""
        return graph_of(self.static).mermaid()

    def to_json(self) -> dict[str, Any]:
        """The plan as a plain document."""
        return {
            "recipe": self.static.name,
            "plan_hash": self.hash,
            "sources": {
                name: {"snapshot": source.snapshot.id, "num_rows": source.snapshot.num_rows}
                for name, source in self.sources.items()
            },
            "stages": [stage.to_json() for stage in self.stages()],
            "outputs": {output.name: output.dataset for output in self.static.outputs},
        }

    def __repr__(self) -> str:
        return f"<RecipePlan {self.static.name} {self.hash[:12]}, {len(self.static.stages)} stages>"

    def _rows_of(self, origin: str, known: Mapping[str, StageRows]) -> int | None:
        if origin in known:
            return known[origin].num_rows
        source = self.sources.get(origin)
        return source.snapshot.num_rows if source is not None and source.where is None else None


def sources_read(static: StaticPlan) -> list[StaticSource]:
    """Sources that a stage or an output reads."""
    read = {item.origin for stage in static.stages for item in stage.inputs}
    read.update(output.stage for output in static.outputs)
    return [source for source in static.sources if source.name in read]
