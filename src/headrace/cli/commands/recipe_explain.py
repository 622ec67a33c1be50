"""`headrace recipe explain`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.recipe_report import print_explanation
from headrace.cli.recipe_targets import find_recorded_run, lake_option
from headrace.cli.stage_report import print_stage_summary, print_stages


@command(
    "explain",
    example="headrace recipe explain last --stage sharp --lake lake",
)
@click.argument("run")
@click.option(
    "--stage", metavar="STAGE", help="Histograms with the cut, and 20 kept and 20 dropped rows, of this stage."
)
@click.option(
    "--sample",
    metavar="ID",
    help="The way of one row: its _id in a source or in an output, or its key where only one row has it.",
)
@lake_option
def explain(output: Output, *, run: str, stage: str | None, sample: str | None, lake: str | None) -> None:
    """Say what the stages of a run did with the rows, and why rows left.

    Without options all stages in short; --stage shows one in full, --sample what each stage did with one row. RUN is an
    id, its beginning, or "last".
    """
    from headrace.curation.explaining import explain as explained
    from headrace.curation.explaining import explain_stage, explain_stages
    from headrace.errors import InvalidInput

    if stage is not None and sample is not None:
        raise InvalidInput("--stage and --sample exclude each other; ask for one after the other")
    found, record = find_recorded_run(run, lake)
    if sample is not None:
        explanation = explained(found, record, sample=sample)
        print_explanation(output, explanation)
        output.next("lineage", f"{explanation.source_reference}", "--sample", explanation.sample)
        return
    if stage is not None:
        summary = explain_stage(found, record, stage=stage)
        print_stage_summary(output, summary)
        if summary.dropped and summary.dropped[0].id is not None:
            output.next("recipe", "explain", record.run_id, "--sample", summary.dropped[0].id, "--lake", found.uri)
        else:
            output.next("recipe", "show", record.run_id, stage, "--lake", found.uri)
        return
    print_stages(output, record, explain_stages(found, record))
    if record.stages:
        most = max(record.stages, key=lambda known: known.dropped)
        output.next("recipe", "explain", record.run_id, "--stage", most.name, "--lake", found.uri)
    else:
        output.next("recipe", "status", found.uri)
