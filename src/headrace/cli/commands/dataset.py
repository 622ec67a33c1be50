"""`headrace dataset …`."""

from __future__ import annotations

from headrace.cli.lazy_group import LazyCommand, LazyGroup

dataset = LazyGroup(
    "dataset",
    lazy_commands={
        "create": LazyCommand(
            "headrace.cli.commands.dataset_create:create", "Create a dataset, perhaps with its first rows."
        ),
        "list": LazyCommand("headrace.cli.commands.dataset_list:list_datasets", "List the datasets of a lake."),
        "show": LazyCommand("headrace.cli.commands.dataset_show:show", "Show a dataset's columns and statistics."),
        "log": LazyCommand("headrace.cli.commands.dataset_log:log", "List a dataset's commits, oldest first."),
    },
    help_text="Create, list and look at datasets.",
)
