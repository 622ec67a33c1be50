"""`headrace dataset release`."""

from __future__ import annotations

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import dataset_argument
from headrace.cli.targets import dataset_text, open_dataset
from headrace.schema.references import Reference


@command("release", example="headrace dataset release lake::intents")
@dataset_argument
def release(output: Output, *, dataset: Reference) -> None:
    """End a hold."""
    target = open_dataset(dataset)
    was_held_for = target.state().hold
    target.release()
    if output.is_json:
        output.document({"dataset": target.name, "dataset_id": target.id, "hold": None, "was_held_for": was_held_for})
        return
    output.fields([("released", target.name), ("was held for", was_held_for or "nothing: there was no hold")])
    output.next("dataset", "show", dataset_text(dataset))
