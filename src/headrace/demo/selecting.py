"""The steps that name rows: snapshots, what changed between two, training and validation."""

from __future__ import annotations

from headrace.demo.steps import Figures
from headrace.demo.workspace import DATASET, DigitsWorkspace

__all__ = ["show_diff", "split_training", "take_snapshots"]


def take_snapshots(work: DigitsWorkspace) -> Figures:
    """Snapshots of the first delivery, of what is trained on, and of what is kept for judging."""
    work.first = work.dataset.snapshot(upto=work.commits[0].id)
    work.train = work.dataset.snapshot(tags={"purpose": "train"})
    work.holdout = work.dataset.snapshot(tags={"purpose": "evaluate"})
    figures: Figures = {}
    for alias, snapshot, selection in (
        ("first", work.first, f"upto {work.commits[0].id}"),
        ("train", work.train, "purpose=train"),
        ("holdout", work.holdout, "purpose=evaluate"),
    ):
        snapshot.alias(alias)
        work.say(f"{DATASET}@{alias:8} {snapshot.num_rows:5,} rows  {selection:17} id {snapshot.id[:16]}")
        figures[alias] = {"id": snapshot.id, "version_hash": snapshot.version_hash, "num_rows": snapshot.num_rows}
    work.say("No image was copied: a snapshot is a small manifest, named by its content.")
    return figures


def show_diff(work: DigitsWorkspace) -> Figures:
    """Show what came after the first delivery."""
    difference = work.first.diff(work.train)
    figures: Figures = {
        "added": difference.added.num_rows,
        "removed": difference.removed.num_rows,
        "changed": difference.changed.num_rows,
    }
    work.say(
        f"{DATASET}@first -> {DATASET}@train: {difference.added.num_rows:,} added, "
        f"{difference.removed.num_rows:,} removed, {difference.changed.num_rows:,} changed"
    )
    return figures


def split_training(work: DigitsWorkspace) -> Figures:
    """Training and validation."""
    splits = work.train.split({"train": 0.9, "val": 0.1}, seed=7)
    work.train_split, work.validation_split = splits["train"], splits["val"]
    work.say(
        f"{work.train_split.num_rows:,} to train, {work.validation_split.num_rows:,} to validate; "
        "rows that come later do not move these"
    )
    return {"train": work.train_split.num_rows, "val": work.validation_split.num_rows}
