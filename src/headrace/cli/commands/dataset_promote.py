"""`headrace dataset promote`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import dataset_argument, on_invalid_option
from headrace.cli.targets import dataset_text, open_dataset
from headrace.cli.wording import format_rows
from headrace.schema.references import Reference

_SHOWN = 5


@command(
    "promote",
    example="headrace dataset promote lake::photos pictures --type IMAGE_CLASS \\\n"
    "    --map image=data --map \"label=split_part(name, '.', 2)\"",
)
@dataset_argument
@click.argument("name")
@click.option("--type", "type_name", metavar="TYPE", required=True, help="Type of the new dataset.")
@click.option(
    "--map",
    "pairs",
    metavar="COLUMN=SQL",
    multiple=True,
    required=True,
    help="A new column and what it is made from: an old column, or an expression over them; may be repeated.",
)
@click.option("--where", metavar="SQL", help="Only rows for which this is true.")
@on_invalid_option
def promote(
    output: Output,
    *,
    dataset: Reference,
    name: str,
    type_name: str,
    pairs: tuple[str, ...],
    where: str | None,
    on_invalid: str,
) -> None:
    """Make a typed dataset from the rows of another.

    NAME is the new one's. Media bytes are copied, and `headrace lineage` leads from each new row to the old one and its
    source. A key column that is not mapped is the old key.
    """
    mapping: dict[str, str] = {}
    for pair in pairs:
        column, separator, expression = pair.partition("=")
        if not separator or not column or not expression:
            raise click.UsageError(f"--map {pair!r}: expected COLUMN=SQL, such as image=data")
        if column in mapping:
            raise click.UsageError(f"--map gives {column!r} twice")
        mapping[column] = expression
    target = open_dataset(dataset)
    with output.progress() as progress:
        report = target.promote(
            name, type=type_name, mapping=mapping, where=where, on_invalid=on_invalid, progress=progress
        )
    if output.is_json:
        output.document({"source": target.name, "source_id": target.id, **report.to_json()})
        return
    output.fields(
        [
            ("dataset", report.dataset.name),
            ("id", report.dataset.id),
            ("promoted", format_rows(report.num_rows)),
            ("refused", format_rows(report.num_refused)),
            *((row.member or "", row.reason) for row in report.refused[:_SHOWN]),
        ]
    )
    lake = dataset_text(dataset).partition("::")[0]
    output.next("sample", f"{lake}::{report.dataset.name}")
