"""`headrace recipe explain`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.recipe_report import print_explanation
from headrace.cli.recipe_targets import find_recorded_run, lake_option


@command("explain", example="headrace recipe explain last --sample 0.png --lake lake")
@click.argument("run")
@click.option("--sample", required=True, metavar="ID", help="The row's _id, or its key where only one row has it.")
@lake_option
def explain(output: Output, *, run: str, sample: str, lake: str | None) -> None:
    """Say what each stage of a run did with a sample.

    Values before and after, and why it went or stayed. RUN is an id, its beginning, or "last".
    """
    from headrace.curation.explaining import explain as explained

    found, record = find_recorded_run(run, lake)
    print_explanation(output, explained(found, record, sample=sample))
    output.next("recipe", "show", record.run_id, "--lake", found.uri)
