"""`headrace rows restore`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import dataset_argument
from headrace.cli.row_options import row_options
from headrace.cli.targets import dataset_text, open_dataset
from headrace.cli.wording import format_rows
from headrace.schema.references import Reference
from headrace.units import format_count


@command("restore", example="headrace rows restore lake::intents")
@dataset_argument
@row_options
def restore(output: Output, *, dataset: Reference, where: str | None, keys: tuple[str, ...]) -> None:
    """Show deleted rows again.

    Without --where and --key all rows that were deleted one by one; those of deleted commits come back with
    `commit-restore`.
    """
    if where is not None and keys:
        raise click.UsageError("which rows? Give either --where SQL or --key KEY, or neither for all")
    target = open_dataset(dataset)
    num_rows = target.restore_rows(where=where, keys=keys or None)
    if output.is_json:
        output.document(
            {
                "dataset": target.name,
                "dataset_id": target.id,
                "num_rows": num_rows,
                "num_visible_rows": target.num_rows,
            }
        )
        return
    output.fields(
        [("restored", format_rows(num_rows)), ("dataset", target.name), ("rows", format_count(target.num_rows))]
    )
    output.next("sample", dataset_text(dataset))
