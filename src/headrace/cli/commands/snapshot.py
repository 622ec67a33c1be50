"""`headrace snapshot`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.documents import snapshot_document
from headrace.cli.output import Output
from headrace.cli.parameters import dataset_argument, tag_option
from headrace.cli.snapshot_report import snapshot_fields
from headrace.cli.targets import dataset_text, open_dataset, snapshot_text
from headrace.schema.references import Reference
from headrace.schema.tags import Tag


@command("snapshot", example="headrace snapshot lake::intents --tag category=aaa --alias train")
@dataset_argument
@tag_option("Only commits with this tag; may be repeated, then a commit must have all.")
@click.option("--upto", metavar="COMMIT", help="Only commits up to this one.")
@click.option("--where", metavar="SQL", help='Only rows for which this is true, e.g. "length(text) > 20".')
@click.option("--column", "columns", metavar="NAME", multiple=True, help="Only this column; may be repeated.")
@click.option("--alias", metavar="NAME", help="Let this name point to the snapshot: LAKE::DATASET@NAME.")
def snapshot(
    output: Output,
    *,
    dataset: Reference,
    tags: tuple[Tag, ...],
    upto: str | None,
    where: str | None,
    columns: tuple[str, ...],
    alias: str | None,
) -> None:
    """Choose commits, rows and columns, and fix the choice.

    No data is copied. The same choice of the same content has the same id, on any machine.
    """
    if alias is not None:
        from headrace.schema.names import check_alias_name

        check_alias_name(alias)
    taken = open_dataset(dataset).snapshot(tags=tags, upto=upto, where=where, columns=columns or None)
    if alias is not None:
        taken.alias(alias)
    text = snapshot_text(dataset, snapshot_id=taken.id, alias=alias)
    if output.is_json:
        output.document(snapshot_document(taken, reference=text, alias=alias))
        return
    output.fields([*snapshot_fields(taken), ("alias", alias)])
    if not taken.num_rows:
        output.warn("the snapshot has no rows")
        output.next("dataset", "log", dataset_text(dataset))
        return
    output.next("split", text, "--into", "train=0.9", "--into", "val=0.1", "--seed", "7")
