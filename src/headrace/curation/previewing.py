"""The first rows of a stage, for notebooks: computed in this process, kept nowhere."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from headrace.connecting import connect
from headrace.curation.plan_hash import PlanHash
from headrace.curation.recipe_plan import RecipePlan, default_lake, sources_read
from headrace.curation.recipe_run import run_stages
from headrace.curation.run_options import RunOptions
from headrace.curation.sources import open_sources
from headrace.curation.static_plan import StaticPlan
from headrace.datasets.lake import Lake
from headrace.errors import InvalidInput
from headrace.schema.near_misses import near_miss_or_known

__all__ = ["preview"]


def preview(
    static: StaticPlan, hashes: PlanHash, *, stage: str, num_rows: int, lake: Lake | None, folder: Path
) -> pa.Table:
    """Rows of a stage, [at most num_rows of each source], media as structs without bytes.

    Raises:
        InvalidInput: There is no such stage.
        NotFound: A source is not there.
    """
    if num_rows < 1:
        raise InvalidInput(f"n is {num_rows}: expected a whole number from 1")
    part = _needed(static, stage)
    place = connect(default_lake(static, folder=folder)) if lake is None else lake
    sources = [
        replace(source, num_rows=num_rows) for source in open_sources(sources_read(part), lake=place, folder=folder)
    ]
    # Results lie in a lake of this process that nobody else finds.
    store = connect(f"memory://preview-{secrets.token_hex(8)}")
    plan = RecipePlan(part, hashes, lake=store, folder=folder, sources=sources)
    return run_stages(plan, options=RunOptions(workers=0))[stage].to_arrow()


def _needed(static: StaticPlan, stage: str) -> StaticPlan:
    """The stages up to this one, without outputs."""
    names = [known.name for known in static.stages]
    if stage not in names:
        raise InvalidInput(f"recipe {static.name} has no stage {stage!r}.{near_miss_or_known(stage, names)}")
    wanted = {stage}
    for known in reversed(static.stages):  # a stage comes after all that it reads
        if known.name in wanted:
            wanted.update(item.origin for item in known.inputs)
    return replace(static, stages=tuple(known for known in static.stages if known.name in wanted), outputs=())
