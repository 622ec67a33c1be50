"""`headrace dataset list`."""

from __future__ import annotations

from headrace.cli.command import command
from headrace.cli.documents import dataset_summary
from headrace.cli.output import Output
from headrace.cli.parameters import lake_argument
from headrace.cli.program import command_line
from headrace.cli.tables import Column
from headrace.cli.targets import open_lake
from headrace.cli.wording import format_moment
from headrace.units import format_bytes, format_count


@command("list", example="headrace dataset list lake")
@lake_argument
def list_datasets(output: Output, *, lake: str) -> None:
    """List the datasets of a lake."""
    datasets = open_lake(lake).datasets()
    if output.is_json:
        output.document({"lake": lake, "datasets": [dataset_summary(dataset) for dataset in datasets]})
        return
    rows = []
    for dataset in datasets:
        state = dataset.state()
        num_bytes = sum(commit.num_media_bytes for commit in state.commits)
        rows.append(
            (
                dataset.id,
                dataset.name,
                state.type_name,
                format_count(len(state.commits)),
                format_count(sum(commit.num_rows for commit in state.commits)),
                format_bytes(num_bytes) if num_bytes else "",
                format_moment(state.updated_at),
            )
        )
    output.table(
        [
            Column("id", align="right", is_whole=True),
            Column("name", is_whole=True),
            Column("type", is_whole=True),
            Column("commits", align="right", is_whole=True),
            Column("rows", align="right", is_whole=True),
            Column("media", align="right", is_whole=True),
            Column("updated", is_whole=True),
        ],
        rows,
    )
    if datasets:
        output.next("dataset", "show", f"{lake}::{datasets[0].name}")
    else:
        output.hint(f"{command_line('dataset', 'create')} {lake}::NAME --type TYPE --source SOURCE")
