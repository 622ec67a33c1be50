"""`headrace doctor`."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.tables import PLAIN_WIDTH, Column, printable
from headrace.cli.targets import open_lake

if TYPE_CHECKING:
    from headrace.storage.diagnosis.results import CheckResult

_INDENT = "  "


@command("doctor", example="headrace doctor lake")
@click.argument("uri", metavar="[URI]", required=False)
@click.option("--read-only", "is_read_only", is_flag=True, help="Write nothing; what needs writing is skipped.")
def doctor(output: Output, *, uri: str | None, is_read_only: bool) -> None:
    """Check that a place can hold a lake, or this machine.

    With a URI: address, endpoint, clock, region, credentials, bucket settings or file system, and whether objects can
    be listed, written, read, deleted and claimed, and how fast. What is written for that is removed again. Without
    one: Python, packages, processors and memory.

    Exits with 1 if anything failed. Warnings do not count.
    """
    from headrace.storage.diagnosis.diagnosing import diagnose

    diagnosis = diagnose(uri, is_read_only=is_read_only)
    if output.is_json:
        output.document(diagnosis.to_json())
    else:
        output.table(
            [Column("check", is_whole=True), Column("result", is_whole=True), Column("found")],
            [(result.name, result.status, result.finding.value) for result in diagnosis.results],
        )
        for result in diagnosis.results:
            _explain(output, result)
    if not diagnosis.is_ok:
        num_failed = sum(result.status == "fail" for result in diagnosis.results)
        output.note(f"{num_failed} {'check' if num_failed == 1 else 'checks'} failed")
        click.get_current_context().exit(1)
    if uri is None:
        output.next("doctor", "LAKE")
    elif uri.startswith(("http://", "https://")):  # can be read from, holds no lake
        output.next("commit", "LAKE::NAME", uri)
    elif open_lake(uri).exists:
        output.next("dataset", "list", uri)
    else:
        output.next("dataset", "create", f"{uri}::NAME", "--type", "TYPE", "--source", "SOURCE")


def _explain(output: Output, result: CheckResult) -> None:
    """Why it matters and what to do, for whatever is not simply well."""
    found = result.finding
    texts = [text for text in (found.detail, found.remedy) if text]
    if result.status in {"ok", "skip"} or not texts:
        return
    output.line()
    output.line(f"{result.name}: {result.status}: {printable(found.value)}")
    for text in texts:
        # Addresses and keys stay whole, so that they can be copied.
        for line in textwrap.wrap(
            printable(text), PLAIN_WIDTH - len(_INDENT), break_long_words=False, break_on_hyphens=False
        ):
            output.line(_INDENT + line)
