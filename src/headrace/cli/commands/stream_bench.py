"""`headrace stream bench`."""

from __future__ import annotations

import time

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import reference_argument
from headrace.cli.stream_options import open_stream, stream_options
from headrace.cli.targets import snapshot_text
from headrace.schema.references import Reference
from headrace.units import format_bytes, format_count, format_duration


@command("bench", example="headrace stream bench lake::intents@train --seconds 1")
@reference_argument()
@stream_options
@click.option("--workers", "num_workers", type=click.IntRange(0, 256), default=2, show_default=True, help="How many.")
@click.option(
    "--kind",
    type=click.Choice(["auto", "threads", "subprocess", "processes"]),
    default="auto",
    show_default=True,
    help="Where batches are made.",
)
@click.option(
    "--decode", "resolution", type=click.IntRange(1, 8_192), help="Decode image columns to squares of so many pixels."
)
@click.option(
    "--seconds", type=click.FloatRange(0.1, 3_600), default=10.0, show_default=True, help="Stop after so long."
)
def bench(
    output: Output,
    *,
    ref: Reference,
    batch_size: int,
    seed: int,
    epoch: int,
    mode: str,
    columns: tuple[str, ...],
    where: str | None,
    num_workers: int,
    kind: str,
    resolution: int | None,
    seconds: float,
) -> None:
    """Measure how fast a snapshot streams, and what the loader waits for.

    Without --decode the bytes are read, verified and handed over as they are. Epochs are repeated until the time is
    up; the first batch is counted from before the snapshot is opened.
    """
    from headrace.datasets.columns import media_kind
    from headrace.streaming import DataLoader
    from headrace.streaming.transforms import image_pipeline

    started = time.perf_counter()
    first_batch_seconds: float | None = None
    data = open_stream(ref, seed=seed, mode=mode, columns=columns, where=where)
    if resolution is not None:
        images = [field.name for field in data.schema if media_kind(field) == "image"]
        if not images:
            raise click.UsageError("--decode: the snapshot has no image column among those that are read")
        transforms = [step for name in images for step in image_pipeline(name, resolution=resolution)]
        data = open_stream(ref, seed=seed, mode=mode, columns=columns, where=where, transforms=transforms)
    with DataLoader(
        data, batch_size=batch_size, num_workers=num_workers, workers=kind, batch_format="numpy"  # type: ignore[arg-type]
    ) as loader:  # fmt: skip
        loader.set_epoch(epoch)
        deadline = time.monotonic() + seconds
        with output.progress() as progress:
            progress.start("streaming")
            while time.monotonic() < deadline:
                for batch in loader:
                    if first_batch_seconds is None:
                        first_batch_seconds = time.perf_counter() - started
                    progress.advance(rows=len(batch.positions))
                    if time.monotonic() >= deadline:
                        break
        figures = loader.statistics()
        document = {
            "snapshot": data.provider.identity,
            "mode": data.mode,
            "batch_size": batch_size,
            **figures.to_json(),
            "first_batch_seconds": first_batch_seconds,
            "mean_row_bytes": data.provider.mean_row_bytes,
        }
    if output.is_json:
        output.document(document)
        return
    rate = figures.samples_per_second
    stages = ", ".join(f"{name} {format_duration(value)}" for name, value in sorted(figures.stage_seconds.items()))
    waits = ", ".join(f"{name} {format_duration(value)}" for name, value in figures.waits.items())
    output.fields(
        [
            ("samples", format_count(figures.num_samples)),
            ("rate", f"{rate:,.0f} samples/s, about {format_bytes(int(rate * data.provider.mean_row_bytes))}/s"),
            ("first batch", format_duration(first_batch_seconds or 0.0)),
            ("waited for batches", f"{format_duration(figures.wait_seconds)}: {waits}"),
            ("time of workers", stages),
            ("bottleneck", figures.bottleneck),
            ("failed samples", format_count(figures.num_failed) if figures.num_failed else None),
        ]
    )
    output.next("stream", "peek", snapshot_text(ref, snapshot_id=data.provider.identity, alias=None))
