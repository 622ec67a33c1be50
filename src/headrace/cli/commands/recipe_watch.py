"""`headrace recipe watch`."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import BYTE_SIZE
from headrace.cli.recipe_options import load_recipe, recipe_options
from headrace.cli.recipe_targets import lake_option, open_lake_of_recipe


@command("watch", example="headrace recipe watch recipe.yaml --once")
@recipe_options
@lake_option
@click.option(
    "--interval",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    help="How long to wait between two looks at the sources.",
)
@click.option("--once", is_flag=True, help="Look once, run, and end.")
@click.option("--workers", metavar="N", type=click.IntRange(min=0), help="Processes; by default one for each core.")
@click.option("--memory", metavar="SIZE", type=BYTE_SIZE, help="Ceiling for all processes together, such as 2GiB.")
def watch(
    output: Output,
    *,
    file: Path,
    settings: tuple[str, ...],
    lake: str | None,
    interval: float,
    once: bool,
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
    options = RunOptions(workers=workers, memory_bytes=memory)
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
