"""Options of commands that run recipes, and how such a run ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from headrace.cli.parameters import BYTE_SIZE
from headrace.cli.recipe_report import print_run

if TYPE_CHECKING:
    from headrace.cli.output import Output
    from headrace.curation.recipe_plan import RecipePlan

__all__ = ["run_to_end", "limit_options", "worker_options"]

Function = TypeVar("Function", bound=Callable[..., Any])

_TOO_MANY_BAD = 8


def worker_options(function: Function) -> Function:
    """`--workers` and `--memory`."""
    function = click.option(
        "--memory", metavar="SIZE", type=BYTE_SIZE, help="Ceiling for all processes together, such as 2GiB."
    )(function)
    return click.option(
        "--workers",
        metavar="N",
        type=click.IntRange(min=0),
        help="Chunks worked on at once; by default one for each core.",
    )(function)


def limit_options(function: Function) -> Function:
    """`--timeout` and `--max-bad`."""
    function = click.option(
        "--max-bad", metavar="N|P%", help="More rows in quarantine than this end with exit code 8."
    )(function)
    return click.option(
        "--timeout",
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True),
        default=600.0,
        show_default=True,
        help="For one row in one operator; a row that takes longer goes to quarantine.",
    )(function)


def run_to_end(
    output: Output,
    plan: RecipePlan,
    *,
    workers: int | None,
    memory: int | None,
    timeout: float,
    max_bad: str | None,
    retries: bool,
    engine: str = "local",
) -> None:
    """Run the plan, print the run, and end with exit code 8 where too many rows are in quarantine."""
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
        click.get_current_context().exit(_TOO_MANY_BAD)
