"""`headrace audit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import lake_argument
from headrace.cli.tables import Column
from headrace.cli.targets import open_existing_lake
from headrace.cli.wording import format_moment, format_rows
from headrace.units import format_bytes, format_count

if TYPE_CHECKING:
    from headrace.datasets.audit import AuditEntry

_SHORT_ID = 12  # hex digits


@command("audit", example="headrace audit lake")
@lake_argument
@click.option("--dataset", "dataset_name", metavar="NAME", help="Only entries of this dataset.")
def audit(output: Output, *, lake: str, dataset_name: str | None) -> None:
    """List who changed what, and when.

    The list is the log itself, oldest entry first; each entry holds the hash of the one before it, and reading it
    checks that chain.
    """
    target = open_existing_lake(lake)
    entries = target.audit()
    if dataset_name is not None:
        # A name in the list may be that of a deleted dataset.
        is_listed = any(entry.dataset == dataset_name for entry in entries)
        name = dataset_name if is_listed else target.dataset(dataset_name).name
        entries = [entry for entry in entries if entry.dataset == name]
    if output.is_json:
        output.document({"lake": target.uri, "entries": [entry.to_json() for entry in entries]})
        return
    output.table(
        [
            Column("time", is_whole=True),
            Column("actor"),
            Column("dataset"),
            Column("operation", is_whole=True),
            Column("what"),
        ],
        [
            (format_moment(entry.time), entry.actor, entry.dataset or "", entry.operation, _told(entry))
            for entry in entries
        ],
    )
    output.next("verify", lake)


def _told(entry: AuditEntry) -> str:
    """What the entry is about, in few words; `--json` has all of it."""
    details = entry.details
    snapshot = str(details.get("snapshot", ""))[:_SHORT_ID]
    match entry.operation:
        case "create-dataset":
            return f"{details['name']} (id {details['dataset']})"
        case "create":
            return str(details["type"])
        case "commit":
            return f"{details['commit']}: {details['message']}"
        case "delete-dataset" | "purge-dataset":
            return f"id {details['dataset']}"
        case "restore-dataset":
            return f"{details['name']} (id {details['dataset']})"
        case "delete-rows" | "restore-rows":
            return format_rows(details["num_rows"])
        case "collect":
            return f"{format_count(details['num_objects'])} objects, {format_bytes(details['num_bytes'])}"
        case "add-columns":
            return ", ".join(str(item["name"]) for item in details["columns"])
        case "drop-columns":
            return ", ".join(details["columns"])
        case "compact-columns":
            return f"{format_count(len(details['columns']))} added columns"
        case "collected":
            return f"entry {details['entry']}"
        case "give-up-folders":
            return f"{format_count(len(details['uids']))} folders"
        case "alias":
            return f"{details['alias']} = {snapshot}"
        case "run":
            return f"{details['name']} on {snapshot}"
        case _:
            return snapshot or ", ".join(f"{name}={value}" for name, value in details.items())
