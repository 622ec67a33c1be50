"""How well a model does on the source that was held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.demo.delivery import Delivery, digit_number

if TYPE_CHECKING:
    from headrace.demo.digit_classifier import DigitClassifier
    from headrace.demo.digit_rows import DigitRows

__all__ = ["Judgement", "Mistake", "accuracy_on", "judge"]


@dataclass(frozen=True, slots=True)
class Mistake:
    """A sample of the held-out source on which label and model disagree."""

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
    mistakes: Sequence[Mistake]

    @property
    def accuracy(self) -> float:
        """Share of the judged digits on which label and model agree."""
        return 1 - len(self.mistakes) / self.num_judged


def judge(classifier: DigitClassifier, holdout: DigitRows, deliveries: Sequence[Delivery]) -> Judgement:
    """Hold the model against the labels of the held-out source, as they were delivered.

    Digits that a training source sent too are left out: the model has seen them, if in another encoding. So are scans
    that were planted damaged or blank: they show no digit that could be right or wrong.
    """
    held_out = next(delivery for delivery in deliveries if delivery.purpose == "evaluate")
    trained_on = {number for item in deliveries if item.purpose == "train" for number in item.digits}
    intact = set(held_out.digits)
    num_judged = num_seen = num_planted = 0
    mistakes: list[Mistake] = []
    for row, (predicted, probability) in enumerate(classifier.predict(holdout.pixels)):
        name, label = holdout.names[row], holdout.labels[row]
        number = digit_number(name)
        if number in trained_on:
            num_seen += 1
        elif number in intact:
            num_judged += 1
            if predicted != label:
                num_planted += number in held_out.wrong_labels
                mistakes.append(
                    Mistake(holdout.sample_ids[row], name, label, predicted, probability, holdout.digests[row])
                )
    return Judgement(held_out.collector, num_judged, num_seen, num_planted, mistakes)


def accuracy_on(classifier: DigitClassifier, rows: DigitRows) -> float:
    """Share of the rows on which label and model agree."""
    answers = zip(rows.labels, classifier.predict(rows.pixels), strict=True)
    return sum(label == predicted for label, (predicted, _) in answers) / len(rows.labels)
