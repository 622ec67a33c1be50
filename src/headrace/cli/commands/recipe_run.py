"""`headrace recipe run`."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.recipe_options import recipe_options
from headrace.cli.recipe_targets import lake_option, plan_on_lake
from headrace.cli.run_options import engine_options, limit_options, run_to_end, worker_options


@command("run", example="headrace recipe run recipe.yaml --memory 2GiB --max-bad 1%")
@recipe_options
@lake_option
@engine_options
@worker_options
@limit_options
@click.option(
    "--todo",
    metavar="TODO",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Work on the snapshots of a frozen todo, see `recipe plan --freeze`.",
)
@click.option("--retry-quarantined", "retries", is_flag=True, help="Try rows in quarantine once more.")
def run(
    output: Output,
    *,
    file: Path,
    settings: tuple[str, ...],
    lake: str | None,
    engine: str,
    ray_address: str | None,
    workers: int | None,
    memory: int | None,
    timeout: float,
    max_bad: str | None,
    todo: Path | None,
    retries: bool,
) -> None:
    """Run a recipe.

    What is known already is not computed again. An interrupted run leaves what it finished in the lake; the same
    command goes on from there. A row that cannot be worked on goes to quarantine with its reason, also one that
    crashes or hangs its process.
    """
    plan = plan_on_lake(file, settings, lake, todo=todo)
    run_to_end(
        output,
        plan,
        workers=workers,
        memory=memory,
        timeout=timeout,
        max_bad=max_bad,
        retries=retries,
        engine=engine,
        ray_address=ray_address,
    )
