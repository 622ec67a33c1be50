"""`headrace run show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import lake_argument
from headrace.cli.program import command_line
from headrace.cli.targets import open_existing_lake
from headrace.cli.wording import format_moment
from headrace.errors import InvalidInput, NotFound
from headrace.schema.near_misses import near_miss

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.lake import Lake
    from headrace.datasets.records import RunRecord


@command("show", example="headrace run show lake baseline")
@lake_argument
@click.argument("run")
def show(output: Output, *, lake: str, run: str) -> None:
    """Show what a run was trained on and what it made.

    RUN is a run's id, the start of it, or its name; of several runs with one name the latest is shown.
    """
    target = open_existing_lake(lake)
    dataset, record = _find(target, run, lake_text=lake)
    snapshot = target.snapshot(f"{dataset.name}@id:{record.snapshot_id}")
    told = next(item for item in snapshot.lineage().runs if item.run == record.run_id)
    reference = f"{lake}::{dataset.name}@id:{record.snapshot_id[:12]}"
    if output.is_json:
        output.document(
            {
                "run": told.run,
                "name": told.name,
                "dataset": dataset.name,
                "snapshot": told.snapshot,
                "reference": reference,
                "num_rows": snapshot.num_rows,
                "artefacts": told.artefacts,
                "metrics": told.metrics,
                "created_at": told.created_at,
                "actor": told.actor,
            }
        )
        return
    output.fields(
        [
            ("run", told.run),
            ("name", told.name),
            ("created", format_moment(told.created_at)),
            ("actor", told.actor),
            ("snapshot", reference),
            *(("artefact", artefact) for artefact in told.artefacts),
            *((name, f"{value:g}") for name, value in told.metrics.items()),
        ]
    )
    output.next("lineage", reference)


def _find(lake: Lake, text: str, *, lake_text: str) -> tuple[Dataset, RunRecord]:
    runs = [(dataset, record) for dataset in lake.datasets() for record in dataset.runs]
    named = [pair for pair in runs if pair[1].name == text]
    if named:
        return max(named, key=lambda pair: pair[1].created_at)
    matches = [pair for pair in runs if pair[1].run_id.startswith(text)] if text else []
    if len(matches) > 1:
        raise InvalidInput(f"{len(matches)} runs have an id that starts with {text!r}; give more of it")
    if not matches:
        near = near_miss(text, [record.name for _, record in runs])
        raise NotFound(
            f"lake {lake.uri} has no run {text!r}.{near} To see all: {command_line('run', 'list', lake_text)}"
        )
    return matches[0]
