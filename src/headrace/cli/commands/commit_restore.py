"""`headrace commit-restore`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import dataset_argument
from headrace.cli.targets import dataset_text, open_dataset
from headrace.schema.references import Reference
from headrace.units import format_count


@command("commit-restore", example="headrace commit-restore lake::intents 2")
@dataset_argument
@click.argument("commit_id", metavar="ID")
def commit_restore(output: Output, *, dataset: Reference, commit_id: str) -> None:
    """Show a deleted commit again, with the same digest."""
    target = open_dataset(dataset)
    target.restore_commit(commit_id)
    commit = next(commit for commit in target.log() if commit.id == commit_id)
    if output.is_json:
        output.document(
            {
                "dataset": target.name,
                "dataset_id": target.id,
                "commit": commit_id,
                "num_rows": commit.num_rows,
                "digest": commit.digest,
            }
        )
        return
    output.fields(
        [
            ("restored", f"commit {commit_id}"),
            ("dataset", target.name),
            ("rows", format_count(commit.num_rows)),
            ("digest", commit.digest),
        ]
    )
    output.next("dataset", "log", dataset_text(dataset))
