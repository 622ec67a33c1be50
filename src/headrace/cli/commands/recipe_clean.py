"""`headrace recipe clean`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.confirmation import confirm, confirmed_options
from headrace.cli.output import Output
from headrace.cli.parameters import DURATION, lake_argument
from headrace.cli.tables import Column
from headrace.cli.targets import open_existing_lake
from headrace.units import format_bytes, format_count

_AGE = "30d"


@command("clean", example="headrace recipe clean lake --older-than 30d --dry-run")
@lake_argument
@click.option(
    "--older-than",
    "age",
    metavar="AGE",
    type=DURATION,
    default=_AGE,
    show_default=True,
    help="Runs and results that are younger stay: 45min, 12h, 30d.",
)
@click.option(
    "--keep",
    "keep_runs",
    metavar="N",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Newest runs of each recipe that stay with all that they refer to, however old.",
)
@confirmed_options
def clean(output: Output, *, lake: str, age: float, keep_runs: int, dry_run: bool, is_confirmed: bool) -> None:
    """Remove old results of recipes: rows of stages, ledgers, and records of runs.

    Outputs are commits and stay. What no kept run refers to is computed again when it is needed once more; what is
    known of each row by an operator that a kept run used stays whole. While a run is under way nothing is removed.
    """
    from headrace.curation.cleaning import clean_results

    target = open_existing_lake(lake)
    report = clean_results(target, older_than_seconds=age, keep_runs=keep_runs, dry_run=True)
    if not dry_run and report.objects:
        confirm(
            f"Remove {format_count(len(report.objects))} objects ({format_bytes(report.num_bytes)}) and the records of "
            f"{format_count(len(report.runs_removed))} runs?",
            is_confirmed=is_confirmed,
            is_final=True,
        )
        report = clean_results(target, older_than_seconds=age, keep_runs=keep_runs, dry_run=False)
    elif not dry_run:
        report.dry_run = False
    if output.is_json:
        output.document({"lake": target.uri, **report.to_json()})
        return
    output.fields(
        [
            ("lake", target.uri),
            ("would remove" if dry_run else "removed", f"{format_count(len(report.objects))} objects"),
            ("bytes", format_bytes(report.num_bytes)),
            ("runs kept", format_count(len(report.runs_kept))),
            ("runs removed", format_count(len(report.runs_removed))),
            *(("skipped", text) for text in report.skipped),
        ]
    )
    if report.objects:
        output.line()
        reasons = {item.reason for item in report.objects}
        sums = {reason: [item.size for item in report.objects if item.reason == reason] for reason in sorted(reasons)}
        output.table(
            [Column("objects", "right", is_whole=True), Column("size", "right", is_whole=True), Column("what")],
            [(format_count(len(sizes)), format_bytes(sum(sizes)), reason) for reason, sizes in sums.items()],
        )
    if dry_run and report.objects:
        output.next("recipe", "clean", lake, "--older-than", f"{age:g}s", "--keep", str(keep_runs), "--yes")
    else:
        output.next("recipe", "status", lake)
