"""`headrace recipe watch`."""

from __future__ import annotations

from pathlib import Path

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.recipe_options import load_recipe, recipe_options
from headrace.cli.recipe_targets import lake_option, open_lake_of_recipe
from headrace.cli.run_options import engine_options, worker_options
from headrace.cli.watch_options import watch_options


@command("watch", example="headrace recipe watch recipe.yaml --once")
@recipe_options
@lake_option
@watch_options(interval="How long to wait between two looks at the sources.", once="Look once, run, and end.")
@engine_options
@worker_options
def watch(
    output: Output,
    *,
    file: Path,
    settings: tuple[str, ...],
    lake: str | None,
    interval: float,
    once: bool,
    engine: str,
    ray_address: str | None,
    workers: int | None,
    memory: int | None,
) -> None:
    """Run a recipe whenever its sources have new commits.

    Only what is new is computed. Each run that gives other rows than before adds a commit to the output's dataset.
    With --json there is one document at the end, which only --once has.
    """
    from headrace.curation.recipe_watching import watch_recipe
    from headrace.curation.run_options import RunOptions

    recipe = load_recipe(file, settings)
    place = open_lake_of_recipe(recipe, file, lake)
    options = RunOptions(workers=workers, memory_bytes=memory, engine=engine, ray_address=ray_address)
    runs: list[dict[str, object]] = []
    for run in watch_recipe(recipe, place, interval_seconds=interval, once=once, options=options):
        runs.append(run.to_json())
        if output.is_json:
            continue
        computed = sum(sum(stage.calls.values()) for stage in run.record.stages)
        rows = ", ".join(f"{name}: {snapshot.num_rows:,} rows" for name, snapshot in run.outputs.items())
        output.line(f"{run.id}  {computed:,} calls  {rows}")
    output.next("recipe", "status", place.uri)
    if output.is_json:
        output.document({"recipe": recipe.name, "runs": runs})
