"""`headrace rows purge`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.confirmation import confirm, confirmed_options
from headrace.cli.output import Output
from headrace.cli.parameters import dataset_argument
from headrace.cli.program import command_line
from headrace.cli.row_options import row_options, row_words
from headrace.cli.targets import dataset_text, open_dataset
from headrace.cli.wording import format_rows
from headrace.schema.references import Reference
from headrace.units import format_bytes, format_count

_SHOWN_OBJECTS = 20


@command("purge", example="headrace rows purge lake::photos --key 0.png --dry-run")
@dataset_argument
@row_options
@confirmed_options
def purge(
    output: Output, *, dataset: Reference, where: str | None, keys: tuple[str, ...], dry_run: bool, is_confirmed: bool
) -> None:
    """Erase the content of rows for ever.

    It goes from all commits and snapshots; all other rows, and the ids of commits and snapshots, stay what they are.
    Old objects go with the next `headrace gc`. Media that was adopted in place is not the lake's: the places are
    listed. A hold forbids it.
    """
    if (where is None) == (not keys):
        raise click.UsageError("which rows? Give either --where SQL or --key KEY")
    target = open_dataset(dataset)
    report = target.purge(where=where, keys=keys or None, dry_run=True)
    if not dry_run and report.num_rows:
        confirm(
            f"Erase {format_rows(report.num_rows)} of dataset {target.name!r} for ever?",
            is_confirmed=is_confirmed,
            is_final=True,
        )
        with output.progress() as progress:
            report = target.purge(where=where, keys=keys or None, progress=progress)
    if output.is_json:
        output.document({"dataset": target.name, "dataset_id": target.id, **report.to_json()})
        return
    output.fields(
        [
            ("would erase" if dry_run else "erased", format_rows(report.num_rows)),
            ("dataset", target.name),
            ("media", format_bytes(report.num_media_bytes)),
            ("to rewrite" if dry_run else "rewritten", format_bytes(report.num_bytes_rewritten)),
            ("commits", format_count(len(report.commits))),
            ("snapshots", f"{format_count(len(report.snapshots))} chose these commits"),
            ("views deleted", format_count(report.num_views) if report.num_views else None),
        ]
    )
    for uri in report.adopted[:_SHOWN_OBJECTS]:
        output.warn(f"outside the lake, still holds their bytes: {uri}")
    if len(report.adopted) > _SHOWN_OBJECTS:
        output.note(f"and {format_count(len(report.adopted) - _SHOWN_OBJECTS)} more; --json lists them")
    text = dataset_text(dataset)
    if not report.num_rows:
        output.next("sample", text)
    elif dry_run:
        output.hint(command_line("rows", "purge", text, *row_words(where=where, keys=keys), "--yes"))
    else:
        output.next("gc", str(dataset.lake))
