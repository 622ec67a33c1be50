"""`headrace gc`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import lake_argument
from headrace.cli.tables import Column
from headrace.cli.targets import open_existing_lake
from headrace.units import format_bytes, format_count

_SHOWN_OBJECTS = 20


@command("gc", example="headrace gc lake --dry-run")
@lake_argument
@click.option("--dry-run", is_flag=True, help="Only list what would be removed.")
@click.option(
    "--grace",
    "grace_seconds",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=86_400.0,
    show_default="86400, a day",
    help="Keep objects that are younger than this.",
)
def gc(output: Output, *, lake: str, dry_run: bool, grace_seconds: float) -> None:
    """Remove objects that no log refers to.

    These are the rests of interrupted commits, of failed creates and of forgotten snapshots: nobody can reach them,
    so nobody is asked. Deleted commits and rows can be restored and stay. Writers that go on lose nothing.
    """
    target = open_existing_lake(lake)
    with output.progress() as progress:
        report = target.gc(dry_run=dry_run, grace_seconds=grace_seconds, progress=progress)
    if output.is_json:
        output.document({"lake": target.uri, **report.to_json()})
        return
    output.fields(
        [
            ("lake", target.uri),
            ("would remove" if dry_run else "removed", f"{format_count(report.num_objects)} objects"),
            ("bytes", format_bytes(report.num_bytes)),
            ("too young", f"{format_count(report.num_young)} objects" if report.num_young else None),
            *(("skipped", text) for text in report.skipped),
        ]
    )
    if report.objects:
        output.line()
        output.table(
            [Column("size", align="right", is_whole=True), Column("reason"), Column("object", is_whole=True)],
            [(format_bytes(item.size), item.reason, item.key) for item in report.objects[:_SHOWN_OBJECTS]],
        )
    if report.num_objects > _SHOWN_OBJECTS:
        output.note(f"and {format_count(report.num_objects - _SHOWN_OBJECTS)} more; --json lists them")
    if dry_run and report.num_objects:
        output.next("gc", lake, *(() if grace_seconds == 86_400.0 else ("--grace", f"{grace_seconds:g}")))
    else:
        output.next("verify", lake)
