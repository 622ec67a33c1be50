"""`headrace columns add`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import dataset_argument
from headrace.cli.program import command_line
from headrace.cli.targets import dataset_text, open_dataset
from headrace.cli.wording import format_rows
from headrace.schema.references import Reference
from headrace.units import format_bytes, format_count


@command("add", example="headrace columns add lake::photos scores.csv --name aesthetic")
@dataset_argument
@click.argument("file")
@click.option(
    "--name",
    "names",
    metavar="NAME",
    multiple=True,
    help="Column of the file to take, may be repeated; for a file with one value column what it is called.",
)
@click.option(
    "--replace", "starts_anew", is_flag=True, help="Start the column anew: rows that the file does not name lose it."
)
def add(output: Output, *, dataset: Reference, file: str, names: tuple[str, ...], starts_anew: bool) -> None:
    """Give rows further values, from a table.

    FILE is a table (.csv, .json, .jsonl, .parquet) or its URI, with `_id` or the dataset's key beside the values.
    Rows and media are not rewritten, and only snapshots that ask for the column by name see it.
    """
    target = open_dataset(dataset)
    name = names[0] if len(names) == 1 else list(names) or None
    with output.progress() as progress:
        report = target.add_columns(file, name=name, replace=starts_anew, progress=progress)
    if output.is_json:
        output.document({"dataset": target.name, "dataset_id": target.id, **report.to_json()})
        return
    output.fields(
        [
            ("dataset", target.name),
            ("columns", ", ".join(report.columns)),
            ("named by the file", format_rows(report.num_rows)),
            ("new values", format_count(report.num_values)),
            ("written", format_bytes(report.num_bytes)),
        ]
    )
    words = [word for column in (*target.schema.names, *report.columns) for word in ("--column", column)]
    output.hint(command_line("snapshot", dataset_text(dataset), *words))
