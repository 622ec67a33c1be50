"""`headrace columns …`."""

from __future__ import annotations

from headrace.cli.lazy_group import LazyCommand, LazyGroup

columns = LazyGroup(
    "columns",
    lazy_commands={
        "add": LazyCommand("headrace.cli.commands.columns_add:add", "Give rows further values, from a table."),
        "drop": LazyCommand("headrace.cli.commands.columns_drop:drop", "Take added columns off."),
        "list": LazyCommand("headrace.cli.commands.columns_list:list_columns", "List the added columns of a dataset."),
    },
    help_text="Give rows further columns without rewriting them.",
)
