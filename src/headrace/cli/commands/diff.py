"""`headrace diff`."""

from __future__ import annotations

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import reference_argument
from headrace.cli.targets import open_snapshot
from headrace.schema.references import Reference
from headrace.units import format_count


@command("diff", example="headrace diff lake::intents@train lake::intents")
@reference_argument("ref_a", metavar="REF_A")
@reference_argument("ref_b", metavar="REF_B")
def diff(output: Output, *, ref_a: Reference, ref_b: Reference) -> None:
    """Count the rows that differ between snapshots.

    Added rows are in REF_B only, removed rows in REF_A only; a changed row has the same key and other values.
    """
    before, after = open_snapshot(ref_a), open_snapshot(ref_b)
    found = before.diff(after)
    counts = {"added": found.added.num_rows, "removed": found.removed.num_rows, "changed": found.changed.num_rows}
    if output.is_json:
        output.document(
            {
                "from": {"reference": str(ref_a), "id": before.id, "num_rows": before.num_rows},
                "to": {"reference": str(ref_b), "id": after.id, "num_rows": after.num_rows},
                **counts,
                "statistics": found.statistics,
            }
        )
        return
    output.fields(
        [
            ("from", f"{ref_a} ({format_count(before.num_rows)} rows)"),
            ("to", f"{ref_b} ({format_count(after.num_rows)} rows)"),
            *((name, format_count(count)) for name, count in counts.items()),
        ]
    )
    output.next("lineage", str(ref_b))
