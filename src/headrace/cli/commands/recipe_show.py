"""`headrace recipe show`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.recipe_report import print_record, print_rows
from headrace.cli.recipe_targets import find_recorded_run, lake_option


@command("show", example="headrace recipe show last sharp --lake lake --dropped")
@click.argument("run")
@click.argument("stage", required=False)
@lake_option
@click.option("--dropped", "which", flag_value="dropped", help="Rows that the stage dropped, with the reason.")
@click.option("--quarantined", "which", flag_value="failed", help="Rows that failed, with the error.")
@click.option("--n", "num_rows", type=click.IntRange(min=1), default=20, show_default=True, help="Rows to show.")
def show(output: Output, *, run: str, stage: str | None, lake: str | None, which: str | None, num_rows: int) -> None:
    """Show a run, or the rows that one of its stages gave.

    RUN is an id, its beginning, or "last".
    """
    from headrace.curation.explaining import stage_results
    from headrace.errors import NotFound
    from headrace.schema.near_misses import near_miss_or_known

    found, record = find_recorded_run(run, lake)
    if stage is None:
        print_record(output, record)
        if record.stages:
            output.next("recipe", "show", record.run_id, record.stages[-1].name, "--lake", found.uri)
        else:
            output.next("recipe", "status", found.uri)
        return
    store, results = stage_results(found, record)
    if stage not in results:
        names = [*record.sources, *(known.name for known in record.stages)]
        gone = " Its rows are not kept any more; run the recipe again." if stage in names else ""
        raise NotFound(f"run {record.run_id} has no stage {stage!r}.{gone or near_miss_or_known(stage, names)}")
    rows = getattr(results[stage], which or "rows")
    print_rows(output, store, rows, num_rows=num_rows)
    output.next("recipe", "show", record.run_id, "--lake", found.uri)
