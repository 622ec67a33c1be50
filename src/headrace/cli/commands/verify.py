"""`headrace verify`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import lake_argument
from headrace.cli.tables import printable
from headrace.cli.targets import open_existing_lake
from headrace.units import format_bytes, format_count


@command("verify", example="headrace verify lake")
@lake_argument
def verify(output: Output, *, lake: str) -> None:
    """Check every stored byte against its digest.

    Replays each log's chain and reads every object that a log refers to. Exits with 1 if anything is not as it was
    written.
    """
    target = open_existing_lake(lake)
    with output.progress() as progress:
        report = target.verify(progress=progress)
    if output.is_json:
        output.document({"lake": target.uri, **report.to_json()})
    else:
        output.fields(
            [
                ("lake", target.uri),
                ("datasets", format_count(report.num_datasets)),
                ("log entries", format_count(report.num_entries)),
                ("objects", format_count(report.num_objects)),
                ("rows", format_count(report.num_rows)),
                ("read", format_bytes(report.num_bytes)),
                ("problems", format_count(len(report.problems))),
            ]
        )
        for problem in report.problems:
            output.line(f"{problem.dataset or 'lake'}: {problem.code}: {printable(problem.message)}")
    if report.problems:
        num_problems = len(report.problems)
        output.note(f"{format_count(num_problems)} {'problem' if num_problems == 1 else 'problems'}; "
                    "whatever else could be read is as it was written")  # fmt: skip
        click.get_current_context().exit(1)
    output.next("audit", lake)
