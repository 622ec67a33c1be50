"""The first steps: the deliveries, and each as a commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.datasets.images.opencv import find_opencv
from headrace.demo.delivery import deliver_digits
from headrace.demo.steps import Figures
from headrace.demo.workspace import DATASET, DigitsWorkspace
from headrace.errors import HeadraceError, MissingExtra

if TYPE_CHECKING:
    from headrace.datasets.batches import RejectedRow

__all__ = ["commit_deliveries", "deliver"]


def deliver(work: DigitsWorkspace) -> Figures:
    """Write what the collectors hand in.

    Raises:
        MissingExtra: scikit-learn is not installed, or OpenCV, which only a later step needs.
    """
    if find_opencv() is None:
        raise MissingExtra("the demo needs OpenCV, to measure its images. To install it: pip install 'headrace[demo]'")
    work.deliveries = deliver_digits(work.directory / "deliveries")
    shapes = {"ada": "zip, <label>/<image>", "cleo": "Parquet with bytes", "ben": "folder with a CSV index"}
    for delivery in work.deliveries:
        work.say(
            f"{delivery.collector:5} {shapes[delivery.collector]:24} {delivery.num_samples:5,} samples  "
            f"{delivery.source.relative_to(work.directory)}"
        )
    seen: set[int] = set()
    num_repeated = 0
    for delivery in work.deliveries:
        num_repeated += len(seen.intersection(delivery.digits))
        seen.update(delivery.digits)
    num_wrong = sum(len(delivery.wrong_labels) for delivery in work.deliveries)
    num_broken = sum(len(delivery.broken) for delivery in work.deliveries)
    num_damaged = sum(len(delivery.damaged) for delivery in work.deliveries)
    num_blank = sum(len(delivery.blank) for delivery in work.deliveries)
    work.say(f"Planted: {num_repeated} digits sent twice, {num_wrong} wrong labels, {num_broken} broken files,")
    work.say(f"         {num_damaged} files damaged in the middle, {num_blank} scans of empty pages.")
    return {
        "sources": [
            {
                "collector": delivery.collector,
                "purpose": delivery.purpose,
                "source": str(delivery.source),
                "intact": len(delivery.digits),
                "wrong_labels": len(delivery.wrong_labels),
                "broken": len(delivery.broken),
                "damaged": len(delivery.damaged),
                "blank": len(delivery.blank),
            }
            for delivery in work.deliveries
        ],
        "repeated_digits": num_repeated,
        "wrong_labels": num_wrong,
        "broken": num_broken,
        "damaged": num_damaged,
        "blank": num_blank,
    }


def commit_deliveries(work: DigitsWorkspace) -> Figures:
    """Commit each delivery, and hold what was refused against what was planted."""
    import headrace

    work.lake = headrace.connect(str(work.lake_path))
    work.dataset = work.lake.create_dataset(
        DATASET, type="IMAGE_CLASS", description="Handwritten digits from three collectors"
    )
    work.commits = []
    reported: list[Figures] = []
    for delivery in work.deliveries:
        commit = work.dataset.commit(
            str(delivery.source),
            message=f"Delivery of {delivery.collector}",
            tags=delivery.tags,
            on_invalid="skip",
        )
        work.commits.append(commit)
        tags = " ".join(f"{key}={value}" for key, value in commit.tag_pairs)
        work.say(f"commit {commit.id}  {commit.num_rows:5,} rows, {len(commit.rejected)} left out  {tags}")
        reported.extend(
            {"commit": commit.id, "member": row.member, "line": row.line, "reason": row.reason}
            for row in commit.rejected
        )
        if len(commit.rejected) != len(delivery.broken):
            raise HeadraceError(
                f"{len(delivery.broken)} broken files were planted in {delivery.source}, but the commit reported "
                f"{len(commit.rejected)}; expected the same number"
            )
    work.say(f'Broken files: {len(reported)} planted, {len(reported)} reported, left out by on_invalid="skip":')
    for commit in work.commits:
        work.say(f"  {_rejection(commit.rejected[0])}")
    return {
        "commits": [
            {"id": commit.id, "num_rows": commit.num_rows, "tags": dict(commit.tags), "digest": commit.digest}
            for commit in work.commits
        ],
        "rejected": reported,
        "num_rejected": len(reported),
    }


def _rejection(row: RejectedRow) -> str:
    """One line: the file or row, and why, without the path before it."""
    place = row.member or f"row {row.line}"
    reason = row.reason.rpartition("]: ")[2].rpartition(f"{place}: ")[2]
    line = f"{place}: {' '.join(reason.removeprefix('column image: ').split())}"
    return line if len(line) <= 72 else line[:71] + "…"
