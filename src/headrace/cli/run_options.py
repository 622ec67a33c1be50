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

__all__ = ["engine_options", "limit_options", "run_to_end", "worker_options"]

Function = TypeVar("Function", bound=Callable[..., Any])

_TOO_MANY_BAD = 8


def worker_options(function: Function) -> Function:
    """`--workers` and `--memory`."""
    function = click.option(
        "--memory",
        metavar="SIZE",
        type=BYTE_SIZE,
        help="Ceiling for all processes together, such as 2GiB; on Ray for each of them.",
    )(function)
    return click.option(
        "--workers",
        metavar="N",
        type=click.IntRange(min=0),
        help="Chunks worked on at once; by default one for each core.",
    )(function)


def engine_options(function: Function) -> Function:
    """`--engine` and `--ray-address`."""
    function = click.option(
        "--ray-address",
        metavar="HOST:PORT",
        help="Cluster for --engine ray: of its head node, or auto for the one of this machine, or local to start one "
        "that ends with the run. Default: RAY_ADDRESS, else local.",
    )(function)
    return click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="Where chunks and partitions are worked on: by processes of this machine, or on a Ray cluster.",
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
    engine: str,
    ray_address: str | None,
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
            ray_address=ray_address,
            progress=progress,
        )
    print_run(output, found)
    if not found.within_limit:
        output.warn(
            f"{found.record.num_quarantined:,} rows are in quarantine, more than --max-bad {max_bad} allows; outputs "
            "were committed without them"
        )
        click.get_current_context().exit(_TOO_MANY_BAD)
