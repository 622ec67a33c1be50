"""`headrace dataset show`."""

from __future__ import annotations

from typing import Any

from headrace.cli.column_report import column_rows
from headrace.cli.command import command
from headrace.cli.documents import dataset_document
from headrace.cli.output import Output
from headrace.cli.parameters import dataset_argument
from headrace.cli.program import command_line
from headrace.cli.tables import Column
from headrace.cli.targets import dataset_text, open_dataset
from headrace.cli.wording import format_moment, format_rows
from headrace.schema.references import Reference
from headrace.units import format_bytes, format_count

_SHOWN_LABELS = 4


@command("show", example="headrace dataset show lake::intents")
@dataset_argument
def show(output: Output, *, dataset: Reference) -> None:
    """Show a dataset's columns and statistics."""
    target = open_dataset(dataset)
    if output.is_json:
        output.document(dataset_document(target))
        return
    state = target.state()
    document = target.to_json()
    statistics = target.statistics
    num_duplicates = statistics.get("num_duplicate_rows") or 0
    output.fields(
        [
            ("dataset", target.name),
            ("id", target.id),
            ("type", target.type),
            ("description", target.description or None),
            ("owner", target.owner),
            ("key", f"{target.key} ({target.on_duplicate_key})" if target.key else None),
            ("created", format_moment(state.created_at)),
            ("updated", format_moment(state.updated_at)),
            ("commits", format_count(state.num_visible_commits)),
            ("rows", format_count(statistics["num_rows"])),
            ("deleted", _deleted_text(document)),
            ("hold", state.hold),
            ("distinct", f"{format_rows(statistics['num_distinct_rows'])}" if num_duplicates else None),
            ("media", format_bytes(statistics["num_bytes"]) if statistics.get("num_bytes") else None),
            ("labels", _labels_text(statistics)),
            ("aliases", " ".join(f"{name}={snapshot[:12]}" for name, snapshot in target.aliases.items()) or None),
        ]
    )
    output.line()
    output.table(
        [
            Column("column", is_whole=True),
            Column("type", is_whole=True),
            Column("nulls", align="right", is_whole=True),
            Column("distinct", align="right", is_whole=True),
            Column("values"),
        ],
        column_rows(target.schema, statistics),
    )
    text = dataset_text(dataset)
    if state.commits:
        output.next("sample", text, "--n", "3")
    else:
        output.hint(f"{command_line('commit', text)} SOURCE")


def _deleted_text(document: dict[str, Any]) -> str | None:
    num_commits, num_rows = document["num_deleted_commits"], document["num_deleted_rows"]
    parts = [
        f"{format_count(num_commits)} commit{'' if num_commits == 1 else 's'}" if num_commits else "",
        format_rows(num_rows) if num_rows else "",
    ]
    return ", ".join(part for part in parts if part) or None


def _labels_text(statistics: dict[str, object]) -> str | None:
    labels = statistics.get("labels")
    num_labels = statistics.get("num_labels")
    if not isinstance(labels, list) or not labels or not isinstance(num_labels, int):
        return None
    shown = ", ".join(f"{label} {format_count(count)}" for label, count in labels[:_SHOWN_LABELS])
    return f"{format_count(num_labels)}: {shown}{', …' if num_labels > _SHOWN_LABELS else ''}"
