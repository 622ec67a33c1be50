"""Which objects a dataset's log refers to; whatever else lies below it may be collected."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from headrace.datasets.addresses import addresses_key
from headrace.datasets.layouts import LayoutDocument
from headrace.datasets.manifests import CommitManifest, document_key
from headrace.datasets.sidecars import column_keys
from headrace.storage.parts import part_key
from headrace.storage.shards import shard_key

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.dataset_state import DatasetState

__all__ = ["container_keys", "layout_keys", "reachable_keys"]

_PARALLEL_READS = 16


def reachable_keys(dataset: Dataset, state: DatasetState) -> set[str]:
    """Keys below the dataset of all objects that its log refers to, directly or through manifests.

    Deleted commits count, because they can be restored; forgotten snapshots do not.

    Raises:
        DataCorrupted: A manifest cannot be read, so that it is unknown what it refers to.
    """
    keys: set[str] = set()
    for record in state.commits:
        keys.update((document_key(record.manifest), document_key(record.statistics)))
    for snapshot in state.snapshots.values():
        keys.add(document_key(snapshot.manifest))
        if snapshot.deleted is not None:
            keys.add(addresses_key(snapshot.deleted))
    for visibility in state.visibilities:  # a revert may need any of them
        if visibility.deleted_rows is not None:
            keys.add(addresses_key(visibility.deleted_rows))
    for redaction in state.redactions:  # `changes` may begin before any purge
        if redaction.rows is not None:
            keys.add(addresses_key(redaction.rows))
    keys.update(document_key(run.document) for run in state.runs)
    keys.update(document_key(collection.condemned) for collection in state.collections if not collection.is_done)
    keys.update(addresses_key(digest) for digest in state.fixed_rows.values())
    keys.update(document_key(digest) for digest in (*state.purged_keys, *state.claims))
    for digest in state.column_manifests:
        keys.update(column_keys(digest, dataset.column_reader(digest).manifest))
    layouts = {record.layout for record in state.commits if record.layout is not None} | set(state.packs.values())
    manifests = {record.manifest: record for record in state.commits if record.layout is None}
    with ThreadPoolExecutor(_PARALLEL_READS, thread_name_prefix="headrace-reachable") as pool:
        for found in pool.map(lambda digest: layout_keys(dataset, digest), layouts):
            keys.update(found)
        for found in pool.map(lambda record: container_keys(dataset.reader.manifest(record)), manifests.values()):
            keys.update(found)
    return keys


def layout_keys(dataset: Dataset, digest: str) -> list[str]:
    """Keys of a document of layouts and of the parts and shards that it names."""
    return [document_key(digest), *container_keys(dataset.reader.layout(digest))]


def container_keys(document: CommitManifest | LayoutDocument) -> list[str]:
    """Keys of the parts and shards that a document names."""
    return [
        *(part_key(part.digest) for part in document.parts),
        *(shard_key(shard.digest) for shard in document.shards),
    ]
