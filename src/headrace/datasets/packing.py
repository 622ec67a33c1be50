"""Packing: a snapshot's rows laid out again, one after the other, so that streaming reads long runs.

A second layout beside the commits' own: the snapshot's id and rows stay, and whoever reads the snapshot reads the pack.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from headrace.datasets.html_reprs import HtmlTable
from headrace.datasets.layout_writing import DEFAULT_SIZES, ContainerSizes, LayoutWriter, load_rows
from headrace.datasets.leases import Lease
from headrace.datasets.manifests import document_key, write_document
from headrace.datasets.row_proof import prove_same_rows
from headrace.errors import InvalidInput, Unavailable
from headrace.progress import NO_PROGRESS, Progress
from headrace.storage.canonical import JsonValue, canonical_json
from headrace.storage.parts import part_key
from headrace.storage.shards import shard_key

if TYPE_CHECKING:
    from headrace.datasets.dataset_state import DatasetState
    from headrace.datasets.snapshot import Snapshot

__all__ = ["PackReport", "pack"]


@dataclass(frozen=True, slots=True)
class PackReport(HtmlTable):
    """What was laid out; the same again if the snapshot was packed before."""

    snapshot: str
    num_rows: int
    num_parts: int
    num_shards: int
    num_bytes: int  # of parts and shards

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return asdict(self)


def pack(snapshot: Snapshot, *, sizes: ContainerSizes = DEFAULT_SIZES, progress: Progress = NO_PROGRESS) -> PackReport:
    """Lay the snapshot's rows out contiguously; logs the snapshot if it is not yet.

    Raises:
        InvalidInput: The snapshot has no rows.
        Conflict: Rows were purged since the snapshot was opened.
        Unavailable: Rows were purged meanwhile; nothing was changed.
    """
    dataset = snapshot.dataset
    if not snapshot.num_rows:
        raise InvalidInput(f"snapshot {snapshot.id[:12]} of dataset {dataset.name!r} has no rows; nothing to pack")
    snapshot.require_unpurged()
    dataset.log_snapshot(snapshot)
    state = dataset.state()
    known = state.packs.get(snapshot.id)
    since = dataset.log_of_entries.number
    if known is not None:
        dataset.log_of_entries.settle()
    else:
        # The rows may have moved, or some been purged, since the snapshot was made.
        chosen = [(state.commits[int(record.commit_id) - 1], kept) for record, kept in snapshot.chosen_rows()]
        progress.start("packing rows", total_rows=snapshot.num_rows)
        writer = LayoutWriter(dataset, sizes, copies_adopted=True)
        try:
            with Lease(dataset.lake.store, dataset.base):
                for record, kept in chosen:
                    writer.add(record, load_rows(dataset, record, kept))
                    progress.advance(record.num_rows if kept is None else len(kept))
                document = writer.finish()
        finally:
            writer.close()
            progress.finish()
        known = write_document(dataset.lake.store, dataset.base, data=canonical_json(document.to_json()))
        for record, kept in chosen:
            prove_same_rows(dataset, record, kept, dataset.reader.packed(record, layout=known))
        digest = known
        is_current = True

        def plan(newest: DatasetState) -> Mapping[str, JsonValue] | None:
            nonlocal is_current
            is_current = newest.redacted_rows == state.redacted_rows and snapshot.id in newest.snapshots
            return {"snapshot": snapshot.id, "layout": digest} if is_current else None

        def keys() -> list[str]:
            return [
                document_key(digest),
                *(part_key(part.digest) for part in document.parts),
                *(shard_key(shard.digest) for shard in document.shards),
            ]

        dataset.append("pack", plan, refers_to=keys, since=since)
        if not is_current:
            raise Unavailable(
                f"rows of dataset {dataset.name!r} were purged, or the snapshot forgotten, while it was packed; "
                "nothing was changed, try again"
            )
    layout = dataset.reader.layout(known)
    snapshot.read_from_pack(known)
    return PackReport(
        snapshot=snapshot.id,
        num_rows=snapshot.num_rows,
        num_parts=len(layout.parts),
        num_shards=len(layout.shards),
        num_bytes=sum(part.size for part in layout.parts) + sum(shard.size for shard in layout.shards),
    )
