"""`headrace pack`."""

from __future__ import annotations

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import reference_argument
from headrace.cli.targets import open_snapshot, snapshot_text
from headrace.cli.wording import format_rows
from headrace.schema.references import Reference
from headrace.units import format_bytes, format_count


@command("pack", example="headrace pack lake::photos@train")
@reference_argument()
def pack(output: Output, *, ref: Reference) -> None:
    """Lay a snapshot's rows out contiguously, for streaming.

    A second copy of the rows beside the commits'; whoever reads the snapshot reads it. `headrace dataset forget` and
    `headrace gc` remove it.
    """
    snapshot = open_snapshot(ref)
    with output.progress() as progress:
        report = snapshot.pack(progress=progress)
    if output.is_json:
        output.document({"dataset": snapshot.dataset.name, **report.to_json()})
        return
    output.fields(
        [
            ("snapshot", report.snapshot),
            ("rows", format_rows(report.num_rows)),
            ("parts", format_count(report.num_parts)),
            ("shards", format_count(report.num_shards)),
            ("size", format_bytes(report.num_bytes)),
        ]
    )
    output.next("sample", snapshot_text(ref, snapshot_id=snapshot.id, alias=None))
