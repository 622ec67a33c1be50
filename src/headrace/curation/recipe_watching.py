"""A recipe that runs whenever its sources have something new; only what is new is computed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

from headrace.curation.recipe import Recipe
from headrace.curation.recipe_plan import source_key
from headrace.curation.recipe_run import Run, run_plan
from headrace.curation.run_options import RunOptions
from headrace.datasets.lake import Lake
from headrace.errors import InvalidInput, Unavailable
from headrace.progress import NO_PROGRESS, Progress

__all__ = ["watch_recipe"]

logger = logging.getLogger(__name__)


def watch_recipe(
    recipe: Recipe,
    lake: Lake,
    *,
    interval_seconds: float = 10.0,
    once: bool = False,
    options: RunOptions | None = None,
    progress: Progress = NO_PROGRESS,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Run]:
    """Each run, as soon as it has ended; the first one comes at once.

    The recipe is compiled once: an edited file needs a new watcher. A store that does not answer is asked again.

    Args:
        interval_seconds: Between two looks at the sources.
        once: Look once, run, and end.

    Raises:
        GateFailed: A check does not hold; what came before is committed.
        InvalidInput: A bad interval.
    """
    if interval_seconds < 0:
        raise InvalidInput(f"interval_seconds is {interval_seconds}: expected 0 or more")
    seen: tuple[str, ...] | None = None
    while True:
        try:
            plan = recipe.plan(lake)
            found = tuple(source_key(source) for source in plan.sources.values())
            if found != seen:
                yield run_plan(plan, options=options, progress=progress)
                seen = found
        except Unavailable as error:
            if once:
                raise
            logger.warning("store does not answer, trying again: recipe=%s reason=%s", recipe.name, error)
        if once:
            return
        sleep(interval_seconds)
