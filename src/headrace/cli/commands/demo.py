"""`headrace demo`."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.program import program_name


@command("demo", example="headrace demo --dir headrace-demo")
@click.option(
    "--dir", "directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
    help="A new folder for the demo's files; default headrace-demo in the working folder.",
)  # fmt: skip
def demo(output: Output, *, directory: Path | None) -> None:
    """Run the main job end to end on handwritten digits, without network.

    Takes well under a minute and needs scikit-learn and OpenCV: pip install
    'headrace[demo]'.
    """
    from headrace.demo.digits import run_demo

    figures = run_demo(directory, emit=output.note if output.is_json else output.line, program=program_name())
    if output.is_json:
        output.document(figures)
