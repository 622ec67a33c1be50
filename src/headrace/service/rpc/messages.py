"""Datasets, commits and snapshots as messages of the wire."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from headrace.datasets.commit import Commit
from headrace.datasets.dataset import Dataset
from headrace.datasets.kept_values import KeptValues
from headrace.datasets.snapshot import Snapshot
from headrace.errors import InvalidInput
from headrace.schema.tags import Tag
from headrace.service.preparing import PreparedSnapshot
from headrace.service.rpc import data_management_pb2 as wire
from headrace.service.training_statistics import training_statistics

__all__ = ["Messages", "dataset_type_of", "tags_of"]

_KEPT_COMMITS = 10_000


class Messages:
    """Makes answers; what was said of a commit is kept, because commits do not change. Thread-safe."""

    def __init__(self) -> None:
        self._commits: KeptValues[tuple[str, str, str | None], wire.CommitInfo] = KeptValues(_KEPT_COMMITS)

    def summary(self, dataset: Dataset) -> wire.DatasetSummary:
        """The dataset with all its commits by number; deleted ones are left out.

        `last_updated_at` is when it was created, as the reference service has it.
        """
        commits = [commit for commit in dataset.log() if not commit.is_deleted]
        return wire.DatasetSummary(
            dataset_id=dataset.id,
            name=dataset.display_name,
            description=dataset.description,
            dataset_type=_wire_type(dataset),
            last_updated_at=dataset.created_at,
            commits=self._infos(dataset, commits),
        )

    def version(self, dataset: Dataset, snapshot: Snapshot) -> wire.SnapshotVersion:
        """The snapshot with the commits that it chose."""
        return wire.SnapshotVersion(
            dataset_id=dataset.id,
            name=dataset.display_name,
            description=dataset.description,
            dataset_type=_wire_type(dataset),
            last_updated_at=dataset.created_at,
            version_hash=snapshot.version_hash or "",
            commits=self._infos(dataset, snapshot.commits),
        )

    def fetched(self, dataset_id: str, version_hash: str, prepared: PreparedSnapshot) -> wire.VersionedSnapshot:
        """Files and statistics of a snapshot that is ready; the reason of one that failed stands among the latter."""
        answer = wire.VersionedSnapshot(
            dataset_id=dataset_id, version_hash=version_hash, state=wire.SnapshotState.Value(prepared.state)
        )
        if prepared.state == "READY":
            bucket, path = prepared.bucket, prepared.path
            answer.root.CopyFrom(wire.FileInfo(name="root", bucket=bucket, path=path))
            answer.parts.extend(
                wire.FileInfo(name=name, bucket=bucket, path=f"{path}/{name}") for name in prepared.files
            )
            answer.statistics.update(prepared.statistics or {})
        elif prepared.reason is not None:
            answer.statistics["reason"] = prepared.reason
        return answer

    def _infos(self, dataset: Dataset, commits: Sequence[Commit]) -> list[wire.CommitInfo]:
        redacted = dataset.state().redacted_rows
        by_id = {commit.id: commit for commit in commits}
        return [
            self._commits.get((dataset.id, each, redacted), lambda key: _info(dataset, by_id[key[1]])) for each in by_id
        ]


def dataset_type_of(number: int) -> str:
    """The type that a number of the wire names.

    Raises:
        InvalidInput: None has it.
    """
    try:
        return str(wire.DatasetType.Name(number))
    except ValueError:
        known = ", ".join(f"{name} = {value}" for name, value in wire.DatasetType.items())
        raise InvalidInput(f"dataset_type is {number}; expected one of {known}") from None


def tags_of(tags: Iterable[wire.Tag]) -> list[Tag]:
    """Keys and values."""
    return [(tag.tag_key, tag.tag_value) for tag in tags]


def _info(dataset: Dataset, commit: Commit) -> wire.CommitInfo:
    statistics = commit.statistics
    return wire.CommitInfo(
        dataset_id=dataset.id,
        commit_id=commit.id,
        created_at=commit.created_at,
        commit_message=commit.message,
        tags=[wire.Tag(tag_key=key, tag_value=value) for key, value in commit.tag_pairs],
        path=f"dataset/{dataset.id}/commit/{commit.id}",
        statistics=training_statistics(dataset.type, statistics),
    )


def _wire_type(dataset: Dataset) -> wire.DatasetType:
    """A type of a plugin has no number; clients of the reference see bytes."""
    name = dataset.type
    return wire.DatasetType.Value(name) if name in wire.DatasetType.keys() else wire.DatasetType.GENERIC  # noqa: SIM118
