"""`headrace dataset delete`."""

from __future__ import annotations

from headrace.cli.command import command
from headrace.cli.confirmation import confirm, confirmed_options
from headrace.cli.output import Output
from headrace.cli.parameters import dataset_argument
from headrace.cli.targets import dataset_text, open_lake_of
from headrace.cli.wording import format_rows
from headrace.schema.references import Reference
from headrace.units import format_count


@command("delete", example="headrace dataset delete lake::intents --yes")
@dataset_argument
@confirmed_options
def delete(output: Output, *, dataset: Reference, dry_run: bool, is_confirmed: bool) -> None:
    """Take a dataset off the list.

    Its name is free again and its bytes stay, so that `dataset restore` can bring it back. To remove the bytes as
    well: `dataset purge`.
    """
    lake = open_lake_of(dataset)
    target = lake.dataset(dataset.dataset)
    document = target.to_json()
    if not dry_run:
        rows = format_rows(document["num_rows"])
        confirm(f"Delete dataset {target.name!r} with {rows}?", is_confirmed=is_confirmed)
        lake.delete_dataset(target.id)
    if output.is_json:
        output.document(
            {
                "dataset": target.name,
                "dataset_id": target.id,
                "num_commits": document["num_commits"],
                "num_rows": document["num_rows"],
                "dry_run": dry_run,
            }
        )
        return
    output.fields(
        [
            ("would delete" if dry_run else "deleted", target.name),
            ("id", target.id),
            ("commits", format_count(document["num_commits"])),
            ("rows", format_count(document["num_rows"])),
        ]
    )
    text = dataset_text(dataset)
    if dry_run:
        output.next("dataset", "delete", text, "--yes")
    else:
        output.next("dataset", "restore", text)
