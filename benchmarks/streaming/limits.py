"""What the machine allows: two threads that do nothing but the work itself, on data that is at hand."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.streaming.workload import BATCH_SIZE, SIDE, Workload, decode

__all__ = ["limit_decode", "limit_raw"]

_NUM_THREADS = 2
_WARM_SAMPLES = 256
_RAW_PASSES = 3


def limit_decode(workload: Workload, *, num_batches: int) -> dict[str, Any]:
    """Samples a second that two threads decode, crop and resize from bytes in memory into memory that is reused."""
    samples = workload.samples()[: (num_batches * BATCH_SIZE) or None]
    images = [Path(sample["path"]).read_bytes() for sample in samples]

    def work(share: list[bytes]) -> None:
        room = np.empty((BATCH_SIZE, SIDE, SIDE, 3), np.uint8)  # [batch, 224, 224, 3]
        for idx, data in enumerate(share):
            decode(data, room[idx % BATCH_SIZE])

    work(images[:_WARM_SAMPLES])
    return {"samples_per_second": len(images) / _seconds(work, images)}


def limit_raw(workload: Workload, *, num_batches: int) -> dict[str, Any]:
    """Samples a second that two threads read from one file in the page cache, in random order, one call a sample."""
    samples = workload.samples()
    blob = workload.folder / "blob.bin"
    if not blob.exists():
        with open(blob, "wb") as file:
            for sample in samples:
                file.write(Path(sample["path"]).read_bytes())
    ends = np.cumsum([sample["size"] for sample in samples])
    places = [(int(end) - sample["size"], sample["size"]) for end, sample in zip(ends, samples)]
    shuffled = [places[row] for row in np.random.default_rng(0).permutation(len(places)).tolist()] * _RAW_PASSES
    descriptor = os.open(blob, os.O_RDONLY)

    def work(share: list[tuple[int, int]]) -> None:
        kept: list[bytes] = []
        for offset, size in share:
            kept.append(os.pread(descriptor, size, offset))
            if len(kept) == BATCH_SIZE:
                kept.clear()

    work(places)
    rate = len(shuffled) / _seconds(work, shuffled)
    os.close(descriptor)
    return {"samples_per_second": rate}


def _seconds(work: Callable[[list[Any]], None], items: list[Any]) -> float:
    threads = [threading.Thread(target=work, args=(items[idx::_NUM_THREADS],)) for idx in range(_NUM_THREADS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started
