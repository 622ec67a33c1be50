"""Soft deletion: log entries that hide rows and commits from new selections, and bring them back.

Snapshots that were taken before are static: they keep their rows. Bytes leave a lake by `purge` and `gc` only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np

from headrace.datasets.addresses import AddressSet, addresses_key, write_addresses
from headrace.datasets.row_matching import check_condition, match_rows
from headrace.errors import Conflict
from headrace.storage.canonical import JsonValue

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.dataset_state import DatasetState

__all__ = ["change_commit", "delete_rows", "restore_rows", "revert"]


def delete_rows(dataset: Dataset, *, where: str | None, keys: Iterable[object] | None, dry_run: bool = False) -> int:
    """Hide the visible rows that are meant; how many that are."""
    wanted = check_condition(where, keys)

    def change(state: DatasetState, deleted: AddressSet) -> tuple[AddressSet, int]:
        found = match_rows(
            dataset,
            state.visible_commits,
            left_out=deleted | dataset.addresses(state.redacted_rows),
            where=where,
            keys=wanted,
        )
        return deleted | found, found.num_rows

    if dry_run:
        state = dataset.state()
        return change(state, dataset.addresses(state.visibility.deleted_rows))[1]
    return _change_rows(dataset, "delete-rows", change)


def restore_rows(dataset: Dataset, *, where: str | None, keys: Iterable[object] | None) -> int:
    """Show hidden rows of visible commits again: those that are meant, or all; how many that are."""
    wanted = None if where is None and keys is None else check_condition(where, keys)

    def change(state: DatasetState, deleted: AddressSet) -> tuple[AddressSet, int]:
        numbers = {int(record.commit_id): int(record.commit_id) for record in state.visible_commits}
        found = deleted.renumbered(numbers) - dataset.addresses(state.redacted_rows)
        if where is not None or wanted is not None:
            everything = AddressSet(
                {
                    int(record.commit_id): _all_but(found, int(record.commit_id), record.num_rows)
                    for record in state.visible_commits
                }
            )
            found = match_rows(dataset, state.visible_commits, left_out=everything, where=where, keys=wanted)
        return deleted - found, found.num_rows

    return _change_rows(dataset, "restore-rows", change)


def change_commit(
    dataset: Dataset, commit_id: str | int, *, operation: Literal["delete", "restore"], dry_run: bool = False
) -> None:
    """Hide a commit from new selections, or show it again.

    Raises:
        NotFound: There is no such commit.
        Conflict: It is hidden, or visible, already.
    """
    text = str(commit_id)

    def plan(state: DatasetState) -> Mapping[str, JsonValue]:
        dataset.require_commit(state, text)
        is_hidden = text in state.visibility.hidden_commits
        if is_hidden == (operation == "delete"):
            what = "deleted already" if is_hidden else "not deleted, so there is nothing to restore"
            raise Conflict(f"commit {text} of dataset {dataset.name!r} is {what}; nothing was changed")
        return {"commit": text}

    if dry_run:
        plan(dataset.state())
    else:
        dataset.append(f"{operation}-commit", plan)


def revert(dataset: Dataset, *, to: str | int) -> None:
    """Show what was visible right after a commit, as a new entry: later commits are hidden, deletions since undone.

    Raises:
        NotFound: There is no such commit.
    """
    text = str(to)

    def plan(state: DatasetState) -> Mapping[str, JsonValue]:
        dataset.require_commit(state, text)
        return {"to": text}

    dataset.append("revert", plan)


def _change_rows(
    dataset: Dataset, operation: str, change: Callable[[DatasetState, AddressSet], tuple[AddressSet, int]]
) -> int:
    """Claim an entry with the new set of hidden rows; rivals' changes in between are taken into account."""
    num_rows = 0
    digest: str | None = None
    dataset.state()  # opens the log, so that not every collection of old counts as a rival
    since = dataset.log_of_entries.number

    def plan(state: DatasetState) -> Mapping[str, JsonValue] | None:
        nonlocal num_rows, digest
        deleted, num_rows = change(state, dataset.addresses(state.visibility.deleted_rows))
        if not num_rows:
            return None
        digest = write_addresses(dataset.lake.store, dataset.base, addresses=deleted) if deleted else None
        return {"deleted": digest, "num_rows": num_rows}

    def keys() -> list[str]:
        return [] if digest is None else [addresses_key(digest)]

    dataset.append(operation, plan, refers_to=keys, since=since)
    return num_rows


def _all_but(kept: AddressSet, group: int, num_rows: int) -> np.ndarray:
    ordinals = kept.of(group)
    everything = np.arange(num_rows)
    return everything if ordinals is None else np.setdiff1d(everything, ordinals, assume_unique=True)
