"""`headrace dataset list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headrace.cli.command import command
from headrace.cli.documents import dataset_summary
from headrace.cli.output import Output
from headrace.cli.parameters import lake_argument
from headrace.cli.program import command_line
from headrace.cli.tables import Column
from headrace.cli.targets import open_existing_lake
from headrace.cli.wording import format_moment
from headrace.units import format_bytes, format_count

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.lake import Lake


@command("list", example="headrace dataset list lake")
@lake_argument
@click.option("--deleted", "is_deleted", is_flag=True, help="List deleted datasets, which can be restored.")
def list_datasets(output: Output, *, lake: str, is_deleted: bool) -> None:
    """List the datasets of a lake."""
    target = open_existing_lake(lake)
    datasets = _deleted_datasets(target) if is_deleted else target.datasets()
    if output.is_json:
        output.document({"lake": lake, "datasets": [dataset_summary(dataset) for dataset in datasets]})
        return
    rows = []
    for dataset in datasets:
        state = dataset.state()
        num_bytes = state.num_visible_media_bytes
        rows.append(
            (
                dataset.id,
                dataset.name,
                state.type_name,
                format_count(state.num_visible_commits),
                format_count(dataset.num_rows),
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
    if is_deleted:
        # By id, because a name may have been used again.
        output.next(*(("dataset", "restore", f"{lake}::{datasets[-1].id}") if datasets else ("dataset", "list", lake)))
    elif datasets:
        output.next("dataset", "show", f"{lake}::{datasets[0].name}")
    else:
        output.hint(f"{command_line('dataset', 'create')} {lake}::NAME --type TYPE --source SOURCE")


def _deleted_datasets(lake: Lake) -> list[Dataset]:
    deleted = lake.state().deleted
    return [dataset for dataset in lake.every_dataset() if dataset.id in deleted]
