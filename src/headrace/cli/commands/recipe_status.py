"""`headrace recipe status`."""

from __future__ import annotations

from datetime import UTC, datetime

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import lake_argument
from headrace.cli.tables import Column
from headrace.cli.targets import open_existing_lake
from headrace.cli.wording import format_moment


@command("status", example="headrace recipe status lake")
@lake_argument
def status(output: Output, *, lake: str) -> None:
    """List the runs of recipes in a lake, the newest first.

    A run that says "running" for long was killed: start it again, and it goes on.
    """
    from headrace.curation.run_records import list_runs

    runs = list_runs(open_existing_lake(lake).store)
    if output.is_json:
        output.document({"lake": lake, "runs": [run.to_json() for run in runs]})
        return
    output.table(
        [
            Column("run", is_whole=True),
            Column("recipe"),
            Column("state", is_whole=True),
            Column("started", is_whole=True),
            Column("quarantined", "right", is_whole=True),
            Column("outputs"),
        ],
        [
            (
                run.run_id,
                run.recipe,
                run.state,
                format_moment(datetime.fromtimestamp(run.started_at, UTC)),
                run.num_quarantined,
                ", ".join(run.outputs) or (run.error or "")[:60],
            )
            for run in runs
        ],
    )
    if runs:
        output.next("recipe", "show", runs[0].run_id, "--lake", lake)
    else:
        output.note("no runs yet")
