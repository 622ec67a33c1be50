"""What each contestant is asked to do, and how it is timed; runs in the contestant's own process."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.streaming.contestants.contestant import Contestant
from benchmarks.streaming.workload import BATCH_SIZE, decode

__all__ = ["TASKS", "Hold", "Measured"]

Measured = dict[str, Any]
Hold = Callable[[], None]  # the process stands still while its memory is measured

NUM_WORKERS = 2
_WARM_BATCHES = 8  # workers run ahead: the first batches come faster or slower than the rest
_RAW_EPOCHS = 3
_MAX_SECONDS = 15.0  # for one epoch of a slow peer, after its first batch
_MIXING_PARTS = 20
_NUM_READS = 2_000
_RESUME_AT = 0.8
_RESUME_WORKERS = 1


def decode_epoch(contestant: Contestant, *, num_batches: int, hold: Hold) -> Measured:
    """Samples a second: decoded, cropped, resized, shuffled."""
    loader = contestant.loader(num_workers=NUM_WORKERS, is_decoded=True)
    batches = contestant.batches(loader)
    measured = _timed(contestant, batches, num_batches=num_batches)
    hold()  # workers live and their queues are full
    measured["statistics"] = contestant.statistics(loader)
    contestant.close(loader)
    return measured


def raw_epochs(contestant: Contestant, *, num_batches: int, hold: Hold) -> Measured:
    """Samples a second: bytes as they were written, whole epochs."""
    rates = []
    statistics_of = None
    for _ in range(_RAW_EPOCHS):
        loader = contestant.loader(num_workers=NUM_WORKERS, is_decoded=False)
        measured = _timed(contestant, contestant.batches(loader), num_batches=0)
        statistics_of = contestant.statistics(loader)
        contestant.close(loader)
        del loader
        rates.append(measured["samples_per_second"])
    return {**measured, "samples_per_second": statistics.median(rates), "statistics": statistics_of}


def _timed(contestant: Contestant, batches: Iterator[Any], *, num_batches: int) -> Measured:
    """Rate between the first batches and the last, mixing, and whether the bytes are right."""
    samples = contestant.workload.samples()
    whole = len(samples) // BATCH_SIZE
    wanted = min(num_batches + _WARM_BATCHES, whole) if num_batches else whole
    warm = min(_WARM_BATCHES, wanted // 4)
    keys: list[list[str]] = []
    started = warmed = time.perf_counter()
    first_seconds = 0.0
    for number, batch in enumerate(batches, start=1):
        keys.append(contestant.keys(batch))
        now = time.perf_counter()
        if number == 1:
            first_seconds = now - started
            _require_right(batch, keys[0], samples)
            del batch
            now = time.perf_counter()
        if number == warm:
            warmed = now
        if number == wanted or now - started - first_seconds > _MAX_SECONDS:
            break
    ended = time.perf_counter()
    count = sum(len(batch_keys) for batch_keys in keys[warm:])
    if not count:
        raise RuntimeError(f"{len(keys)} batches in {ended - started:.0f} s: too slow to be timed")
    parts = [len({int(key) * _MIXING_PARTS // len(samples) for key in batch_keys}) for batch_keys in keys]
    return {
        "samples_per_second": count / (ended - warmed),
        "first_batch_seconds": first_seconds,
        "mixing": statistics.mean(parts),
        "num_samples": count,
    }


def _require_right(batch: Any, keys: list[str], samples: list[dict[str, Any]]) -> None:
    """The first batch holds the photos that its keys name."""
    for idx in (0, len(keys) - 1):
        sample = samples[int(keys[idx])]
        with open(sample["path"], "rb") as file:
            data = file.read()
        image = batch["image"][idx]
        is_same = (
            bytes(image) == data
            if isinstance(image, bytes | bytearray | memoryview)
            else float(np.abs(np.asarray(image, np.float32) - decode(data)).mean()) < 4.0  # another resampling
        )
        if not is_same or int(batch["label"][idx]) != sample["label"]:
            raise RuntimeError(f"sample {keys[idx]} came back with another image or label")


def random_reads(contestant: Contestant, *, num_batches: int, hold: Hold) -> Measured:
    """Microseconds for one sample by its row."""
    read = contestant.reader()
    samples = contestant.workload.samples()
    rows = random.Random(0)
    read(rows.randrange(len(samples)))
    taken = []
    for _ in range(_NUM_READS):
        row = rows.randrange(len(samples))
        started = time.perf_counter()
        sample = read(row)
        taken.append((time.perf_counter() - started) * 1e6)
        if len(sample["image"]) != samples[row]["size"]:
            raise RuntimeError(f"row {row} came back with {len(sample['image'])} bytes")
    taken.sort()
    return {"p50_us": taken[_NUM_READS // 2], "p99_us": taken[_NUM_READS * 99 // 100]}


def resume(contestant: Contestant, *, num_batches: int, hold: Hold) -> Measured:
    """A loader stops at 80 % of the epoch; a new one with another worker count takes the rest."""
    samples = contestant.workload.samples()
    whole = len(samples) // BATCH_SIZE
    stop = int(whole * _RESUME_AT)
    loader = contestant.loader(num_workers=NUM_WORKERS, is_decoded=False)
    before: list[str] = []
    after: list[str] = []
    state = None
    batches = contestant.batches(loader)
    for number, batch in enumerate(batches, start=1):
        (before if number <= stop else after).extend(contestant.keys(batch))
        if number == stop:
            state = contestant.state(loader, batches)
        if number > whole:  # the short batch of an epoch, or an endless loader
            break
    contestant.close(loader)
    del batches, loader, batch
    other = contestant.loader(num_workers=_RESUME_WORKERS, is_decoded=False)
    started = time.perf_counter()
    rest = contestant.resumed(other, state)
    first = contestant.keys(next(rest))
    seconds = time.perf_counter() - started
    got = list(first)
    for batch in rest:
        got += contestant.keys(batch)
        if len(got) >= len(after):
            break
    contestant.close(other)
    return {
        "seconds": seconds,
        "is_exact": got == after,
        "num_repeated": len(set(got) & set(before)),
        "num_lost": len(samples) - len(set(got) | set(before)),
    }


TASKS: dict[str, Callable[..., Measured]] = {
    "decode": decode_epoch,
    "raw": raw_epochs,
    "random": random_reads,
    "resume": resume,
}
