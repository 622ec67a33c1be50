"""`headrace sample`."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import reference_argument
from headrace.cli.targets import dataset_text, open_snapshot
from headrace.schema.references import Reference
from headrace.units import format_bytes

if TYPE_CHECKING:
    from headrace.datasets.snapshot import Snapshot

_MEDIA_FIELDS = ("size", "format", "width", "height", "duration", "digest")
_LONGEST_VALUE = 300  # characters on the terminal


@command("sample", example="headrace sample lake::intents@train --n 3")
@reference_argument()
@click.option("--n", "num_samples", type=click.IntRange(1, 10_000), default=5, show_default=True, help="How many rows.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed shows other rows.")
def sample(output: Output, *, ref: Reference, num_samples: int, seed: int) -> None:
    """Show some rows.

    The rows are drawn at random, the same ones each time for the same snapshot and seed. Media is shown by its size,
    format and dimensions.
    """
    snapshot = open_snapshot(ref)
    rows = _draw(snapshot, num_samples=num_samples, seed=seed)
    if output.is_json:
        output.document({"snapshot": snapshot.id, "num_rows": snapshot.num_rows, "rows": rows})
        return
    for idx, row in enumerate(rows):
        if idx:
            output.line()
        output.fields([(name, _text(value)) for name, value in row.items()])
    if rows:
        output.next("lineage", dataset_text(ref) + str(ref.selector), "--sample", str(rows[0]["_id"]))
    else:
        output.warn("the snapshot has no rows")
        output.next("dataset", "log", dataset_text(ref))


def _draw(snapshot: Snapshot, *, num_samples: int, seed: int) -> list[dict[str, object]]:
    """Rows in snapshot order; `_id` and `_digest` first."""
    num_rows = snapshot.num_rows
    generator = random.Random(seed)  # noqa: S311 - a choice to look at, no secret
    idxs = sorted(generator.sample(range(num_rows), min(num_samples, num_rows)))
    table = snapshot.take_narrow(idxs)
    media = {field.name for field in table.schema if (field.metadata or {}).get(b"headrace.media")}
    rows = []
    for row in table.to_pylist():
        shown: dict[str, object] = {"_id": row.pop("_id"), "_digest": row.pop("_digest").hex()}
        shown |= {name: _media(value) if name in media else value for name, value in row.items()}
        rows.append(shown)
    return rows


def _media(value: dict[str, object] | None) -> dict[str, object] | None:
    """Size, format and so on of a media value; what its kind does not have is left out."""
    if value is None:
        return None
    return {name: value[name] for name in _MEDIA_FIELDS if value.get(name) is not None}


def _text(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, dict) and "size" in value and "digest" in value:
        size = f"{value['width']}x{value['height']}" if "width" in value and "height" in value else None
        parts = [value.get("format"), size, format_bytes(value["size"]), value["digest"].hex()[:12]]
        return " ".join(str(part) for part in parts if part is not None)
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
