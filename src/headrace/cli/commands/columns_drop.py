"""`headrace columns drop`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import dataset_argument
from headrace.cli.targets import dataset_text, open_dataset
from headrace.schema.references import Reference


@command("drop", example="headrace columns drop lake::photos aesthetic")
@dataset_argument
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def drop(output: Output, *, dataset: Reference, names: tuple[str, ...]) -> None:
    """Take added columns off.

    New snapshots cannot ask for them any more; snapshots that were logged with them keep them.
    """
    target = open_dataset(dataset)
    target.drop_columns(names)
    if output.is_json:
        output.document({"dataset": target.name, "dataset_id": target.id, "columns": list(names)})
        return
    output.fields([("dataset", target.name), ("dropped", ", ".join(names))])
    output.next("columns", "list", dataset_text(dataset))
