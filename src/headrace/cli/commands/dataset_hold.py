"""`headrace dataset hold`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import dataset_argument
from headrace.cli.targets import dataset_text, open_dataset
from headrace.schema.references import Reference


@command("hold", example='headrace dataset hold lake::intents --reason "case 4711"')
@dataset_argument
@click.option("--reason", metavar="TEXT", required=True, help="Who asked for it, and why.")
def hold(output: Output, *, dataset: Reference, reason: str) -> None:
    """Forbid that anything of a dataset is purged or collected.

    Soft deletion stays possible, because it removes no bytes.
    """
    target = open_dataset(dataset)
    target.hold(reason)
    if output.is_json:
        output.document({"dataset": target.name, "dataset_id": target.id, "hold": reason})
        return
    output.fields([("held", target.name), ("reason", reason)])
    output.next("dataset", "release", dataset_text(dataset))
