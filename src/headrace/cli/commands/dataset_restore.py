"""`headrace dataset restore`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.documents import dataset_summary
from headrace.cli.output import Output
from headrace.cli.parameters import dataset_argument
from headrace.cli.targets import open_lake_of
from headrace.schema.references import Reference
from headrace.units import format_count


@command("restore", example="headrace dataset restore lake::intents")
@dataset_argument
@click.option("--as", "rename", metavar="NAME", help="Under this name, because the old one is taken.")
def restore(output: Output, *, dataset: Reference, rename: str | None) -> None:
    """Bring a deleted dataset back, as it was.

    NAME is the name that it had, or its id; of several with one name the one that was deleted last comes back.
    """
    lake = open_lake_of(dataset)
    restored = lake.restore_dataset(dataset.dataset, rename=rename)
    if output.is_json:
        output.document(dataset_summary(restored))
        return
    document = restored.to_json()
    output.fields(
        [
            ("restored", restored.name),
            ("id", restored.id),
            ("commits", format_count(document["num_commits"])),
            ("rows", format_count(document["num_rows"])),
        ]
    )
    output.next("dataset", "show", f"{dataset.lake}::{restored.name}")
