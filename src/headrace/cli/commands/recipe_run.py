"""`headrace recipe run`."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import BYTE_SIZE
from headrace.cli.recipe_options import recipe_options
from headrace.cli.recipe_report import print_run
from headrace.cli.recipe_targets import lake_option, plan_on_lake


@command("run", example="headrace recipe run recipe.yaml --memory 2GiB --max-bad 1%")
@recipe_options
@lake_option
@click.option("--engine", type=click.Choice(["local"]), default="local", show_default=True, help="Where operators run.")
@click.option("--workers", metavar="N", type=click.IntRange(min=0), help="Processes; by default one for each core.")
@click.option("--memory", metavar="SIZE", type=BYTE_SIZE, help="Ceiling for all processes together, such as 2GiB.")
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    default=600.0,
    show_default=True,
    help="For one row in one operator; a row that takes longer goes to quarantine.",
)
@click.option("--max-bad", metavar="N|P%", help="More rows in quarantine than this end with exit code 8.")
@click.option("--retry-quarantined", "retries", is_flag=True, help="Try rows in quarantine once more.")
def run(
    output: Output,
    *,
    file: Path,
    settings: tuple[str, ...],
    lake: str | None,
    engine: str,
    workers: int | None,
    memory: int | None,
    timeout: float,
    max_bad: str | None,
    retries: bool,
) -> None:
    """Run a recipe.

    What is known already is not computed again. An interrupted run leaves what it finished in the lake; the same
    command goes on from there. A row that cannot be worked on goes to quarantine with its reason, also one that
    crashes or hangs its process.
    """
    plan = plan_on_lake(file, settings, lake)
    with output.progress() as progress:
        found = plan.run(
            memory=memory,
            engine=engine,
            workers=workers,
            timeout_seconds=timeout,
            max_bad=max_bad,
            retry_quarantined=retries,
            progress=progress,
        )
    print_run(output, found)
    if not found.within_limit:
        output.warn(
            f"{found.record.num_quarantined:,} rows are in quarantine, more than --max-bad {max_bad} allows; outputs "
            "were committed without them"
        )
        click.get_current_context().exit(8)
