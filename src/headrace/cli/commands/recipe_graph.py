"""`headrace recipe graph`."""

from __future__ import annotations

from pathlib import Path

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.recipe_options import load_recipe, recipe_options, recipe_words


@command("graph", example="headrace recipe graph recipe.yaml")
@recipe_options
def graph(output: Output, *, file: Path, settings: tuple[str, ...]) -> None:
    """Print which stage reads which, as Mermaid text.

    GitHub, GitLab and notebooks draw it; in Markdown put it between ```mermaid and ```.
    """
    drawing = load_recipe(file, settings).graph()
    if output.is_json:
        names = [node.name for node in drawing.nodes]
        output.document(
            {
                "nodes": [{"name": node.name, "kind": node.kind, "text": node.text} for node in drawing.nodes],
                "edges": [[names[edge.origin], names[edge.target]] for edge in drawing.edges],
                "mermaid": drawing.mermaid(),
            }
        )
        return
    output.line(drawing.mermaid().rstrip("\n"))
    output.next("recipe", "validate", *recipe_words(file, settings))
