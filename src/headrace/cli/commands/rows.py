"""`headrace rows …`."""

from __future__ import annotations

from headrace.cli.lazy_group import LazyCommand, LazyGroup

rows = LazyGroup(
    "rows",
    lazy_commands={
        "delete": LazyCommand("headrace.cli.commands.rows_delete:delete", "Hide rows from new snapshots."),
        "restore": LazyCommand("headrace.cli.commands.rows_restore:restore", "Show deleted rows again."),
        "purge": LazyCommand("headrace.cli.commands.rows_purge:purge", "Erase the content of rows for ever."),
    },
    help_text="Delete single rows, bring them back, or erase them.",
)
