"""`headrace export`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import reference_argument
from headrace.cli.targets import open_snapshot
from headrace.cli.view_report import report_view
from headrace.schema.references import Reference


@command("export", example="headrace export lake::intents@train exported --format parquet")
@reference_argument()
@click.argument("uri")
@click.option(
    "--format", "form", metavar="NAME", required=True, help="webdataset, parquet, or one that a package adds."
)
def export(output: Output, *, ref: Reference, uri: str, form: str) -> None:
    """Write a snapshot in another format.

    URI is a new folder, or a place in an object store.
    """
    with output.progress() as progress:
        view = open_snapshot(ref).export(uri, format=form, progress=progress)
    report_view(output, view, form=form)
    output.next("lineage", str(ref))
