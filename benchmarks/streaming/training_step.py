"""How much a loader slows the training step beside it.

The step runs on one core and the loader has the other, with time to spare, so that no core is short. What the same
decoding costs the step when a process that knows nothing of the trainer does it (shared caches, memory, clock) is
measured too: only what comes on top of that is the loader's doing.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.streaming.contestants.headrace_snapshot import HeadraceSubprocess, HeadraceThreads
from benchmarks.streaming.workload import BATCH_SIZE, SIDE, Workload, decode

__all__ = ["training_step"]

_NUM_LOADED_AHEAD = 1  # workers of the loader: the core that the step leaves
_WARM_STEPS = 3
_NUM_BLOCKS = 12
_CONTROL_SAMPLES = 1_024


class _Network(nn.Module):
    """Few large operations and many small ones, as a real step has them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 7, stride=4), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2), nn.ReLU())
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(256), nn.Linear(256, 256), nn.GELU(), nn.Linear(256, 256))
            for _ in range(_NUM_BLOCKS)
        )
        self.narrow = nn.Linear(32, 256)
        self.head = nn.Linear(256, 100)

    def forward(self, images: torch.Tensor) -> torch.Tensor:  # uint8 [batch, 224, 224, 3]
        features = self.stem(images.permute(0, 3, 1, 2).float() / 255)  # [batch, 32, 27, 27]
        hidden = self.narrow(features.mean(dim=(2, 3)))  # [batch, 256]
        for block in self.blocks:
            hidden = hidden + block(hidden)
        scores: torch.Tensor = self.head(hidden)  # [batch, 100]
        return scores


def training_step(folder: Path, *, rounds: int, num_steps: int) -> dict[str, Any]:
    """Milliseconds of a step alone, beside foreign decoding, beside a loader in a process, beside loader threads."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    workload = Workload(folder)
    network = _Network()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4)
    images = torch.randint(0, 256, (BATCH_SIZE, SIDE, SIDE, 3), dtype=torch.uint8)
    labels = torch.randint(0, 100, (BATCH_SIZE,))
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    control = multiprocessing.get_context("spawn").Process(target=_decode_on_call, args=(folder, theirs), daemon=True)
    control.start()
    ours.recv()
    loaders = [kind(workload).loader(num_workers=_NUM_LOADED_AHEAD, is_decoded=True) for kind in
               (HeadraceSubprocess, HeadraceThreads)]  # fmt: skip

    def alone() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            yield images, labels

    def beside_foreign() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            ours.send(None)
            try:
                yield images, labels
            finally:
                ours.recv()

    def beside(loader: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            for batch in loader:
                if len(batch["label"]) == BATCH_SIZE:
                    yield batch["image"], batch["label"].long()

    sources: dict[str, Callable[[], Iterator[Any]]] = {
        "alone": alone,
        "foreign": beside_foreign,
        "subprocess": lambda: beside(loaders[0]),
        "threads": lambda: beside(loaders[1]),
    }
    milliseconds: dict[str, list[float]] = {name: [] for name in sources}
    waits: dict[str, list[float]] = {name: [] for name in sources}
    for round_idx in range(rounds + 1):
        for name, source in sources.items():
            batches = source()
            steps, waited = _run(network, optimizer, batches, num_steps=num_steps)
            batches.close()  # type: ignore[attr-defined]
            if round_idx > 0:  # the first one warms up
                milliseconds[name] += steps
                waits[name] += waited
    ours.send("stop")
    for loader in loaders:
        loader.close()
    return {
        "milliseconds": {name: statistics.median(values) for name, values in milliseconds.items()},
        "waits": {name: statistics.median(values) for name, values in waits.items()},
        "all": milliseconds,
    }


def _run(
    network: nn.Module, optimizer: torch.optim.Optimizer, batches: Iterator[Any], *, num_steps: int
) -> tuple[list[float], list[float]]:
    """Milliseconds of each step, and of each wait for its batch."""
    steps, waits = [], []
    for step in range(num_steps + _WARM_STEPS):
        waiting = time.perf_counter()
        images, labels = next(batches)
        started = time.perf_counter()
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        ended = time.perf_counter()
        del images
        if step >= _WARM_STEPS:
            steps.append((ended - started) * 1e3)
            waits.append((started - waiting) * 1e3)
    return steps, waits


def _decode_on_call(folder: Path, connection: Connection) -> None:
    """Another process: decodes one batch each time it is asked, from bytes in its own memory."""
    images = [Path(sample["path"]).read_bytes() for sample in Workload(folder).samples()[:_CONTROL_SAMPLES]]
    connection.send("ready")
    at = 0
    while connection.recv() is None:
        for idx in range(BATCH_SIZE):
            decode(images[(at + idx) % len(images)])
        at += BATCH_SIZE
        connection.send("done")
