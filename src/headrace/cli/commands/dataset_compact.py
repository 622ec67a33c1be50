"""`headrace dataset compact`."""

from __future__ import annotations

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import dataset_argument
from headrace.cli.targets import dataset_text, open_dataset
from headrace.cli.wording import format_rows
from headrace.schema.references import Reference
from headrace.units import format_bytes, format_count


@command("compact", example="headrace dataset compact lake::photos")
@dataset_argument
def compact(output: Output, *, dataset: Reference) -> None:
    """Move the rows of many small commits into few objects.

    Commits, snapshots and their ids stay, and every row is read back and proved equal before anything changes. Others
    may commit meanwhile. The old objects go with a later `headrace gc`.
    """
    target = open_dataset(dataset)
    with output.progress() as progress:
        report = target.compact(progress=progress)
    if output.is_json:
        output.document({"dataset": target.name, "dataset_id": target.id, **report.to_json()})
        return
    if not report.num_commits and not report.column_parts_before:
        output.fields([("dataset", target.name), ("moved", "nothing: its objects are large enough")])
        output.next("dataset", "show", dataset_text(dataset))
        return
    output.fields(
        [
            ("dataset", target.name),
            ("moved", f"{format_rows(report.num_rows)} of {format_count(report.num_commits)} commits"),
            ("parts", f"{format_count(report.parts_before)} became {format_count(report.parts_after)}"),
            ("shards", f"{format_count(report.shards_before)} became {format_count(report.shards_after)}"),
            *(
                [
                    (
                        "parts of added columns",
                        f"{format_count(report.column_parts_before)} became {format_count(report.column_parts_after)}",
                    )
                ]
                if report.column_parts_before
                else []
            ),
            ("written", format_bytes(report.num_bytes)),
        ]
    )
    output.next("gc", str(dataset.lake), "--dry-run")
