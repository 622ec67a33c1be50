"""The step that shows what has arrived."""

from __future__ import annotations

from headrace.demo.steps import Figures
from headrace.demo.workspace import DigitsWorkspace

__all__ = ["show_statistics"]


def show_statistics(work: DigitsWorkspace) -> Figures:
    """Show what the commits have counted."""
    statistics = work.dataset.statistics
    image = statistics["columns"]["image"]
    labels = sorted((str(label), int(count)) for label, count in statistics["labels"])
    work.say(
        f"{statistics['num_rows']:,} rows, {statistics['num_labels']} labels, {statistics['num_bytes'] / 1e6:.1f} MB, "
        f"{image['num_duplicates']} images that are equal to the byte"
    )
    formats = ", ".join(f"{count:,} {name}" for name, count in sorted(image["formats"].items()))
    work.say(f"{formats}; {image['width']['min']} x {image['height']['min']} pixels")
    most = max(count for _, count in labels)
    for label, count in labels:
        work.say(f"{label}  {count:4}  {'#' * round(40 * count / most)}")
    return {
        "num_rows": statistics["num_rows"],
        "num_labels": statistics["num_labels"],
        "num_bytes": statistics["num_bytes"],
        "num_duplicate_images": image["num_duplicates"],
        "formats": dict(image["formats"]),
        "labels": dict(labels),
    }
