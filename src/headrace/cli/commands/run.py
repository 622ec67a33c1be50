"""`headrace run …`."""

from __future__ import annotations

from headrace.cli.lazy_group import LazyCommand, LazyGroup

run = LazyGroup(
    "run",
    lazy_commands={
        "list": LazyCommand("headrace.cli.commands.run_list:list_runs", "List the recorded runs of a lake."),
        "show": LazyCommand("headrace.cli.commands.run_show:show", "Show what a run was trained on and what it made."),
    },
    help_text="Look at recorded training runs.",
)
