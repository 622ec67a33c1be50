"""`headrace dataset purge`."""

from __future__ import annotations

from headrace.cli.command import command
from headrace.cli.confirmation import confirm, confirmed_options
from headrace.cli.output import Output
from headrace.cli.parameters import dataset_argument
from headrace.cli.targets import dataset_text, open_lake_of
from headrace.schema.references import Reference
from headrace.units import format_bytes


@command("purge", example="headrace dataset purge lake::intents --dry-run")
@dataset_argument
@confirmed_options
def purge(output: Output, *, dataset: Reference, dry_run: bool, is_confirmed: bool) -> None:
    """Remove a dataset's bytes for ever, deleted or not.

    Objects and training views in the lake go; the logs stay, because they tell who did what. Media that was adopted
    in place is not the lake's and stays where it is. A hold forbids it.
    """
    lake = open_lake_of(dataset)
    num_bytes = lake.purge_dataset(dataset.dataset, dry_run=True)
    text = dataset_text(dataset)
    if not dry_run:
        confirm(
            f"Remove {format_bytes(num_bytes)} of dataset {dataset.dataset!r} for ever?",
            is_confirmed=is_confirmed,
            is_final=True,
        )
        num_bytes = lake.purge_dataset(dataset.dataset)
    if output.is_json:
        output.document({"dataset": dataset.dataset, "num_bytes": num_bytes, "dry_run": dry_run})
        return
    output.fields([("would purge" if dry_run else "purged", dataset.dataset), ("bytes", format_bytes(num_bytes))])
    if dry_run:
        output.next("dataset", "purge", text, "--yes")
    else:
        output.next("audit", str(dataset.lake))
