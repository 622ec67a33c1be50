"""`headrace columns list`."""

from __future__ import annotations

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import dataset_argument
from headrace.cli.program import command_line
from headrace.cli.tables import Column
from headrace.cli.targets import dataset_text, open_dataset
from headrace.cli.wording import format_moment
from headrace.schema.references import Reference
from headrace.units import format_count


@command("list", example="headrace columns list lake::photos")
@dataset_argument
def list_columns(output: Output, *, dataset: Reference) -> None:
    """List the added columns of a dataset.

    Columns that rows brought along themselves are in `headrace dataset show`.
    """
    target = open_dataset(dataset)
    columns = target.added_columns
    if output.is_json:
        output.document(
            {"dataset": target.name, "dataset_id": target.id, "columns": [item.to_json() for item in columns]}
        )
        return
    output.table(
        [
            Column("name", is_whole=True),
            Column("type", is_whole=True),
            Column("values", align="right", is_whole=True),
            Column("changed", is_whole=True),
            Column("by"),
        ],
        [
            (
                item.name,
                str(item.data_type),
                format_count(item.num_values),
                format_moment(item.created_at),
                item.actor,
            )
            for item in columns
        ],
    )
    text = dataset_text(dataset)
    if columns:
        names = [*target.schema.names, *(item.name for item in columns)]
        output.hint(command_line("snapshot", text, *(word for name in names for word in ("--column", name))))
    else:
        output.hint(f"{command_line('columns', 'add', text)} FILE")
