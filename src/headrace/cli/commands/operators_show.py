"""`headrace operators show`."""

from __future__ import annotations

import inspect

import click

from headrace.cli.command import command
from headrace.cli.operator_report import (
    WORKS_ON,
    evidence_document,
    evidence_fields,
    needs_fields,
    operator_document,
    setting_field,
)
from headrace.cli.output import Output


@command("show", example="headrace operators show image.phash")
@click.argument("name")
@click.option("--evidence", "is_evidence", is_flag=True, help="What it was compared with as well.")
def show(output: Output, *, name: str, is_evidence: bool) -> None:
    """Show what an operator reads, gives and needs, and how it can be set."""
    from headrace.curation.evidence import recorded_evidence
    from headrace.curation.registry import find_operator

    spec = find_operator(name).spec
    evidence = recorded_evidence(spec)
    if output.is_json:
        output.document(operator_document(spec) | (evidence_document(evidence) if is_evidence else {}))
        return
    output.fields(
        [
            ("operator", spec.name),
            ("version", spec.version),
            ("works on", WORKS_ON[spec.kind]),
            ("reads", None if spec.kind == "table" else ", ".join(spec.inputs)),
            ("gives", ", ".join(f"{column} ({kind})" for column, kind in spec.outputs.items()) or None),
            ("replaces", ", ".join(spec.replaces) or None),
            *needs_fields(spec),
            *(evidence_fields(evidence) if is_evidence else ()),
        ]
    )
    text = (inspect.getdoc(spec.function) or "").partition("\nArgs:\n")[0].partition("\nRaises:\n")[0]
    output.line()
    output.line(text.rstrip())
    if spec.settings:
        output.line()
        output.line("Settings:")
        output.fields(map(setting_field, spec.settings.values()))
    output.next("operators", "list", "--evidence")
