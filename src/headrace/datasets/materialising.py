"""Training views of snapshots, written once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.datasets.derived_views import VIEWS, remove_empty_folders
from headrace.datasets.reported_reading import reported
from headrace.datasets.view_folder import View, ViewFile, existing_view, write_view
from headrace.errors import AlreadyExists, Conflict, Unavailable
from headrace.progress import Progress
from headrace.storage.canonical import canonical_json, read_json
from headrace.storage.uris import StoreUri

if TYPE_CHECKING:
    from headrace.datasets.snapshot import Snapshot

__all__ = ["materialise"]


def materialise(snapshot: Snapshot, uri: str | None, *, progress: Progress) -> View:
    """Write the type's training view to `uri`, or once below `derived/`, and say where it is.

    Raises:
        Conflict: Rows were purged since the snapshot was opened; no view is left.
    """
    snapshot.require_unpurged()
    if uri is not None:
        return _write(snapshot, str(StoreUri.parse(uri)), completes=False, progress=progress)
    store = snapshot.dataset.lake.store
    target = f"{store.uri}/{VIEWS}{snapshot.id}"
    known = _known_view(snapshot, target)
    if known is not None:
        return known
    try:
        view = _write(snapshot, target, completes=True, progress=progress)
    except AlreadyExists:  # another process was first
        found = _known_view(snapshot, target)
        if found is None:
            raise
        return found
    except Unavailable:  # a purge removes views that are being written
        snapshot.require_unpurged()
        raise
    try:
        snapshot.require_unpurged()
    except Conflict:  # what the purge removed may have been written again
        keys = [stat.key for stat in store.list(f"{VIEWS}{snapshot.id}/")]
        for key in keys:
            store.delete(key)
        remove_empty_folders(store, keys)
        raise
    if "://" in target:
        files = [[file.name, file.size] for file in view.files]
        store.put(_marker(snapshot.id), canonical_json({"format": 1, "files": files}))
    return view


def _write(snapshot: Snapshot, target: str, *, completes: bool, progress: Progress) -> View:
    locations = snapshot.dataset.lake.locations
    with (
        write_view(target, snapshot_id=snapshot.id, locations=locations, completes=completes) as writer,
        reported(snapshot, "writing the view", progress=progress) as reader,
    ):
        snapshot.dataset.dataset_type.materialise(reader, writer)
    return writer.view


def _known_view(snapshot: Snapshot, target: str) -> View | None:
    """A complete view: a local folder appears as a whole, an object store has a marker that is written last."""
    lake = snapshot.dataset.lake
    if "://" not in target:
        return existing_view(target, snapshot_id=snapshot.id, locations=lake.locations)
    store, key = lake.store, _marker(snapshot.id)
    if store.stat(key) is None:
        return None
    document = read_json(store.get(key), name=f"{store.uri}/{key}")
    return View(target, snapshot.id, tuple(ViewFile(name, size) for name, size in document["files"]))


def _marker(snapshot_id: str) -> str:
    return f"{VIEWS}{snapshot_id}.json"
