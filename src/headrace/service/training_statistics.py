"""Statistics as clients of the reference service know them: two numbers, as texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["training_statistics"]


def training_statistics(type_name: str, statistics: Mapping[str, Any]) -> dict[str, str]:
    """`numExamples`, and `numLabels` where rows have labels; nothing of bytes without a schema.

    Args:
        statistics: Of a commit or a snapshot.
    """
    if type_name == "GENERIC":
        return {}
    found = {"numExamples": str(statistics["num_rows"])}
    if "num_labels" in statistics:
        found["numLabels"] = str(statistics["num_labels"])
    return found
