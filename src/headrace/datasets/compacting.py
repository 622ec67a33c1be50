"""Compaction: the rows of many small commits move into few parts and shards; what the commits are does not change.

    commits ─▶ runs of small ones ─▶ new parts and shards ─▶ proof, row by row ─▶ entry "compact"

Snapshots name logical commits, so their ids and rows stay. The old parts and shards go with the next collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from headrace.datasets.column_rewriting import compact_columns
from headrace.datasets.html_reprs import HtmlTable
from headrace.datasets.layout_writing import DEFAULT_SIZES, ContainerSizes, LayoutWriter, LoadedRows, load_rows
from headrace.datasets.layouts import CommitLayout
from headrace.datasets.leases import Lease
from headrace.datasets.manifests import document_key, write_document
from headrace.datasets.row_proof import ClaimedRows, prove_many
from headrace.errors import NotFound, Unavailable
from headrace.progress import NO_PROGRESS, Progress
from headrace.storage.canonical import JsonValue, canonical_json
from headrace.storage.fan_out import in_order
from headrace.storage.parts import PartRecord, part_key
from headrace.storage.shards import ShardRecord, shard_key

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.dataset_state import DatasetState
    from headrace.datasets.records import CommitRecord

__all__ = ["CompactionReport", "compact"]

_MAX_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class CompactionReport(HtmlTable):
    """What compaction did; zeros if there was nothing to gain."""

    num_commits: int
    num_rows: int
    parts_before: int
    parts_after: int
    shards_before: int
    shards_after: int
    num_bytes: int  # of the new parts and shards
    column_parts_before: int = 0  # of added columns
    column_parts_after: int = 0

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return asdict(self)


def compact(
    dataset: Dataset, *, sizes: ContainerSizes = DEFAULT_SIZES, progress: Progress = NO_PROGRESS
) -> CompactionReport:
    """Move the rows of small commits together, and small parts of added columns. Nothing is claimed before every row
    was read back and proved equal.

    Raises:
        DataCorrupted: A row to be moved is not what was committed.
        Unavailable: Purges and other compactions came first again and again; nothing was changed.
    """
    report = _compact_rows(dataset, sizes, progress)
    before, after = compact_columns(dataset, part_rows=sizes.part_rows)
    return report if before == after else replace(report, column_parts_before=before, column_parts_after=after)


def _compact_rows(dataset: Dataset, sizes: ContainerSizes, progress: Progress) -> CompactionReport:
    dataset.lake.store.prepare_for_writing()
    for _ in range(_MAX_ATTEMPTS):
        state = dataset.state()
        since = dataset.log_of_entries.number
        runs = _runs(dataset, state.commits, sizes)
        if not runs:
            dataset.log_of_entries.settle()
            return CompactionReport(0, 0, 0, 0, 0, 0, 0)
        try:
            with Lease(dataset.lake.store, dataset.base):
                report = _compact(dataset, state, since, runs, sizes, progress)
        except NotFound:  # another compaction moved the rows, or a collection without grace took what was just written
            continue
        finally:
            progress.finish()
        if report is not None:
            return report
    raise Unavailable(
        f"dataset {dataset.name!r} was purged, compacted or collected by others {_MAX_ATTEMPTS} times meanwhile; "
        "try again"
    )


def _runs(dataset: Dataset, commits: Sequence[CommitRecord], sizes: ContainerSizes) -> list[list[ClaimedRows]]:
    """Neighbouring commits with small parts or shards, where fewer come out than go in."""
    runs: list[list[ClaimedRows]] = [[]]

    # Of ten thousand commits a reader does not keep each manifest, so what is needed of them is kept here.
    def candidate(record: CommitRecord) -> ClaimedRows | None:
        layout = dataset.reader.layout_of(record)
        if not _is_small(record, layout, sizes):
            return None
        return ClaimedRows(record, layout, record.redacted_root or dataset.reader.manifest(record).logical.rows_root)

    for found in in_order(dataset.lake.store, candidate, commits):
        if found is not None:
            runs[-1].append(found)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run and _gains(run, sizes)]


def _is_small(record: CommitRecord, lies: CommitLayout, sizes: ContainerSizes) -> bool:
    if any(
        piece.part.num_rows < sizes.part_rows // 2 and piece.part.size < sizes.part_bytes // 2 for piece in lies.slices
    ):
        return True
    return record.layout is None and any(shard.size < sizes.shard_bytes // 8 for shard in lies.shards)


def _gains(run: Sequence[ClaimedRows], sizes: ContainerSizes) -> bool:
    parts, shards = _containers(run)
    num_rows = sum(item.record.num_rows for item in run)
    num_bytes = sum(shard.size for shard in shards)
    least_parts = -(-num_rows // sizes.part_rows)
    least_shards = -(-num_bytes // sizes.shard_bytes)
    return len(parts) > max(least_parts, -(-sum(part.size for part in parts) // sizes.part_bytes)) or (
        len(shards) > 2 * least_shards
    )


def _containers(run: Sequence[ClaimedRows]) -> tuple[set[PartRecord], set[ShardRecord]]:
    parts = {piece.part for item in run for piece in item.layout.slices}
    shared = {id(item.layout.shards): item.layout.shards for item in run}  # one list for all of a compaction
    return parts, {shard for shards in shared.values() for shard in shards}


def _compact(
    dataset: Dataset,
    state: DatasetState,
    since: int,
    runs: list[list[ClaimedRows]],
    sizes: ContainerSizes,
    progress: Progress,
) -> CompactionReport | None:
    """The report, or None if somebody changed where these rows lie meanwhile."""
    moved = [item for run in runs for item in run]
    num_rows = sum(item.record.num_rows for item in moved)
    progress.start("moving rows", total_rows=num_rows)
    writer = LayoutWriter(dataset, sizes, copies_adopted=False)

    def load(item: ClaimedRows) -> LoadedRows:
        return load_rows(dataset, item.record, layout=item.layout)

    try:
        for run in runs:
            for item, rows in zip(run, in_order(dataset.lake.store, load, run), strict=True):
                writer.add(item.record, rows)
                progress.advance(item.record.num_rows)
            writer.flush()
        document = writer.finish()
    finally:
        writer.close()
    digest = write_document(dataset.lake.store, dataset.base, data=canonical_json(document.to_json()))
    progress.start("proving rows", total_rows=num_rows)
    claimed = (replace(item, layout=document.of(int(item.record.commit_id), item.record.schema)) for item in moved)
    prove_many(dataset, claimed, done=progress.advance)
    parts, shards = _containers(moved)
    is_current = True

    def plan(newest: DatasetState) -> Mapping[str, JsonValue] | None:
        nonlocal is_current
        is_current = newest.redacted_rows == state.redacted_rows and all(
            newest.commits[int(item.record.commit_id) - 1].layout == item.record.layout for item in moved
        )
        if not is_current:
            return None
        return {
            "layout": digest,
            "commits": [[int(run[0].record.commit_id), int(run[-1].record.commit_id)] for run in runs],
            "num_rows": num_rows,
        }

    def keys() -> list[str]:
        return [
            document_key(digest),
            *(part_key(part.digest) for part in document.parts),
            *(shard_key(shard.digest) for shard in document.shards),
        ]

    dataset.append("compact", plan, refers_to=keys, since=since)
    if not is_current:
        return None
    return CompactionReport(
        num_commits=len(moved),
        num_rows=num_rows,
        parts_before=len(parts),
        parts_after=len(document.parts),
        shards_before=len(shards),
        shards_after=len(document.shards),
        num_bytes=sum(part.size for part in document.parts) + sum(shard.size for shard in document.shards),
    )
