"""`headrace rebuild`."""

from __future__ import annotations

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import lake_argument
from headrace.cli.targets import open_existing_lake
from headrace.units import format_bytes, format_count


@command("rebuild", example="headrace rebuild lake")
@lake_argument
def rebuild(output: Output, *, lake: str) -> None:
    """Make anew from the logs what was derived from them.

    Reads every log from its first entry, checks its chain, and writes new checkpoints in place of the old ones. For a
    lake whose checkpoints were damaged, or written by another version; no id changes, and no row is read.
    """
    target = open_existing_lake(lake)
    with output.progress() as progress:
        report = target.rebuild(progress=progress)
    if output.is_json:
        output.document({"lake": target.uri, **report.to_json()})
        return
    output.fields(
        [
            ("lake", target.uri),
            ("datasets", format_count(report.num_datasets)),
            ("log entries", format_count(report.num_entries)),
            ("replaced", f"{format_count(report.num_removed)} objects, {format_bytes(report.num_removed_bytes)}"),
        ]
    )
    output.next("verify", lake)
