"""`headrace stream peek`."""

from __future__ import annotations

from typing import Any

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import reference_argument
from headrace.cli.stream_options import open_stream, stream_options
from headrace.cli.tables import Column
from headrace.cli.targets import snapshot_text
from headrace.schema.references import Reference
from headrace.units import format_bytes, format_count

_LONGEST_VALUE = 60  # characters on the terminal


@command("peek", example="headrace stream peek lake::intents@train --batches 1 --batch-size 4")
@reference_argument()
@stream_options
@click.option("--batches", "num_batches", type=click.IntRange(1, 1_000), default=2, show_default=True, help="How many.")
def peek(
    output: Output,
    *,
    ref: Reference,
    batch_size: int,
    seed: int,
    epoch: int,
    mode: str,
    columns: tuple[str, ...],
    where: str | None,
    num_batches: int,
) -> None:
    """Show the first batches of an epoch, as every rank and worker count gets them.

    Each sample stands with its position in the epoch; media is shown by its size.
    """
    from headrace.streaming import DataLoader

    data = open_stream(ref, seed=seed, mode=mode, columns=columns, where=where)
    documents: list[dict[str, Any]] = []
    with DataLoader(data, batch_size=batch_size, num_workers=0, batch_format="numpy") as loader:
        loader.set_epoch(epoch)
        for batch in loader:
            samples = [
                {"position": position, **{name: _of_sample(values, idx) for name, values in batch.items()}}
                for idx, position in enumerate(batch.positions.tolist())
            ]
            documents.append({"step": batch.step, "samples": samples})
            if len(documents) == num_batches:
                break
        steps = len(loader)
    if output.is_json:
        output.document(
            {
                "snapshot": data.provider.identity,
                "mode": data.mode,
                "epoch": epoch,
                "num_samples": len(data),
                "num_steps": steps,
                "batches": documents,
            }
        )
        return
    output.note(f"{format_count(len(data))} samples in {format_count(steps)} steps, order {data.mode}")
    for document in documents:
        output.line(f"step {document['step']}")
        names = list(document["samples"][0])
        rows = [[_short(sample[name]) for name in names] for sample in document["samples"]]
        output.table([Column(name) for name in names], rows)
    output.next("stream", "bench", snapshot_text(ref, snapshot_id=data.provider.identity, alias=None))


def _of_sample(values: Any, idx: int) -> Any:
    """One sample's part of a field; fields of structs are dicts."""
    if isinstance(values, dict):
        return {name: _of_sample(part, idx) for name, part in values.items()}
    return _plain(values[idx])


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"size": len(value)}
    return value.item() if hasattr(value, "item") else value


def _short(value: Any) -> str:
    if isinstance(value, dict) and list(value) == ["size"]:
        return format_bytes(value["size"])
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
