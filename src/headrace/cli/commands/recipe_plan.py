"""`headrace recipe plan`."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.plan_report import print_plan
from headrace.cli.recipe_options import recipe_options, recipe_words
from headrace.cli.recipe_targets import lake_option, plan_on_lake


@command("plan", example="headrace recipe plan recipe.yaml --lake lake")
@recipe_options
@lake_option
@click.option("--mermaid", "is_graph", is_flag=True, help="Print the graph, coloured by what is known.")
@click.option(
    "--freeze",
    metavar="TODO",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what is to do, row by row, into a new Parquet file that `recipe run --todo` follows.",
)
def plan(
    output: Output,
    *,
    file: Path,
    settings: tuple[str, ...],
    lake: str | None,
    is_graph: bool,
    freeze: Path | None,
) -> None:
    """Show what a run would do: rows, bytes, what is known, and how long it may take.

    Nothing runs. A stage behind one that has not run shows the most that can come, "<= 5,000", or "?" where nothing
    is known. Times are those of earlier runs in the same lake. Columns that are not there are told, with exit code 2.
    """
    found = plan_on_lake(file, settings, lake)
    frozen = {}
    if freeze is not None:
        todo = found.todo()
        todo.write(freeze)
        frozen = {"todo": {"file": str(freeze), "num_rows": todo.num_rows, "stages": todo.counts()}}
    if output.is_json:
        output.document({**found.to_json(), **frozen})
        return
    if is_graph:
        output.line(found.mermaid().rstrip("\n"))
    else:
        print_plan(output, found)
    if freeze is None:
        output.next("recipe", "run", *recipe_words(file, settings, lake))
        return
    output.line(f"frozen: {freeze}, {todo.num_rows:,} rows to do at most")
    output.next("recipe", "run", *recipe_words(file, settings, lake), "--todo", str(freeze))
