"""`headrace materialise`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import reference_argument
from headrace.cli.targets import open_snapshot
from headrace.cli.view_report import report_view
from headrace.schema.references import Reference


@command("materialise", example="headrace materialise lake::intents@train training-files")
@reference_argument()
@click.argument("uri", required=False)
def materialise(output: Output, *, ref: Reference, uri: str | None) -> None:
    """Write a snapshot as its type's training files.

    URI is a new folder, or a place in an object store; without it the files go below the lake's own folder for
    things that can be made again.
    """
    snapshot = open_snapshot(ref)
    with output.progress() as progress:
        view = snapshot.materialise(uri, progress=progress)
    report_view(output, view, form=snapshot.dataset.type)
    output.next("lineage", str(ref))
