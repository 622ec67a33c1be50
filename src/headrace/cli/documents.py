"""The stable JSON documents of commits, datasets and snapshots: fields are added, never renamed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.datasets.commit import Commit
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.snapshot import Snapshot

__all__ = ["commit_document", "commit_summary", "dataset_document", "dataset_summary", "snapshot_document"]

_LISTED_REJECTED = 1_000  # rows; `num_rejected` counts them all


def commit_summary(commit: Commit) -> dict[str, object]:
    """What the log says of a commit; a tag key with several values has a list of them."""
    return dict(commit.to_json())


def commit_document(commit: Commit) -> dict[str, object]:
    """A commit with its sources, rejected rows and statistics."""
    rejected = commit.rejected[:_LISTED_REJECTED] if commit.num_rejected else []
    return {
        **commit_summary(commit),
        "sources": [{"uri": origin.uri, "size": origin.size, "digest": origin.digest} for origin in commit.sources],
        "rejected": [
            {"source": row.origin_uri, "member": row.member, "line": row.line, "reason": row.reason} for row in rejected
        ],
        "statistics": commit.statistics,
    }


def dataset_summary(dataset: Dataset) -> dict[str, object]:
    """What the log says of a dataset."""
    return {
        **dataset.to_json(),
        "num_bytes": sum(commit.num_bytes for commit in dataset.log() if not commit.is_deleted),
    }


def dataset_document(dataset: Dataset) -> dict[str, object]:
    """A dataset with its columns and statistics; `schema` is what `dataset create --schema` reads."""
    from headrace.datasets.columns import schema_to_json

    return {
        **dataset_summary(dataset),
        "snapshots": dataset.snapshots,
        "schema": schema_to_json(dataset.schema),
        "statistics": dataset.statistics,
    }


def snapshot_document(snapshot: Snapshot, *, reference: str, alias: str | None = None) -> dict[str, object]:
    """A snapshot; `reference` names it for the next command, `alias` is the one that was just set."""
    return {**snapshot.to_json(), "reference": reference, "alias": alias}
