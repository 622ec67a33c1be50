"""`headrace audit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import lake_argument
from headrace.cli.tables import Column
from headrace.cli.targets import open_lake
from headrace.cli.wording import format_moment

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
    target = open_lake(lake)
    entries = target.audit()
    if dataset_name is not None:
        name = target.dataset(dataset_name).name
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
        case "alias":
            return f"{details['alias']} = {snapshot}"
        case "run":
            return f"{details['name']} on {snapshot}"
        case _:
            return snapshot or ", ".join(f"{name}={value}" for name, value in details.items())
