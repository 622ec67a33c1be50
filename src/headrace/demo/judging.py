"""How well a model does on the source that was held out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.demo.delivery import Delivery, digit_number
from headrace.demo.workspace import BATCH_SIZE
from headrace.storage.digests import digest_hex

if TYPE_CHECKING:
    from headrace.datasets.snapshot import Snapshot
    from headrace.demo.digit_classifier import DigitClassifier

__all__ = ["Answer", "Judgement", "accuracy_on", "judge"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says of one sample."""

    sample_id: str  # _id
    name: str  # id column
    label: str
    predicted: str
    probability: float  # of the predicted label, 0 to 1
    digest: str  # BLAKE3 of the image as it was read, hex


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a model made of the held-out digits that no source of the training sent."""

    collector: str  # who sent them
    num_judged: int
    num_seen: int  # left out: a training source sent the same digit
    num_planted: int  # mistakes on a label that was planted wrong
    mistakes: Sequence[Answer]

    @property
    def accuracy(self) -> float:
        """Share of the judged digits on which label and model agree."""
        return 1 - len(self.mistakes) / self.num_judged


def judge(classifier: DigitClassifier, holdout: Snapshot, deliveries: Sequence[Delivery]) -> Judgement:
    """Hold the model against the labels of the held-out source, as they were delivered.

    Digits that a training source sent too are left out: the model has seen them, if in another encoding. So are scans
    that were planted damaged or blank: they show no digit that could be right or wrong.
    """
    held_out = next(delivery for delivery in deliveries if delivery.purpose == "evaluate")
    trained_on = {number for item in deliveries if item.purpose == "train" for number in item.digits}
    intact = set(held_out.digits)
    num_judged = num_seen = num_planted = 0
    mistakes: list[Answer] = []
    for answer in _answers(classifier, holdout):
        number = digit_number(answer.name)
        if number in trained_on:
            num_seen += 1
        elif number in intact:
            num_judged += 1
            if answer.predicted != answer.label:
                num_planted += number in held_out.wrong_labels
                mistakes.append(answer)
    return Judgement(held_out.collector, num_judged, num_seen, num_planted, mistakes)


def accuracy_on(classifier: DigitClassifier, snapshot: Snapshot) -> float:
    """Share of the rows on which label and model agree."""
    is_right = [answer.predicted == answer.label for answer in _answers(classifier, snapshot)]
    return sum(is_right) / len(is_right)


def _answers(classifier: DigitClassifier, snapshot: Snapshot) -> Iterator[Answer]:
    """What the model says of each row, right or wrong."""
    from headrace.demo.digit_classifier import DigitPixels
    from headrace.streaming import DataLoader, StreamingDataset

    data = StreamingDataset(snapshot, transforms=[_with_digest, DigitPixels()], shuffle=None)
    for batch in DataLoader(data, batch_size=BATCH_SIZE, num_workers=0, batch_format="numpy"):
        for row, (predicted, probability) in enumerate(classifier.predict(batch["pixels"])):
            yield Answer(
                batch["_id"][row], batch["id"][row], batch["label"][row], predicted, probability, batch["digest"][row]
            )


def _with_digest(sample: dict[str, Any]) -> dict[str, Any]:
    return {**sample, "digest": digest_hex(sample["image"])}
