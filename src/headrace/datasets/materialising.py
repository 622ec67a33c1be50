"""Training views of snapshots, written once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.datasets.view_folder import View, existing_view, write_view
from headrace.storage.uris import StoreUri

if TYPE_CHECKING:
    from headrace.datasets.snapshot import Snapshot

__all__ = ["materialise"]


def materialise(snapshot: Snapshot, uri: str | None) -> View:
    """Write the type's training view to `uri`, or once below `derived/`, and say where it is."""
    lake = snapshot.dataset.lake
    if uri is None:
        target = f"{lake.uri}/derived/views/{snapshot.id}"
        known = existing_view(target, snapshot_id=snapshot.id)
        if known is not None:
            return known
    else:
        target = str(StoreUri.parse(uri))
    with write_view(target, snapshot_id=snapshot.id) as writer:
        snapshot.dataset.dataset_type.materialise(snapshot, writer)
    return writer.view
