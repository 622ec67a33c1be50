"""A lake of texts, and stages of operators over it, in this process and in workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from headrace.curation.executor.inline_runner import InlineRunner
from headrace.curation.executor.losses import Loss
from headrace.curation.executor.placement import Placement
from headrace.curation.executor.pool import WorkerPool
from headrace.curation.executor.step import Step
from headrace.curation.executor.task import Task
from headrace.curation.input_ids import input_ids
from headrace.curation.ledger import Ledger, block_schema
from headrace.curation.media_access import MediaAccess
from headrace.curation.operator import Operator
from headrace.curation.operator_stage import OperatorStage, ledger_base
from headrace.curation.sources import OpenSource
from headrace.curation.stage_result import StageResult
from headrace.curation.stage_rows import StageRows, StageStore
from headrace.datasets.lake import Lake
from headrace.datasets.snapshot import Snapshot
from headrace.progress import NO_PROGRESS

__all__ = ["OperatorBench", "step"]


def step(operator: Operator[Any, Any], *, key: str = "ab" * 32, column: str = "text", **settings: object) -> Step:
    spec = operator.spec
    return Step(
        spec,
        columns=dict.fromkeys(spec.inputs, column),
        outputs={name: name for name in spec.outputs},
        settings=spec.bind(settings),
        key=key,
    )


class OperatorBench:
    """A lake with one dataset of texts, and stages over it."""

    def __init__(self, lake: Lake, texts: Sequence[str | None]) -> None:
        self.lake = lake
        schema = pa.schema([("id", pa.string()), ("text", pa.string())])
        table = pa.table([[f"k{idx:05d}" for idx in range(len(texts))], list(texts)], schema=schema)
        dataset = lake.create_dataset("texts", type="TABLE", schema=schema, key="id", source=table)
        self.snapshot: Snapshot = dataset.snapshot()
        self.store = StageStore(lake, ["uid"])
        self.rows: StageRows = OpenSource("texts", lake, self.snapshot).write_rows(self.store)

    def stage(self, steps: Sequence[Step], **options: Any) -> OperatorStage:
        return OperatorStage(self.store, steps, name="measure", **options)

    def inline(self, steps: Sequence[Step], **options: Any) -> StageResult:
        stage = self.stage(steps, **options)
        ledgers = [Ledger(self.store.store, ledger_base(self.store, s), schema=block_schema(s.spec)) for s in steps]
        runner = InlineRunner(steps, ledgers, MediaAccess({"texts": self.snapshot}, self.store.store, self.store.base))
        return stage.run(self.rows, runner=runner, progress=NO_PROGRESS)

    def pool(self, steps: Sequence[Step], *, num_workers: int = 2, **options: Any) -> WorkerPool:
        """To be closed."""
        setup = {
            "store": self.lake.uri,
            "base": self.store.base,
            "sources": {"texts": [self.lake.uri, f"texts@id:{self.snapshot.id}"]},
            "steps": [s.to_json() for s in steps],
            "ledgers": [ledger_base(self.store, s) for s in steps],
        }
        return WorkerPool(setup, num_workers=num_workers, **options)

    def pooled(
        self,
        steps: Sequence[Step],
        *,
        pool: dict[str, Any] | None = None,
        placement: Placement | None = None,
        **options: Any,
    ) -> StageResult:
        runner = self.pool(steps, **(pool or {}))
        try:
            return self.on_pool(runner, steps, placement=placement, **options)
        finally:
            runner.close()

    def on_pool(
        self, pool: WorkerPool, steps: Sequence[Step], *, placement: Placement | None = None, **options: Any
    ) -> StageResult:
        runner = PlacedRunner(pool, placement)
        return self.stage(steps, **options).run(self.rows, runner=runner, progress=NO_PROGRESS)

    def attempts(self, step: Step) -> dict[str, int]:
        """Of each text, by the ledger."""
        ledger = Ledger(self.store.store, ledger_base(self.store, step), schema=block_schema(step.spec))
        table = self.store.table(self.rows)
        places = ledger.places(input_ids([table.column("text")], num_rows=table.num_rows))
        found = ledger.table.column("_attempt").to_pylist()
        return {text: found[place] for text, place in zip(table.column("text").to_pylist(), places, strict=True)}

    def kept(self, result: StageResult) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.store.table(result.rows).to_pylist()
        return found

    def failed(self, result: StageResult) -> list[tuple[str, str, int]]:
        rows = self.store.table(result.failed).to_pylist()
        return [(row["_id"], row["class"], row["attempt"]) for row in rows]


@dataclass(frozen=True)
class PlacedRunner:
    """A pool with the placement of one stage."""

    pool: WorkerPool
    placement: Placement | None

    def run(
        self, tasks: Iterator[Task], *, done: Callable[[Task], None], given_up: Callable[[Task, int, Loss], None]
    ) -> None:
        self.pool.run(tasks, done=done, given_up=given_up, placement=self.placement)
