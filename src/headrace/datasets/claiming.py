"""Claims entries of a dataset's log, in a way that no garbage collection can pull objects from under them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from headrace.datasets.dataset_state import DatasetState
from headrace.datasets.manifests import read_document
from headrace.datasets.records import Collection
from headrace.errors import Conflict, NotFound, Unavailable
from headrace.storage.canonical import JsonValue
from headrace.storage.log import LogEntry

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset

__all__ = ["claim"]


def claim(
    dataset: Dataset,
    operation: str,
    plan: Callable[[DatasetState], Mapping[str, JsonValue] | None],
    *,
    refers_to: Callable[[], Iterable[str]],
    since: int | None,
) -> LogEntry | None:
    """As `Dataset.append` says."""
    dataset.lake.store.prepare_for_writing()

    def checked(state: DatasetState) -> Mapping[str, JsonValue] | None:
        if state.is_closed:
            raise _closed(dataset)
        while True:
            number = dataset.log_of_entries.number
            body = plan(state)
            if dataset.log_of_entries.number == number:
                break
            # The plan itself read on (a filter looks at rows): a rival's entry that it met must count.
            state = dataset.log_of_entries.refresh()
            if state.is_closed:
                raise _closed(dataset)
        known = dataset.log_of_entries.number if since is None else since
        # Also one that began before and ended since: it may have removed what was written in between.
        rivals = [item for item in state.collections if item.done_entry is None or item.done_entry > known]
        keys = set(refers_to()) if rivals and body is not None else set()
        if keys:
            _check_not_condemned(dataset, rivals, keys)
        return body

    return dataset.log_of_entries.append(operation, checked)


def _closed(dataset: Dataset) -> Conflict:
    return Conflict(f"dataset {dataset.name!r} was purged; nothing can be added to it")


def _check_not_condemned(dataset: Dataset, collections: Iterable[Collection], keys: set[str]) -> None:
    for collection in collections:
        try:
            document = read_document(dataset.lake.store, dataset.base, digest=collection.condemned)
            lost = keys.intersection(document["keys"])
            if lost and not collection.is_done and _is_given_up(dataset, collection):
                lost = _missing(dataset, lost)
        except NotFound:  # a later collection removed it: this write took longer than the grace period
            lost = _missing(dataset, keys)
        if lost:
            raise Unavailable(
                f"garbage collection of dataset {dataset.name!r} is removing {min(lost)}, which an earlier attempt "
                "had left and this one wanted to use; nothing was changed, try again (if that collection was "
                "interrupted, in a quarter of an hour)"
            )


def _is_given_up(dataset: Dataset, collection: Collection) -> bool:
    """Whether its collector has surely stopped, so that what it condemned and is there stays."""
    from headrace.datasets.collecting import is_given_up, store_time

    return is_given_up(dataset, collection, now=store_time(dataset.lake))


def _missing(dataset: Dataset, keys: Iterable[str]) -> set[str]:
    return {key for key in keys if dataset.lake.store.stat(dataset.base + key) is None}
