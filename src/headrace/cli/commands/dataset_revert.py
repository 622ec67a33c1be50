"""`headrace dataset revert`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.confirmation import confirm, confirmed_options
from headrace.cli.output import Output
from headrace.cli.parameters import dataset_argument
from headrace.cli.targets import dataset_text, open_dataset
from headrace.cli.wording import format_rows
from headrace.schema.references import Reference
from headrace.units import format_count


@command("revert", example="headrace dataset revert lake::intents --to 1")
@dataset_argument
@click.option("--to", metavar="COMMIT", required=True, help="Number of the commit that shall be the last visible one.")
@confirmed_options
def revert(output: Output, *, dataset: Reference, to: str, dry_run: bool, is_confirmed: bool) -> None:
    """Show again what was visible right after a commit.

    Later commits are hidden, and what was deleted since is visible again. This is a new entry of the log: nothing is
    lost, snapshots stay, and `commit-restore` brings later commits back.
    """
    target = open_dataset(dataset)
    state = target.state()
    target.require_commit(state, to)
    now = target.select()
    then = target.select(until=state.commits[int(to) - 1].time)
    if not dry_run:
        confirm(
            f"Revert dataset {target.name!r} from {format_rows(now.num_rows)} to {format_rows(then.num_rows)}?",
            is_confirmed=is_confirmed,
        )
        target.revert(to)
    document = {
        "dataset": target.name,
        "dataset_id": target.id,
        "to": to,
        "commits": [commit.id for commit in then.commits],
        "num_rows": then.num_rows,
        "num_rows_before": now.num_rows,
        "dry_run": dry_run,
    }
    if output.is_json:
        output.document(document)
        return
    output.fields(
        [
            ("would revert" if dry_run else "reverted", target.name),
            ("to", f"commit {to}"),
            ("commits", f"{format_count(len(then.commits))}, before {format_count(len(now.commits))}"),
            ("rows", f"{format_count(then.num_rows)}, before {format_count(now.num_rows)}"),
        ]
    )
    text = dataset_text(dataset)
    if dry_run:
        output.next("dataset", "revert", text, "--to", to, "--yes")
    else:
        output.next("dataset", "log", text)
