"""Training in a process of its own that may be killed at any moment: model and place in the stream are one checkpoint.

    python -m headrace.demo.training REFERENCE CHECKPOINT --passes 6 --workers 2

prints one line for each batch, and goes on from the checkpoint if there is one.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headrace.demo.digit_classifier import DigitClassifier, DigitPixels
from headrace.streaming import DataLoader, ShuffleOptions, StreamingDataset

__all__ = ["Checkpoint", "TrainingProgress", "train"]

BATCH_SIZE = 64
SHUFFLE_SEED = 7


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """After one batch."""

    epoch: int
    step: int
    is_resumed: bool  # this process went on from a checkpoint


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a model learnt, where its stream is, and which samples it saw: written together or not at all."""

    path: Path

    def load(self, classifier: DigitClassifier) -> tuple[dict[str, Any], list[list[str]]] | None:
        """Put the model where it was; the state of the stream and the ids of each epoch; None if nothing was saved."""
        if not self.path.exists():
            return None
        with np.load(self.path, allow_pickle=False) as arrays:
            classifier.load_arrays({name: arrays[name] for name in arrays.files if name != "document"})
            document = json.loads(str(arrays["document"]))
        return document["stream"], document["seen"]

    def save(self, classifier: DigitClassifier, *, stream: dict[str, Any], seen: list[list[str]]) -> None:
        """Replace the checkpoint."""
        temporary = self.path.with_name(f".{self.path.name}")
        arrays: dict[str, Any] = {
            **classifier.arrays(),
            "document": np.array(json.dumps({"stream": stream, "seen": seen})),
        }
        with open(temporary, "wb") as file:
            np.savez(file, **arrays)
        os.replace(temporary, self.path)

    def times_seen(self) -> list[Counter[str]]:
        """How often the model saw each sample, by epoch."""
        with np.load(self.path, allow_pickle=False) as arrays:
            return [Counter(ids) for ids in json.loads(str(arrays["document"]))["seen"]]


def train(
    reference: str, *, checkpoint: Checkpoint, passes: int, num_workers: int, seed: int
) -> Iterator[TrainingProgress]:
    """Train for some passes over the stream, a checkpoint after each batch; gives each batch once it is saved."""
    data = StreamingDataset(
        reference, columns=["image", "label"], transforms=[DigitPixels()], shuffle=ShuffleOptions(seed=SHUFFLE_SEED)
    )
    classifier = DigitClassifier(seed=seed)
    seen: list[list[str]] = [[] for _ in range(passes)]
    with DataLoader(data, batch_size=BATCH_SIZE, num_workers=num_workers, batch_format="numpy") as loader:
        saved = checkpoint.load(classifier)
        if saved is not None:
            loader.load_state_dict(saved[0])
            seen = saved[1]
        while (epoch := loader.state_dict()["segments"][-1]["epoch"]) < passes:
            for batch in loader:
                classifier.learn(batch["pixels"], batch["label"])
                seen[epoch] += batch["_id"]
                checkpoint.save(classifier, stream=loader.state_dict(), seen=seen)
                yield TrainingProgress(batch.epoch, batch.step, saved is not None)


def main() -> None:
    """The process's command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--passes", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args()
    progress = train(
        options.reference,
        checkpoint=Checkpoint(options.checkpoint),
        passes=options.passes,
        num_workers=options.workers,
        seed=options.seed,
    )
    for batch in progress:
        print(json.dumps({"epoch": batch.epoch, "step": batch.step, "resumed": batch.is_resumed}), flush=True)  # noqa: T201 - the line is the result


if __name__ == "__main__":
    main()
