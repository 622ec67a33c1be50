"""`headrace recipe …`."""

from __future__ import annotations

from headrace.cli.lazy_group import LazyCommand, LazyGroup

recipe = LazyGroup(
    "recipe",
    lazy_commands={
        "validate": LazyCommand(
            "headrace.cli.commands.recipe_validate:validate", "Check a recipe and show its stages and its hash."
        ),
        "graph": LazyCommand(
            "headrace.cli.commands.recipe_graph:graph", "Print which stage reads which, as Mermaid text."
        ),
    },
    help_text="Check recipes before anything runs.",
)
