"""`headrace audit`."""

from __future__ import annotations

import json

import click

from headrace.cli.command import command
from headrace.cli.json_values import to_json_value
from headrace.cli.output import Output
from headrace.cli.parameters import lake_argument
from headrace.cli.tables import Column
from headrace.cli.targets import open_lake
from headrace.cli.wording import format_moment

_TOLD = ("name", "message", "alias", "commit", "type", "snapshot", "run")
_LONGEST_VALUE = 40  # characters; digests are cut to 12


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
            (format_moment(entry.time), entry.actor, entry.dataset or "", entry.operation, _told(entry.details))
            for entry in entries
        ],
    )
    output.next("verify", lake)


def _told(details: dict[str, object]) -> str:
    """The details that name something, in few words."""
    parts = []
    for name in _TOLD:
        value = details.get(name)
        if value not in (None, ""):
            text = value if isinstance(value, str) else json.dumps(to_json_value(value), ensure_ascii=False)
            is_digest = name in ("snapshot", "run") and len(text) >= 12
            parts.append(f"{name}={text[:12] if is_digest else text[:_LONGEST_VALUE]}")
    return " ".join(parts)
