"""`headrace dataset changes`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import dataset_argument
from headrace.cli.tables import Column
from headrace.cli.targets import dataset_text, open_dataset
from headrace.cli.wording import format_moment
from headrace.schema.references import Reference
from headrace.units import format_count


@command("changes", example="headrace dataset changes lake::intents --since 2")
@dataset_argument
@click.option(
    "--since",
    metavar="PLACE",
    default="0",
    show_default=True,
    help="A commit's id, the `until` of an earlier call, or a time; 0 is everything.",
)
@click.option("--ids", "has_ids", is_flag=True, help="With --json: the ids of the rows that came and went, too.")
def changes(output: Output, *, dataset: Reference, since: str, has_ids: bool) -> None:
    """Tell what came and went since a commit.

    For readers that follow a dataset: hand the `until` of one call to the next as --since, and no change is missed or
    seen twice.
    """
    target = open_dataset(dataset)
    found = target.changes(since)
    if output.is_json:
        ids = {
            f"{name}_ids": rows.to_arrow(["_id"]).column("_id").to_pylist()
            for name, rows in (("added", found.added), ("removed", found.removed))
            if has_ids
        }
        output.document({**found.to_json(), "dataset_id": target.id, **ids})
        return
    output.table(
        [
            Column("entry", align="right", is_whole=True),
            Column("created", is_whole=True),
            Column("operation", is_whole=True),
            Column("by"),
        ],
        [(str(entry.number), format_moment(entry.time), entry.operation, entry.actor) for entry in found.entries],
    )
    output.line()
    output.fields(
        [
            ("added", format_count(found.added.num_rows)),
            ("removed", format_count(found.removed.num_rows)),
            ("purged", format_count(found.purged.num_rows) if found.purged else None),
            ("until", found.until),
        ]
    )
    output.next("dataset", "changes", dataset_text(dataset), "--since", found.until)
