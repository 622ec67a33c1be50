"""What the terminal shows of a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.units import format_bytes, format_count

if TYPE_CHECKING:
    from headrace.datasets.snapshot import Snapshot

__all__ = ["snapshot_fields"]

_SHOWN_COMMITS = 20


def snapshot_fields(snapshot: Snapshot) -> list[tuple[str, object]]:
    """Names and values for people; None where the snapshot has no such thing."""
    from headrace.datasets.statistics import describe_statistics

    statistics = snapshot.statistics
    commits = [commit.id for commit in snapshot.commits]
    shown = ", ".join(commits[:_SHOWN_COMMITS]) + (", …" if len(commits) > _SHOWN_COMMITS else "")
    selection = snapshot.selection
    return [
        ("snapshot", snapshot.id),
        ("version hash", snapshot.version_hash),
        ("rows", format_count(snapshot.num_rows)),
        ("labels", format_count(statistics["num_labels"]) if statistics.get("num_labels") else None),
        ("media", format_bytes(statistics["num_bytes"]) if statistics.get("num_bytes") else None),
        ("noticed", "; ".join(describe_statistics(statistics)[1:]) or None),
        ("commits", f"{format_count(len(commits))}: {shown}" if commits else "none"),
        ("where", selection.where),
        ("columns", None if selection.columns is None else ", ".join(selection.columns)),
    ]
