"""`headrace recipe retry`."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.recipe_options import recipe_options
from headrace.cli.recipe_targets import lake_option, plan_on_lake
from headrace.cli.run_options import engine_options, limit_options, run_to_end, worker_options


@command("retry", example="headrace recipe retry recipe.yaml --quarantined --timeout 3600")
@recipe_options
@lake_option
@click.option("--quarantined", is_flag=True, required=True, help="Try rows in quarantine once more.")
@engine_options
@worker_options
@limit_options
def retry(
    output: Output,
    *,
    file: Path,
    settings: tuple[str, ...],
    lake: str | None,
    quarantined: bool,
    engine: str,
    ray_address: str | None,
    workers: int | None,
    memory: int | None,
    timeout: float,
    max_bad: str | None,
) -> None:
    """Run a recipe again for the rows that failed; everything else is known.

    Rows that need more memory or time get it by --memory, --timeout and --workers.
    """
    plan = plan_on_lake(file, settings, lake)
    run_to_end(
        output,
        plan,
        workers=workers,
        memory=memory,
        timeout=timeout,
        max_bad=max_bad,
        retries=quarantined,
        engine=engine,
        ray_address=ray_address,
    )
