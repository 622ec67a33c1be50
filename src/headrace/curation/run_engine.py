"""What runs the stages of a run: processes of this machine, or a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from headrace.curation.operator_stage import TaskRunner
from headrace.curation.run_options import RunOptions
from headrace.curation.run_workers import RunWorkers
from headrace.curation.table_stages.partition_workers import TableEngine

if TYPE_CHECKING:
    from headrace.curation.recipe_plan import RecipePlan

__all__ = ["RunEngine", "run_engine"]


class RunEngine(Protocol):
    """Not thread-safe; `close` it on every path."""

    def check(self, stages: Iterable[str]) -> None:
        """Raise `InvalidInput` if an operator of these stages needs more than there is."""
        ...

    def runner(self, stage: str) -> TaskRunner:
        """Runs the tasks of an operator stage."""
        ...

    def tables(self) -> TableEngine:
        """What works on partitions of table stages."""
        ...

    def close(self) -> None:
        """End all that was started."""
        ...


def run_engine(plan: RecipePlan, options: RunOptions) -> RunEngine:
    """The engine that the options name; it starts nothing before the first work.

    Raises:
        InvalidInput: The engine cannot work on this lake, or not with these options.
        MissingExtra: The engine's library is not installed.
    """
    if options.engine == "local":
        return RunWorkers(plan.lake, plan.stage_store, sources=plan.sources, steps=plan.steps, options=options)
    from headrace.curation.ray_engine.ray_run import RayRun

    code = {name: found.digest for name, found in plan.hashes.sources.items()}
    return RayRun(plan.lake, plan.stage_store, sources=plan.sources, steps=plan.steps, code=code, options=options)
