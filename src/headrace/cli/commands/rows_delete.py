"""`headrace rows delete`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.confirmation import confirm, confirmed_options
from headrace.cli.output import Output
from headrace.cli.parameters import dataset_argument
from headrace.cli.program import command_line
from headrace.cli.row_options import row_options, row_words
from headrace.cli.targets import dataset_text, open_dataset
from headrace.cli.wording import format_rows
from headrace.schema.references import Reference
from headrace.units import format_count


@command("delete", example="headrace rows delete lake::intents \\\n    --where \"list_contains(labels, 'oos')\"")
@dataset_argument
@row_options
@confirmed_options
def delete(
    output: Output, *, dataset: Reference, where: str | None, keys: tuple[str, ...], dry_run: bool, is_confirmed: bool
) -> None:
    """Hide rows from new snapshots.

    Snapshots that were taken before keep them, and `rows restore` brings them back. Where later rows replace earlier
    ones of the same key, all rows of a key are hidden, so that no older one comes to light.
    """
    if (where is None) == (not keys):
        raise click.UsageError("which rows? Give either --where SQL or --key KEY")
    target = open_dataset(dataset)
    num_rows = target.delete_rows(where=where, keys=keys or None, dry_run=True)
    if not dry_run and num_rows:
        confirm(f"Delete {format_rows(num_rows)} of dataset {target.name!r}?", is_confirmed=is_confirmed)
        num_rows = target.delete_rows(where=where, keys=keys or None)
    left = target.num_rows - (num_rows if dry_run else 0)
    if output.is_json:
        output.document(
            {
                "dataset": target.name,
                "dataset_id": target.id,
                "num_rows": num_rows,
                "num_visible_rows": left,
                "dry_run": dry_run,
            }
        )
        return
    output.fields(
        [
            ("would delete" if dry_run else "deleted", format_rows(num_rows)),
            ("dataset", target.name),
            ("left", format_count(left)),
        ]
    )
    text = dataset_text(dataset)
    words = row_words(where=where, keys=keys)
    if not num_rows:
        output.next("sample", text)
    elif dry_run:
        output.hint(command_line("rows", "delete", text, *words, "--yes"))
    else:
        output.hint(command_line("rows", "restore", text, *words))
