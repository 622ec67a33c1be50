"""`headrace dataset …`."""

from __future__ import annotations

from headrace.cli.lazy_group import LazyCommand, LazyGroup

_REMOVING = "Removing and bringing back"

dataset = LazyGroup(
    "dataset",
    lazy_commands={
        "create": LazyCommand(
            "headrace.cli.commands.dataset_create:create", "Create a dataset, perhaps with its first rows."
        ),
        "list": LazyCommand("headrace.cli.commands.dataset_list:list_datasets", "List the datasets of a lake."),
        "show": LazyCommand("headrace.cli.commands.dataset_show:show", "Show a dataset's columns and statistics."),
        "log": LazyCommand("headrace.cli.commands.dataset_log:log", "List a dataset's commits, oldest first."),
        "changes": LazyCommand(
            "headrace.cli.commands.dataset_changes:changes", "Tell what came and went since a commit."
        ),
        "compact": LazyCommand(
            "headrace.cli.commands.dataset_compact:compact", "Move the rows of many small commits into few objects."
        ),
        "promote": LazyCommand(
            "headrace.cli.commands.dataset_promote:promote", "Make a typed dataset from the rows of another."
        ),
        "delete": LazyCommand("headrace.cli.commands.dataset_delete:delete", "Take a dataset off the list.", _REMOVING),
        "restore": LazyCommand(
            "headrace.cli.commands.dataset_restore:restore", "Bring a deleted dataset back, as it was.", _REMOVING
        ),
        "revert": LazyCommand(
            "headrace.cli.commands.dataset_revert:revert",
            "Show again what was visible right after a commit.",
            _REMOVING,
        ),
        "purge": LazyCommand(
            "headrace.cli.commands.dataset_purge:purge",
            "Remove a dataset's bytes for ever, deleted or not.",
            _REMOVING,
        ),
        "hold": LazyCommand(
            "headrace.cli.commands.dataset_hold:hold",
            "Forbid that anything of a dataset is purged or collected.",
            _REMOVING,
        ),
        "release": LazyCommand("headrace.cli.commands.dataset_release:release", "End a hold.", _REMOVING),
        "forget": LazyCommand(
            "headrace.cli.commands.dataset_forget:forget", "Take a snapshot off a dataset's books.", _REMOVING
        ),
    },
    help_text="Create, list, look at, delete and restore datasets.",
)
