"""`headrace rows …`."""

from __future__ import annotations

from headrace.cli.lazy_group import LazyCommand, LazyGroup

rows = LazyGroup(
    "rows",
    lazy_commands={
        "delete": LazyCommand("headrace.cli.commands.rows_delete:delete", "Hide rows from new snapshots."),
        "restore": LazyCommand("headrace.cli.commands.rows_restore:restore", "Show deleted rows again."),
    },
    help_text="Delete single rows and bring them back.",
)
