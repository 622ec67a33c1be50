"""`headrace operators list`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.operator_report import WORKS_ON, evidence_document, evidence_row, operator_document
from headrace.cli.output import Output
from headrace.cli.tables import Column


@command("list", example="headrace operators list --evidence")
@click.option(
    "--evidence",
    "is_evidence",
    is_flag=True,
    help="What each was compared with, on how many rows, and how it differed.",
)
def list_operators(output: Output, *, is_evidence: bool) -> None:
    """List the operators of recipes.

    Built-in ones and those that installed packages add. One that was compared with nothing independent is
    experimental.
    """
    from headrace.curation.evidence import recorded_evidence
    from headrace.curation.registry import find_operator, operator_names
    from headrace.errors import InvalidInput

    specs = []
    for name in operator_names():
        try:
            specs.append(find_operator(name).spec)
        except InvalidInput as error:  # a package that is broken hides its own operators only
            output.warn(error.message)
    if output.is_json:
        documents = [
            operator_document(spec) | (evidence_document(recorded_evidence(spec)) if is_evidence else {})
            for spec in specs
        ]
        output.document({"operators": documents})
        return
    if is_evidence:
        output.table(
            [
                Column("operator", is_whole=True),
                Column("computed by", is_whole=True),
                Column("compared with", is_whole=True),
                Column("rows", "right", is_whole=True),
                Column("largest difference", is_whole=True),
            ],
            [evidence_row(spec, recorded_evidence(spec)) for spec in specs],
        )
    else:
        output.table(
            [Column("operator", is_whole=True), Column("works on", is_whole=True), Column("gives")],
            [
                (spec.name, WORKS_ON[spec.kind], ", ".join([*spec.outputs, *spec.replaces]) or "drops rows")
                for spec in specs
            ],
        )
    output.next("operators", "show", specs[0].name, *(["--evidence"] if is_evidence else []))
