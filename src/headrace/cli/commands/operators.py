"""`headrace operators …`."""

from __future__ import annotations

from headrace.cli.lazy_group import LazyCommand, LazyGroup

operators = LazyGroup(
    "operators",
    lazy_commands={
        "list": LazyCommand("headrace.cli.commands.operators_list:list_operators", "List the operators of recipes."),
        "show": LazyCommand(
            "headrace.cli.commands.operators_show:show",
            "Show what an operator reads, gives and needs, and how it can be set.",
        ),
    },
    help_text="Look at the operators that recipes are made of.",
)
