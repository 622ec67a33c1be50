"""`headrace run list`."""

from __future__ import annotations

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import lake_argument
from headrace.cli.tables import Column
from headrace.cli.targets import open_existing_lake
from headrace.cli.wording import format_moment


@command("list", example="headrace run list lake")
@lake_argument
def list_runs(output: Output, *, lake: str) -> None:
    """List the recorded runs of a lake."""
    datasets = open_existing_lake(lake).datasets()
    found = [(dataset, run) for dataset in datasets for run in dataset.runs]
    found.sort(key=lambda pair: (pair[1].created_at, pair[1].run_id))
    if output.is_json:
        runs = [
            {
                "run": run.run_id,
                "name": run.name,
                "dataset": dataset.name,
                "snapshot": run.snapshot_id,
                "created_at": run.created_at,
                "actor": run.actor,
            }
            for dataset, run in found
        ]
        output.document({"lake": lake, "runs": runs})
        return
    output.table(
        [
            Column("run", is_whole=True),
            Column("name"),
            Column("dataset"),
            Column("snapshot", is_whole=True),
            Column("created", is_whole=True),
        ],
        [
            (run.run_id, run.name, dataset.name, run.snapshot_id[:12], format_moment(run.created_at))
            for dataset, run in found
        ],
    )
    if found:
        output.next("run", "show", lake, found[-1][1].run_id)
    else:
        output.note("no runs yet; a training program records one with lake.record_run(snapshot, name=…)")
        output.next("dataset", "list", lake)
