"""What the steps of the demo hand on to each other."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.demo.delivery import Delivery
from headrace.demo.steps import Emit

if TYPE_CHECKING:
    from headrace.datasets.commit import Commit
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.lake import Lake
    from headrace.datasets.snapshot import Snapshot
    from headrace.demo.digit_classifier import DigitClassifier
    from headrace.demo.judging import Judgement

__all__ = ["BATCH_SIZE", "DATASET", "DigitsWorkspace"]

DATASET = "digits"
BATCH_SIZE = 64


@dataclass(slots=True)
class DigitsWorkspace:
    """All that the demo keeps; a field is there once the step that fills it has run."""

    directory: Path
    emit: Emit
    program: str
    deliveries: list[Delivery] = field(init=False)
    lake: Lake = field(init=False)
    dataset: Dataset = field(init=False)
    commits: list[Commit] = field(init=False)
    first: Snapshot = field(init=False)
    train: Snapshot = field(init=False)
    holdout: Snapshot = field(init=False)
    curated: Snapshot = field(init=False)  # of the dataset that the recipe made
    dropped_sample: str = field(init=False)  # _id, of one that the recipe dropped
    train_split: Snapshot = field(init=False)
    validation_split: Snapshot = field(init=False)
    classifier: DigitClassifier = field(init=False)
    judgement: Judgement = field(init=False)  # on the held-out source
    metrics: dict[str, float] = field(init=False)
    traced_sample: str = field(init=False)  # _id

    def say(self, text: str) -> None:
        """One line below the heading of the step."""
        self.emit(f"    {text}")

    @property
    def lake_path(self) -> Path:
        """Where the lake lies."""
        return self.directory / "lake"

    @property
    def recipe_file(self) -> Path:
        """Where the recipe lies; it names the lake beside it."""
        return self.directory / "recipe.yaml"

    def command(self, *words: str) -> str:
        """A command line that works when pasted."""
        return " ".join([self.program, *(shlex.quote(word) for word in words)])

    def reference(self, selection: str = "") -> str:
        """`LAKE::digits` and what follows."""
        return f"{self.lake_path}::{DATASET}{selection}"
