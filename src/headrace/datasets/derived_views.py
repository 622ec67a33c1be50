"""What lies below `derived/`: which training views, streams and results of recipes may hold rows of a dataset."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from headrace.storage.store import ObjectStat, ObjectStore

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset

__all__ = ["CURATION", "STREAMS", "VIEWS", "derived_from", "remove_empty_folders", "views_that_may_hold"]

VIEWS = "derived/views/"
STREAMS = "derived/stream/"
"""Pages and plans of the training loader, by dataset; pages hold the texts of rows."""
CURATION = "derived/curation/"
"""What recipes computed, in one folder for each set of datasets that they read: their ids, joined by '+'."""
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


def derived_from(dataset: Dataset) -> Iterator[ObjectStat]:
    """Objects that the training loader and recipes derived from a dataset's rows.

    Records of runs stay: they hold counts and names of stages, and no row. Those of failed runs go, because the text
    of an error may quote one.
    """
    store = dataset.lake.store
    uid = dataset.base.rstrip("/").rpartition("/")[2]
    yield from store.list(f"{STREAMS}{uid}/")
    for stat in store.list(CURATION):
        scope, _, place = stat.key[len(CURATION) :].partition("/")
        if uid in scope.split("+") and (not place.startswith("runs/") or place.endswith(".failed.json")):
            yield stat


def remove_empty_folders(store: ObjectStore, keys: Collection[str]) -> None:
    """Remove what deleted views left on a local disk: folders are named after rows, and one in the way would keep the
    view from being made again."""
    if "://" in store.uri:
        return
    folders = {str(folder) for key in keys for folder in PurePosixPath(key).parents if str(folder).startswith(VIEWS)}
    for folder in sorted(folders, key=lambda name: name.count("/"), reverse=True):
        with contextlib.suppress(OSError):  # something is in it, or it is gone
            os.rmdir(f"{store.uri}/{folder}")
