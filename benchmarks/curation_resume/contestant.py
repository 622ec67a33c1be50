"""One run over texts in a process of its own: `python -m benchmarks.curation_resume.contestant LAKE`; prints JSON."""

from __future__ import annotations

import json
import sys
import time

import headrace
from headrace.curation import Recipe, Stage
from headrace.curation.recipe_run import run_plan
from headrace.curation.run_options import RunOptions


def main(lake_uri: str) -> dict[str, object]:
    """Seconds after the imports, rows of the output, calls, and seconds of each stage."""
    recipe = Recipe(
        "resume",
        sources={"texts": "texts"},
        stages=[
            Stage(name="lengths", operator="text.length"),
            Stage(name="long", filter="characters >= 24"),
        ],
        outputs={"final": {"stage": "long", "dataset": "long_texts"}},
    )
    started = time.perf_counter()
    run = run_plan(recipe.plan(headrace.connect(lake_uri)), options=RunOptions(workers=2))
    return {
        "seconds": time.perf_counter() - started,
        "core_seconds": time.process_time(),
        "rows": run.outputs["final"].num_rows,
        "calls": sum(calls for stage in run.record.stages for calls in stage.calls.values()),
        "stages": {stage.name: round(stage.seconds, 2) for stage in run.record.stages},
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
