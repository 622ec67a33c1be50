"""The step that streams shuffled batches."""

from __future__ import annotations

import time

from headrace.demo.steps import Figures
from headrace.demo.workspace import BATCH_SIZE, DigitsWorkspace
from headrace.errors import DataCorrupted

__all__ = ["read_batches"]


def read_batches(work: DigitsWorkspace) -> Figures:
    """The same global batches for one rank and for three, though nobody told the ranks of each other."""
    from headrace.streaming import DataLoader, StreamingDataset

    started = time.perf_counter()
    with DataLoader(StreamingDataset(work.train_split), batch_size=BATCH_SIZE, num_workers=2) as loader:
        batches = [sorted(batch["_id"]) for batch in loader]
        num_bytes = sum(len(image) for batch in loader for image in batch["image"])
    seconds = time.perf_counter() - started
    ranks: list[list[str]] = [[] for _ in batches]
    for rank in range(3):
        part = DataLoader(
            StreamingDataset(work.train_split, columns=["label"]),
            global_batch_size=BATCH_SIZE,
            rank=rank,
            world_size=3,
            num_workers=0,
        )
        for step, batch in enumerate(part):
            ranks[step] += [name for name, is_padding in zip(batch["_id"], batch.padding) if not is_padding]
    if [sorted(batch) for batch in ranks] != batches:
        raise DataCorrupted("three ranks got other global batches than one")
    num_rows = sum(map(len, batches))
    work.say(
        f"2 epochs of {len(batches)} batches, {num_rows:,} samples, {num_bytes / 1e6:.1f} MB each: "
        f"{2 * num_rows / seconds:,.0f} samples a second"
    )
    work.say("One rank and three ranks: the same global batches, step by step.")
    return {
        "num_batches": len(batches),
        "num_rows": num_rows,
        "num_bytes": num_bytes,
        "samples_per_second": round(2 * num_rows / seconds),
        "same_for_three_ranks": True,
    }
