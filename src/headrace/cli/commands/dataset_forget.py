"""`headrace dataset forget`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.confirmation import confirm, confirmed_options
from headrace.cli.output import Output
from headrace.cli.parameters import reference_argument
from headrace.cli.targets import open_snapshot
from headrace.cli.wording import format_rows
from headrace.schema.references import Reference


@command("forget", example="headrace dataset forget lake::intents@id:01234567")
@reference_argument()
@confirmed_options
def forget(output: Output, *, ref: Reference, dry_run: bool, is_confirmed: bool) -> None:
    """Take a snapshot off a dataset's books.

    Garbage collection may then remove what only the snapshot needed. Its rows stay in their commits, and taking it
    again gives the same id. A snapshot with an alias or a recorded run stays.
    """
    if ref.selector.kind != "id":
        raise click.UsageError(f"{str(ref)!r}: expected LAKE::NAME@id:HEX; `dataset show --json` lists the ids")
    snapshot = open_snapshot(ref)
    target = snapshot.dataset
    if dry_run:
        target.require_forgettable(target.state(), snapshot.id)
    else:
        confirm(f"Forget snapshot {snapshot.id[:12]} with {format_rows(snapshot.num_rows)}?", is_confirmed=is_confirmed)
        snapshot.forget()
    if output.is_json:
        output.document({"dataset": target.name, "dataset_id": target.id, "snapshot": snapshot.id, "dry_run": dry_run})
        return
    output.fields([("would forget" if dry_run else "forgot", snapshot.id), ("dataset", target.name)])
    if dry_run:
        output.next("dataset", "forget", str(ref), "--yes")
    else:
        output.next("gc", str(ref.lake), "--dry-run")
