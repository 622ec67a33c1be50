"""`headrace recipe validate`."""

from __future__ import annotations

from pathlib import Path

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.recipe_options import load_recipe, recipe_options, recipe_words
from headrace.cli.tables import Column

_SHORT = 12  # digits of a hash in tables


@command("validate", example="headrace recipe validate recipe.yaml --set min_side=128")
@recipe_options
def validate(output: Output, *, file: Path, settings: tuple[str, ...]) -> None:
    """Check a recipe and show its stages and its hash.

    Everything that is wrong is told at once, with file, line and column, and the exit code is 2. No data is read and
    nothing runs. The hash is the same on any machine; docs/explanation/recipes.md says what counts in it.
    """
    recipe = load_recipe(file, settings)
    plan = recipe.validate()
    found = recipe.hash()
    if output.is_json:
        output.document(
            {
                "recipe": plan.name,
                "plan_hash": found.digest,
                "sources": {source.name: str(source.reference) for source in plan.sources},
                "stages": [
                    {
                        "name": stage.name,
                        "kind": stage.kind,
                        "inputs": {item.name: item.origin for item in stage.inputs},
                        "summary": stage.summary,
                        "hash": found.stages[stage.name],
                    }
                    for stage in plan.stages
                ],
                "outputs": {
                    item.name: {"stage": item.stage, "dataset": item.dataset, "tags": dict(item.tags)}
                    for item in plan.outputs
                },
                "operators": {
                    name: {"source_hash": source.digest, "libraries": list(source.libraries)}
                    for name, source in found.sources.items()
                },
            }
        )
        return
    output.fields([("recipe", plan.name), ("hash", found.digest)])
    output.line()
    output.table(
        [
            Column("stage", is_whole=True),
            Column("kind", is_whole=True),
            Column("reads"),
            Column("what"),
            Column("hash", is_whole=True),
        ],
        [
            (
                stage.name,
                stage.kind,
                ", ".join(item.origin for item in stage.inputs),
                stage.summary,
                found.stages[stage.name][:_SHORT],
            )
            for stage in plan.stages
        ],
    )
    output.next("recipe", "plan", *recipe_words(file, settings))
