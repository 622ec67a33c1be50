"""`headrace recipe …`."""

from __future__ import annotations

from headrace.cli.lazy_group import LazyCommand, LazyGroup

recipe = LazyGroup(
    "recipe",
    lazy_commands={
        "validate": LazyCommand(
            "headrace.cli.commands.recipe_validate:validate", "Check a recipe and show its stages and its hash."
        ),
        "plan": LazyCommand(
            "headrace.cli.commands.recipe_plan:plan",
            "Show what a run would do: rows, bytes, what is known, and how long it may take.",
        ),
        "run": LazyCommand("headrace.cli.commands.recipe_run:run", "Run a recipe."),
        "status": LazyCommand(
            "headrace.cli.commands.recipe_status:status", "List the runs of recipes in a lake, the newest first."
        ),
        "show": LazyCommand(
            "headrace.cli.commands.recipe_show:show", "Show a run, or the rows that one of its stages gave."
        ),
        "explain": LazyCommand(
            "headrace.cli.commands.recipe_explain:explain",
            "Say what the stages of a run did with the rows, and why rows left.",
        ),
        "retry": LazyCommand(
            "headrace.cli.commands.recipe_retry:retry",
            "Run a recipe again for the rows that failed; everything else is known.",
        ),
        "watch": LazyCommand(
            "headrace.cli.commands.recipe_watch:watch", "Run a recipe whenever its sources have new commits."
        ),
        "clean": LazyCommand(
            "headrace.cli.commands.recipe_clean:clean",
            "Remove old results of recipes: rows of stages, ledgers, and records of runs.",
        ),
        "graph": LazyCommand(
            "headrace.cli.commands.recipe_graph:graph", "Print which stage reads which, as Mermaid text."
        ),
    },
    help_text="Check, run and explain recipes, and look at their runs.",
)
