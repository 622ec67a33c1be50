"""Small lakes and transforms that the tests of streaming share; worker processes import them by name."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import headrace
from headrace.datasets.columns import media_field
from headrace.datasets.dataset import Dataset
from headrace.errors import MissingExtra, NotFound, Unavailable
from headrace.streaming import DataLoader, SampleContext, StreamingDataset

SCHEMA = pa.schema([pa.field("text", pa.string()), pa.field("n", pa.int64()), media_field("blob", "bytes")])


def rows(first: int, count: int) -> pa.Table:
    """Rows n = first …, whose blob follows from n."""
    numbers = range(first, first + count)
    return pa.table(
        {"text": [f"text {n}" for n in numbers], "n": list(numbers), "blob": [blob(n) for n in numbers]}, schema=SCHEMA
    )


def blob(n: int) -> bytes:
    """What the row n holds."""
    return f"blob {n} ".encode() * (5 + n % 7)


def small_dataset(folder: Path, *, commits: tuple[int, ...] = (300, 7, 100), name: str = "numbers") -> Dataset:
    """A dataset with so many rows in each commit."""
    dataset = headrace.connect(str(folder / "lake")).create_dataset(name, schema=SCHEMA)
    first = 0
    for count in commits:
        dataset.commit(rows(first, count))
        first += count
    return dataset


def keyed_rows(numbers: Iterable[int], *, value: int) -> pa.Table:
    """Rows with a name as their key."""
    names = [f"key {number}" for number in numbers]
    return pa.table({"name": names, "value": [value] * len(names)})


def keyed_dataset(folder: Path, *, keys: Iterable[int], on_duplicate_key: str = "replace") -> Dataset:
    """A dataset whose rows have the value 0."""
    schema = pa.schema([pa.field("name", pa.string(), nullable=False), pa.field("value", pa.int64())])
    lake = headrace.connect(str(folder / "lake"))
    dataset = lake.create_dataset("keyed", schema=schema, key="name", on_duplicate_key=on_duplicate_key)
    dataset.commit(keyed_rows(keys, value=0))
    return dataset


def numbers_of(batch: Any) -> list[int]:
    """The n of each sample that is no padding."""
    return [int(n) for n, is_padding in zip(batch["n"], batch.padding) if not is_padding]


def epoch_of(loader: DataLoader) -> list[list[tuple[int, int, bool]]]:
    """(position, n, padding) of each sample of each batch of the rest of the epoch."""
    return [
        [(int(p), int(n), bool(q)) for p, n, q in zip(batch.positions, batch["n"], batch.padding)] for batch in loader
    ]


def halved(sample: dict[str, Any]) -> dict[str, Any]:
    """A transform without randomness."""
    return {**sample, "half": sample["n"] / 2}


class Noise:
    """A transform with randomness and room of the batch."""

    needs_context = True

    def __call__(self, sample: dict[str, Any], context: SampleContext) -> dict[str, Any]:
        room = context.output("noise", (3, 4), np.dtype(np.float32))
        for idx in range(room.size):
            room.reshape(-1)[idx] = context.random.uniform()
        return {**sample, "noise": room}


class Counted:
    """0 1 2 3 in room of the batch."""

    needs_context = True

    def __call__(self, sample: dict[str, Any], context: SampleContext) -> dict[str, Any]:
        room = context.output("count", (4,), np.dtype(np.int64))
        room[:] = np.arange(4)
        return {**sample, "count": room}


class Reversed:
    """The count from behind, written value by value into room that is asked for again."""

    needs_context = True

    def __call__(self, sample: dict[str, Any], context: SampleContext) -> dict[str, Any]:
        room = context.output("count", (4,), np.dtype(np.int64))
        for idx in range(4):
            room[idx] = sample["count"][3 - idx]
        return {**sample, "count": room}


def with_unsendable_field(sample: dict[str, Any]) -> dict[str, Any]:
    """A value that no pipe carries."""
    return {**sample, "function": lambda: 0}


def with_tensor(sample: dict[str, Any]) -> dict[str, Any]:
    """A field that torch made."""
    import torch

    return {**sample, "tensor": torch.tensor([sample["n"], 1.0])}


def fails_on_13(sample: dict[str, Any]) -> dict[str, Any]:
    """A transform that cannot make one sample."""
    if sample["n"] == 13:
        raise ValueError("thirteen")
    return sample


def lacks_13(sample: dict[str, Any]) -> dict[str, Any]:
    """A transform that finds nothing for one sample."""
    if sample["n"] == 13:
        raise NotFound("no latent of 13")
    return sample


def is_cut_off_on_13(sample: dict[str, Any]) -> dict[str, Any]:
    """A transform whose store does not answer."""
    if sample["n"] == 13:
        raise Unavailable("the bucket does not answer")
    return sample


def needs_a_package(sample: dict[str, Any]) -> dict[str, Any]:
    """A transform that does not work here at all."""
    raise MissingExtra("pip install 'headrace[image]'")


def dies_on_13(sample: dict[str, Any]) -> dict[str, Any]:
    """A transform that ends its process."""
    if sample["n"] == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    return sample


def exits_on_13(sample: dict[str, Any]) -> dict[str, Any]:
    """A transform that ends its process in good order."""
    if sample["n"] == 13:
        os._exit(3)
    return sample


class Weighty:
    """A transform with much to carry to a worker process."""

    def __init__(self, load: bytes) -> None:
        self._load = load

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        return sample


def sleeps_on_13(sample: dict[str, Any]) -> dict[str, Any]:
    """A transform that does not come back."""
    if sample["n"] == 13:
        time.sleep(3600)
    return sample


class WaitsOn13:
    """A transform that does not come back before it is told."""

    def __init__(self, may_go_on: threading.Event) -> None:
        self._may_go_on = may_go_on

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        if sample["n"] == 13:
            assert self._may_go_on.wait(30)
        return sample


def stream(dataset: Dataset, **options: Any) -> StreamingDataset:
    """The newest snapshot as a stream."""
    return StreamingDataset(dataset.snapshot(), **options)
