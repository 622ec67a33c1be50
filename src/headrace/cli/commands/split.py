"""`headrace split`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.documents import snapshot_document
from headrace.cli.output import Output
from headrace.cli.parameters import SHARE, reference_argument
from headrace.cli.tables import Column
from headrace.cli.targets import open_snapshot, snapshot_text
from headrace.schema.references import Reference
from headrace.units import format_count


@command(
    "split",
    example="headrace split lake::intents@train --into fit=0.9 --into val=0.1 \\\n    --seed 7 --alias-prefix v1-",
)
@reference_argument()
@click.option(
    "--into", "shares", metavar="NAME=SHARE", type=SHARE, multiple=True, required=True,
    help="A part and its share, e.g. train=0.9; repeated, the shares add up to 1.",
)  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed gives another division.")
@click.option("--stratify", metavar="COLUMN", help="Keep the proportions of this column's values in each part.")
@click.option("--group", metavar="COLUMN", help="Keep rows with the same value of this column together.")
@click.option("--alias-prefix", metavar="TEXT", help="Name each part: the alias is TEXT followed by the part's name.")
def split(
    output: Output,
    *,
    ref: Reference,
    shares: tuple[tuple[str, float], ...],
    seed: int,
    stratify: str | None,
    group: str | None,
    alias_prefix: str | None,
) -> None:
    """Divide a snapshot, the same way on any machine.

    A row's part follows from its content or key, so it keeps its part when other rows are added.
    """
    names = [name for name, _ in shares]
    if len(set(names)) < len(names):
        raise click.UsageError("--into names a part twice; give each part another name")
    aliases: dict[str, str | None] = dict.fromkeys(names)
    if alias_prefix is not None:
        from headrace.schema.names import check_alias_name

        aliases = {name: check_alias_name(f"{alias_prefix}{name}") for name in names}
    parts = open_snapshot(ref).split(dict(shares), seed=seed, stratify=stratify, group=group)
    texts = {}
    for name, part in parts.items():
        alias = aliases[name]
        if alias is not None:
            part.alias(alias)
        texts[name] = snapshot_text(ref, snapshot_id=part.id, alias=alias)
    if output.is_json:
        documents = {
            name: snapshot_document(part, reference=texts[name], alias=aliases[name]) for name, part in parts.items()
        }
        output.document({"seed": seed, "stratify": stratify, "group": group, "splits": documents})
        return
    output.table(
        [
            Column("part", is_whole=True),
            Column("rows", align="right", is_whole=True),
            Column("reference", is_whole=True),
        ],
        [(name, format_count(part.num_rows), texts[name]) for name, part in parts.items()],
    )
    output.next("sample", texts[names[0]], "--n", "3")
