"""`headrace commit-delete`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.confirmation import confirm, confirmed_options
from headrace.cli.output import Output
from headrace.cli.parameters import dataset_argument
from headrace.cli.targets import dataset_text, open_dataset
from headrace.cli.wording import format_rows
from headrace.schema.references import Reference
from headrace.units import format_count


@command("commit-delete", example="headrace commit-delete lake::intents 2")
@dataset_argument
@click.argument("commit_id", metavar="ID")
@confirmed_options
def commit_delete(output: Output, *, dataset: Reference, commit_id: str, dry_run: bool, is_confirmed: bool) -> None:
    """Hide a commit from new snapshots.

    Snapshots that were taken before keep it, and `commit-restore` brings it back with the same digest.
    """
    target = open_dataset(dataset)
    target.delete_commit(commit_id, dry_run=True)
    num_rows = next(commit.num_rows for commit in target.log() if commit.id == commit_id)
    if not dry_run:
        confirm(
            f"Delete commit {commit_id} of dataset {target.name!r} with {format_rows(num_rows)}?",
            is_confirmed=is_confirmed,
        )
        target.delete_commit(commit_id)
    if output.is_json:
        output.document(
            {
                "dataset": target.name,
                "dataset_id": target.id,
                "commit": commit_id,
                "num_rows": num_rows,
                "dry_run": dry_run,
            }
        )
        return
    output.fields(
        [
            ("would delete" if dry_run else "deleted", f"commit {commit_id}"),
            ("dataset", target.name),
            ("rows", format_count(num_rows)),
        ]
    )
    text = dataset_text(dataset)
    if dry_run:
        output.next("commit-delete", text, commit_id, "--yes")
    else:
        output.next("commit-restore", text, commit_id)
