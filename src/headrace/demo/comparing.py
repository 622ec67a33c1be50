"""The step that trains on the raw and on the curated rows, and holds both models against the same labels."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from headrace.demo.interrupted_training import NUM_PASSES
from headrace.demo.judging import judge
from headrace.demo.steps import Figures
from headrace.demo.workspace import DigitsWorkspace

if TYPE_CHECKING:
    from headrace.demo.digit_classifier import DigitClassifier
    from headrace.demo.digit_rows import DigitRows

__all__ = ["compare_raw_and_curated"]

SHUFFLE_SEEDS = (1, 2, 3)


def compare_raw_and_curated(work: DigitsWorkspace) -> Figures:
    """Accuracy on the held-out source as it was delivered, for several orders of the same rows.

    The order alone moves the accuracy, so one pair of figures would prove nothing.
    """
    from headrace.demo.digit_rows import read_digits

    held_out = next(delivery.collector for delivery in work.deliveries if delivery.purpose == "evaluate")
    trained = ", ".join(f"'{delivery.collector}'" for delivery in work.deliveries if delivery.purpose == "train")
    curated = work.curated.dataset.snapshot(where=f"list_has_any(sources, [{trained}])")
    curated.alias("train")
    holdout = read_digits(work.holdout)
    found: dict[str, list[float]] = {}
    figures: Figures = {"shuffle_seeds": list(SHUFFLE_SEEDS), "passes": NUM_PASSES}
    for name, snapshot in (("raw", work.train), ("curated", curated)):
        rows = read_digits(snapshot)
        models = [_trained(rows, seed=seed) for seed in SHUFFLE_SEEDS]
        found[name] = [judge(model, holdout, work.deliveries).accuracy for model in models]
        figures[name] = {
            "snapshot": snapshot.id,
            "num_rows": snapshot.num_rows,
            "accuracies": found[name],
            "mean_accuracy": fmean(found[name]),
        }
        work.say(
            f"{name:7}  {snapshot.num_rows:5,} rows  accuracy {fmean(found[name]):.3f}  "
            f"({min(found[name]):.3f} to {max(found[name]):.3f})"
        )
    difference = fmean(found["curated"]) - fmean(found["raw"])
    is_apart = min(found["curated"]) > max(found["raw"]) or min(found["raw"]) > max(found["curated"])
    work.say(
        f"Mean and range of {len(SHUFFLE_SEEDS)} orders of the rows, {NUM_PASSES} passes each, on {held_out}'s labels"
    )
    work.say("as delivered. " + _verdict(difference, is_apart=is_apart))
    return {**figures, "difference": difference, "ranges_overlap": not is_apart}


def _verdict(difference: float, *, is_apart: bool) -> str:
    if not is_apart:
        return f"Curated {difference:+.3f}: no more than the order alone does."
    return f"Curated is {'better' if difference > 0 else 'worse'}: {difference:+.3f}"


def _trained(rows: DigitRows, *, seed: int) -> DigitClassifier:
    import numpy as np

    from headrace.demo.digit_classifier import DigitClassifier

    classifier = DigitClassifier(seed=seed)
    generator = np.random.default_rng(seed)
    labels = np.array(rows.labels)  # [num_rows]
    for _ in range(NUM_PASSES):
        order = generator.permutation(len(labels))  # [num_rows]
        classifier.learn(rows.pixels[order], labels[order])
    return classifier
