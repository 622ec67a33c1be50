"""Training views below `derived/`: which of them may hold rows of a dataset."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from headrace.storage.store import ObjectStat

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset

__all__ = ["VIEWS", "views_that_may_hold"]

VIEWS = "derived/views/"
_ID_LENGTH = 64


def views_that_may_hold(dataset: Dataset, *, safe: Collection[str] = ()) -> Iterator[ObjectStat]:
    """Objects of all views but those of snapshots that are known: of other datasets, or named as safe.

    A view may belong to a snapshot that nobody logged or that was forgotten, and its name does not say of which
    dataset; what is derived can be made again.
    """
    lake = dataset.lake
    stats = list(lake.store.list(VIEWS))
    if not stats:
        return
    known = set(safe)
    purged = lake.state().purged
    for other in lake.every_dataset():
        if other.base != dataset.base and other.id not in purged:
            known.update(other.state().snapshots)
    for stat in stats:
        if stat.key[len(VIEWS) :][:_ID_LENGTH] not in known:
            yield stat
