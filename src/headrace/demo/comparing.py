"""The step that trains on the raw and on the curated rows, and holds both models against the same labels."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from headrace.demo.interrupted_training import NUM_PASSES
from headrace.demo.judging import judge
from headrace.demo.steps import Figures
from headrace.demo.workspace import BATCH_SIZE, DigitsWorkspace

if TYPE_CHECKING:
    from headrace.datasets.snapshot import Snapshot
    from headrace.demo.digit_classifier import DigitClassifier

__all__ = ["compare_raw_and_curated"]

SHUFFLE_SEEDS = (1, 2, 3)


def compare_raw_and_curated(work: DigitsWorkspace) -> Figures:
    """Accuracy on the held-out source as it was delivered, for several orders of the same rows.

    The order alone moves the accuracy, so one pair of figures would prove nothing.
    """
    held_out = next(delivery.collector for delivery in work.deliveries if delivery.purpose == "evaluate")
    curated = work.curated.dataset.snapshot(where=f"id NOT LIKE '{held_out}-%'")
    curated.alias("train")
    found: dict[str, list[float]] = {}
    figures: Figures = {"shuffle_seeds": list(SHUFFLE_SEEDS), "passes": NUM_PASSES}
    for name, snapshot in (("raw", work.train), ("curated", curated)):
        models = [_trained(snapshot, seed=seed) for seed in SHUFFLE_SEEDS]
        found[name] = [judge(model, work.holdout, work.deliveries).accuracy for model in models]
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
    verdict = "Curated is better" if difference > 0 else "Curated is not better"
    work.say(
        f"Mean of {len(SHUFFLE_SEEDS)} orders, {NUM_PASSES} passes each, judged on {held_out}'s labels as delivered."
    )
    work.say(
        f"{verdict}: {difference:+.3f}"
        + ("." if is_apart else ", which is within what the order of the rows does by itself.")
    )
    return {**figures, "difference": difference, "ranges_overlap": not is_apart}


def _trained(snapshot: Snapshot, *, seed: int) -> DigitClassifier:
    from headrace.demo.digit_classifier import DigitClassifier, DigitPixels
    from headrace.streaming import DataLoader, ShuffleOptions, StreamingDataset

    data = StreamingDataset(
        snapshot, columns=["image", "label"], transforms=[DigitPixels()], shuffle=ShuffleOptions(seed=seed)
    )
    classifier = DigitClassifier(seed=seed)
    with DataLoader(data, batch_size=BATCH_SIZE, num_workers=2, batch_format="numpy") as loader:
        for _ in range(NUM_PASSES):
            for batch in loader:
                classifier.learn(batch["pixels"], batch["label"])
    return classifier
