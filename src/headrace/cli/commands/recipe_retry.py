"""`headrace recipe retry`."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.recipe_options import recipe_options
from headrace.cli.recipe_report import print_run
from headrace.cli.recipe_targets import lake_option, plan_on_lake


@command("retry", example="headrace recipe retry recipe.yaml --quarantined")
@recipe_options
@lake_option
@click.option("--quarantined", is_flag=True, required=True, help="Try rows in quarantine once more.")
def retry(output: Output, *, file: Path, settings: tuple[str, ...], lake: str | None, quarantined: bool) -> None:
    """Run a recipe again for the rows that failed; everything else is known."""
    plan = plan_on_lake(file, settings, lake)
    with output.progress() as progress:
        found = plan.run(retry_quarantined=quarantined, progress=progress)
    print_run(output, found)
