"""Deleting, restoring and purging whole datasets: entries of the lake's log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from headrace.datasets.dataset_state import DatasetState
from headrace.datasets.derived_views import derived_from, remove_empty_folders, views_that_may_hold
from headrace.datasets.kept_indexes import forget_indexes
from headrace.datasets.lake_state import DatasetRecord, LakeState
from headrace.datasets.sidecars import chunks_prefix
from headrace.errors import AlreadyExists, NotFound
from headrace.schema.names import check_dataset_name
from headrace.storage.canonical import JsonValue
from headrace.storage.store import ObjectStat

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.lake import Lake

__all__ = ["delete_dataset", "find_deleted", "purge_dataset", "purgeable_objects", "restore_dataset"]


def delete_dataset(lake: Lake, name: str) -> None:
    """Take a dataset off the register; its name is free again, its bytes stay."""
    dataset = lake.dataset(name)

    def plan(state: LakeState) -> Mapping[str, JsonValue] | None:
        return None if dataset.id in state.deleted or dataset.id in state.purged else {"dataset": dataset.id}

    lake.append("delete-dataset", plan)


def restore_dataset(lake: Lake, name: str, *, rename: str | None) -> Dataset:
    """Put a deleted dataset back on the register.

    Raises:
        NotFound: No such dataset was deleted.
        AlreadyExists: The name is taken since.
    """
    if rename is not None:
        check_dataset_name(rename)

    def plan(state: LakeState) -> Mapping[str, JsonValue]:
        record = find_deleted(state, name)
        if record is None:
            known = ", ".join(f"{item.name} (id {item.dataset_id})" for item in state.deleted.values()) or "none"
            raise NotFound(f"lake {lake.uri} has no deleted dataset {name!r}; deleted ones: {known}")
        wanted = rename or record.name
        if wanted in state.by_name:
            raise AlreadyExists(
                f"lake {lake.uri} has a dataset {wanted!r} again since this one was deleted; restore it under another "
                f"name: headrace dataset restore {lake.uri}::{record.dataset_id} --as NAME"
            )
        return {"dataset": record.dataset_id, "name": wanted}

    entry = lake.append("restore-dataset", plan)
    if entry is None:
        raise RuntimeError("a plan without an entry")
    return lake.dataset(str(entry.body["dataset"]))


def purge_dataset(lake: Lake, name: str, *, dry_run: bool) -> int:
    """Remove all bytes of a dataset, deleted or not, for ever; returns how many. The logs keep that it happened.

    Raises:
        NotFound: There is none, or it was purged already.
        PermissionDenied: It is under a hold.
    """
    state = lake.state()
    record = state.by_name.get(name) or state.by_id.get(name) or find_deleted(state, name)
    if record is None or record.dataset_id in state.purged:
        lake.dataset(name)  # raises with what there is
        raise NotFound(f"dataset {name!r} was purged already")
    dataset = lake.open_record(record)
    dataset.require_no_hold(dataset.state())
    if not dry_run:
        lake.store.prepare_for_erasing()

        def close(newest: DatasetState) -> Mapping[str, JsonValue] | None:
            dataset.require_no_hold(newest)
            return None if newest.is_closed else {}

        # First its own log, so that no writer who has it open can add to it; then the register; then the bytes.
        dataset.close(close)

        def plan(newest: LakeState) -> Mapping[str, JsonValue] | None:
            return None if record.dataset_id in newest.purged else {"dataset": record.dataset_id}

        lake.append("purge-dataset", plan)
    num_bytes = 0
    if not dry_run:
        forget_indexes(lake.store)  # of shards that an interrupted commit wanted to adopt
    stats = list(purgeable_objects(dataset))
    for stat in stats:
        num_bytes += stat.size
        if not dry_run:
            lake.store.delete(stat.key)
    if not dry_run:
        remove_empty_folders(lake.store, [stat.key for stat in stats])
    return num_bytes


def purgeable_objects(dataset: Dataset) -> Iterator[ObjectStat]:
    """All that a purge removes: the dataset's folder but for its log, and what may have been derived from it."""
    yield from views_that_may_hold(dataset)
    yield from derived_from(dataset)
    for prefix in (dataset.base, chunks_prefix(dataset.base)):
        for stat in dataset.lake.store.list(prefix):
            if not stat.key.startswith(f"{dataset.base}log/"):
                yield stat


def find_deleted(state: LakeState, name: str) -> DatasetRecord | None:
    """The deleted dataset with this id, or the one deleted last of those with this name."""
    named = [record for record in state.deleted.values() if record.name == name]
    return state.deleted.get(name) or (named[-1] if named else None)
