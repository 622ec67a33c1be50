"""`headrace init`."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli.command import command
from headrace.cli.output import Output


@command("init", example="headrace init --template image-filter work")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--template",
    default="image-filter",
    show_default=True,
    help="What to start from: image-filter, multi-source-images or three-layers.",
)
def init(output: Output, *, folder: Path, template: str) -> None:
    """Start a project: a recipe, and a small lake of data that it works on."""
    from headrace.curation.templates.start import write_template

    written = write_template(template, folder)
    if output.is_json:
        output.document({"template": template, "written": [str(path) for path in written]})
        return
    for path in written:
        output.line(str(path))
    output.next("recipe", "run", str(folder / "recipe.yaml"))
