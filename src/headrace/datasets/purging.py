"""Purge: the content of rows leaves a dataset for ever, through its whole history.

    rows ─▶ new parts (nulls), new shards (zeros), new manifests and statistics ─▶ entry "purge" ─▶ views deleted
                                                                                └▶ old objects: next collection

Addresses stay, so every other row of every snapshot, and every id, is what it was. What the entry and the documents
keep of a purged row is its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.addresses import AddressSet, addresses_key, write_addresses
from headrace.datasets.batches import Origin
from headrace.datasets.column_rewriting import erased_column, parts_with_rows
from headrace.datasets.columns import media_kind
from headrace.datasets.derived_views import VIEWS, derived_from, remove_empty_folders, views_that_may_hold
from headrace.datasets.html_reprs import HtmlTable
from headrace.datasets.kept_indexes import forget_indexes
from headrace.datasets.layouts import CommitLayout, LayoutDocument
from headrace.datasets.leases import Lease
from headrace.datasets.manifests import CommitManifest, document_key, write_document
from headrace.datasets.narrow import narrow_table
from headrace.datasets.reachable import container_keys, layout_keys
from headrace.datasets.reading import CommitReader
from headrace.datasets.row_digests import rows_root
from headrace.datasets.row_matching import check_condition, match_rows
from headrace.datasets.row_proof import REDACTED_DIGEST
from headrace.datasets.sidecars import ColumnManifest, chunks_prefix, column_keys
from headrace.datasets.statistics import StatisticsAccumulator
from headrace.errors import NotFound, Unavailable
from headrace.progress import NO_PROGRESS, Progress
from headrace.storage.canonical import JsonValue, canonical_json, plain_json
from headrace.storage.parts import PartCache, PartRecord, part_key, write_part
from headrace.storage.shard_erasing import erased_shard
from headrace.storage.shards import ShardRecord, shard_key

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.dataset_state import DatasetState
    from headrace.datasets.records import CommitRecord

__all__ = ["REDACTED_ORIGIN", "PurgeReport", "purge_rows"]

REDACTED_ORIGIN = "redacted:"
"""Stands for a source that only purged rows came from."""

_MAX_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class PurgeReport(HtmlTable):
    """What a purge erased, or would erase in a dry run."""

    dry_run: bool
    num_rows: int
    num_media_bytes: int  # erased
    num_bytes_rewritten: int  # of parts and shards; 0 in a dry run that finds nothing
    commits: tuple[str, ...]  # ids
    snapshots: tuple[str, ...]  # ids of logged snapshots that chose one of these commits
    adopted: tuple[str, ...]  # objects outside the lake that still hold media of these rows
    num_views: int  # training views below derived/ that may have held them, deleted

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return asdict(self)


def purge_rows(
    dataset: Dataset,
    *,
    where: str | None,
    keys: Iterable[object] | None,
    dry_run: bool,
    progress: Progress = NO_PROGRESS,
) -> PurgeReport:
    """Erase the rows that are meant from all commits, deleted ones too.

    Raises:
        InvalidInput: Neither or both of where and keys are given, or a bad filter.
        NotFound: A key that no row has.
        PermissionDenied: The dataset is under a hold.
        Conflict: The lake lies in a bucket that keeps old versions.
        Unavailable: Others changed the dataset again and again meanwhile; nothing was changed.
    """
    wanted = check_condition(where, keys)
    if not dry_run:
        dataset.lake.store.prepare_for_writing()
        dataset.lake.store.prepare_for_erasing()
    for _ in range(_MAX_ATTEMPTS):
        state = dataset.state()
        dataset.require_no_hold(state)
        since = dataset.log_of_entries.number
        redacted = dataset.addresses(state.redacted_rows)
        rows = match_rows(dataset, state.commits, left_out=redacted, where=where, keys=wanted, every_version=True)
        try:
            with Lease(dataset.lake.store, dataset.base):
                report = _Purge(dataset, state, rows, progress).run(since=since, dry_run=dry_run)
        except NotFound:  # a compaction moved the rows, or a collection without grace took what was just written
            continue
        finally:
            progress.finish()
        if report is not None:
            return report
    raise Unavailable(f"dataset {dataset.name!r} was changed by others {_MAX_ATTEMPTS} times meanwhile; try again")


class _Purge:
    """One attempt, on one state of the log."""

    def __init__(self, dataset: Dataset, state: DatasetState, rows: AddressSet, progress: Progress) -> None:
        self._dataset = dataset
        self._store = dataset.lake.store
        self._state = state
        self._rows = rows
        self._progress = progress
        self._commits = [state.commits[number - 1] for number in rows.groups]
        self._superseded: set[str] = set()  # keys
        self._written: set[str] = set()  # keys
        self._num_bytes = 0
        self._num_media_bytes = 0
        self._adopted: set[str] = set()

    def run(self, *, since: int, dry_run: bool) -> PurgeReport | None:
        """None if somebody changed the dataset meanwhile."""
        snapshots = self._affected_snapshots()
        if not self._rows:
            self._dataset.log_of_entries.settle()
            return PurgeReport(dry_run, 0, 0, 0, (), (), (), 0)
        self._progress.start("rewriting", total_rows=self._rows.num_rows)
        documents: dict[str, list[CommitRecord]] = {}
        for record in self._commits:
            documents.setdefault(record.layout or "", []).append(record)
        if dry_run:
            for record in self._commits:
                self._measure(record, self._dataset.reader.commit(record).layout)
            self._measure_unread_copies()
            self._measure_columns()
            return self._report(snapshots, num_views=0, dry_run=True)
        fixed = self._fixed_rows(snapshots)
        layouts: dict[str, str] = {}
        commits: dict[str, JsonValue] = {}
        for digest in self._layouts_with_rows():
            documents.setdefault(digest, [])  # only rows that nobody reads there any more
        for digest, records in documents.items():
            if digest:
                document = self._rewritten_layout(self._dataset.reader.layout(digest))
                layouts[digest] = self._write_document(document.to_json())
                self._superseded.add(document_key(digest))
                for record in records:
                    commits[record.commit_id] = self._rewritten_commit(
                        record, document.of(int(record.commit_id), record.schema), None
                    )
            else:
                for record in records:
                    manifest = self._rewritten_manifest(self._dataset.reader.manifest(record), record)
                    commits[record.commit_id] = self._rewritten_commit(record, manifest.layout, manifest)
            for record in records:
                ordinals = self._rows.of(int(record.commit_id))
                self._progress.advance(0 if ordinals is None else len(ordinals))
        all_rows = self._dataset.addresses(self._state.redacted_rows) | self._rows
        redacted = write_addresses(self._store, self._dataset.base, addresses=all_rows)
        self._written.add(addresses_key(redacted))
        self._supersede_earlier_places()
        columns = self._rewritten_columns()
        packs = [snapshot_id for snapshot_id in snapshots if snapshot_id in self._state.packs]
        for snapshot_id in packs:
            self._superseded.update(layout_keys(self._dataset, self._state.packs[snapshot_id]))
        old_keys = self._write_document({"format": 1, "keys": sorted(self._superseded - self._written)})
        body: dict[str, JsonValue] = {
            "redacted": redacted,
            "num_rows": self._rows.num_rows,
            "commits": commits,
            "layouts": layouts,
            "fixed": fixed,
            "packs": packs,
            "keys": old_keys,
            **({"columns": columns} if columns else {}),
        }
        is_current = True
        # Before the claim too: whoever dies after it is not asked again, because the rows are gone.
        views = self._delete_views(snapshots)

        def plan(newest: DatasetState) -> Mapping[str, JsonValue] | None:
            nonlocal is_current
            self._dataset.require_no_hold(newest)
            is_current = (
                newest.commits == self._state.commits
                and newest.redacted_rows == self._state.redacted_rows
                and newest.snapshots.keys() == self._state.snapshots.keys()
                and newest.packs == self._state.packs
                and newest.column_manifests == self._state.column_manifests
            )
            return body if is_current else None

        self._dataset.append("purge", plan, refers_to=lambda: self._written, since=since)
        if not is_current:
            return None
        views |= self._delete_views(snapshots)  # made meanwhile
        return self._report(snapshots, num_views=len(views), dry_run=False)

    def _report(self, snapshots: Sequence[str], *, num_views: int, dry_run: bool) -> PurgeReport:
        return PurgeReport(
            dry_run=dry_run,
            num_rows=self._rows.num_rows,
            num_media_bytes=self._num_media_bytes,
            num_bytes_rewritten=self._num_bytes,
            commits=tuple(record.commit_id for record in self._commits),
            snapshots=tuple(snapshots),
            adopted=tuple(sorted(self._adopted)),
            num_views=num_views,
        )

    def _affected_snapshots(self) -> list[str]:
        chosen = {record.digest for record in self._commits}
        return [
            snapshot_id
            for snapshot_id in self._state.snapshots
            if chosen.intersection(self._dataset.logged_snapshot(snapshot_id).selection.commits)
        ]

    def _supersede_earlier_places(self) -> None:
        """Where these rows lay before compactions: garbage that a collection may not have come to yet."""
        numbers = set(self._rows.groups)
        for record in self._commits:
            if record.layout is not None:
                self._superseded.update(container_keys(self._dataset.reader.manifest(record)))
        for digest in self._state.earlier_layouts:
            try:
                document = self._dataset.reader.layout(digest)
            except NotFound:  # collected
                continue
            if numbers.intersection(document.commits):
                self._superseded.update(layout_keys(self._dataset, digest))

    # -- added columns -------------------------------------------------------------------------------------------

    def _affected_columns(self) -> dict[str, ColumnManifest]:
        """Versions of added columns that somebody reads and that may have values of these rows."""
        numbers = set(self._rows.groups)
        found = {digest: self._dataset.column_reader(digest).manifest for digest in self._state.column_manifests}
        return {digest: item for digest, item in sorted(found.items()) if numbers.intersection(item.commits)}

    def _measure_columns(self) -> None:
        for manifest in self._affected_columns().values():
            for idx in parts_with_rows(manifest, self._rows):
                part = manifest.parts[idx]
                if part_key(part.digest) not in self._superseded:
                    self._superseded.add(part_key(part.digest))
                    self._num_bytes += part.size

    def _rewritten_columns(self) -> dict[str, JsonValue]:
        """Old manifests to new ones, in which these rows have no value; earlier versions go altogether."""
        changes: dict[str, JsonValue] = {}
        for digest, manifest in self._affected_columns().items():
            new = erased_column(self._dataset, manifest, self._rows)
            name = self._write_document(new.to_json())
            self._written.update(column_keys(name, new))
            self._num_bytes += sum(part.size for part in set(new.parts) - set(manifest.parts))
            if name != digest:
                self._superseded.update(column_keys(digest, manifest))
                changes[digest] = {"manifest": name, "num_values": new.num_values}
        for digest in set(self._state.former_columns) - self._state.column_manifests:
            try:
                manifest = self._dataset.column_reader(digest).manifest
            except NotFound:  # collected
                continue
            if set(self._rows.groups).intersection(manifest.commits):
                self._superseded.update(column_keys(digest, manifest))
        return changes

    def _fixed_rows(self, snapshots: Sequence[str]) -> dict[str, JsonValue]:
        """The rows of snapshots with exact proportions, which could not be dealt again without all rows."""
        fixed: dict[str, JsonValue] = {}
        for snapshot_id in snapshots:
            snapshot = self._dataset.logged_snapshot(snapshot_id)
            if any(step.stratify is not None for step in snapshot.selection.splits):
                rows = snapshot.addresses_of(np.arange(snapshot.num_rows))
                fixed[snapshot_id] = write_addresses(self._store, self._dataset.base, addresses=rows)
                self._written.add(addresses_key(rows.digest))
        return fixed

    # -- one container of rows -----------------------------------------------------------------------------------

    def _measure_unread_copies(self) -> None:
        for digest in self._layouts_with_rows():
            document = self._dataset.reader.layout(digest)
            for record in self._commits:
                number = int(record.commit_id)
                if record.layout != digest and number in document.commits:
                    self._measure(record, document.of(number, record.schema))

    def _measure(self, record: CommitRecord, layout: CommitLayout) -> None:
        """What rewriting would take, for a dry run."""
        used: set[int] = set()
        for idx, rows in self._rows_of_slices(record, layout).items():
            piece = layout.slices[idx]
            if part_key(piece.part.digest) not in self._superseded:
                self._superseded.add(part_key(piece.part.digest))
                self._num_bytes += piece.part.size
            used.update(self._places(self._part(piece.part), rows + piece.row_start, _media_names([record])))
        for shard in (layout.shards[idx] for idx in used):
            if shard_key(shard.digest) not in self._superseded:
                self._superseded.add(shard_key(shard.digest))
                self._num_bytes += shard.size

    def _rewritten_manifest(self, manifest: CommitManifest, record: CommitRecord) -> CommitManifest:
        rows = self._rows_of_slices(record, manifest.layout)
        parts, shards = self._rewritten_objects(manifest.parts, manifest.shards, rows, [record])
        return replace(manifest, parts=parts, shards=shards)

    def _layouts_with_rows(self) -> list[str]:
        """Layouts in use that hold such rows, also those that a later compaction took some commits out of."""
        numbers = set(self._rows.groups)
        in_use = dict.fromkeys(record.layout for record in self._state.commits if record.layout is not None)
        return [item for item in in_use if numbers.intersection(self._dataset.reader.layout(item).commits)]

    def _rewritten_layout(self, document: LayoutDocument) -> LayoutDocument:
        rows: dict[int, list[np.ndarray]] = {}
        records = [record for record in self._commits if int(record.commit_id) in document.commits]
        for record in records:
            number = int(record.commit_id)
            layout = document.of(number, record.schema)
            for slice_idx, ordinals in self._rows_of_slices(record, layout).items():
                part_idx, row_start, _ = document.commits[number][slice_idx]
                rows.setdefault(part_idx, []).append(ordinals + row_start)
        merged = {idx: np.concatenate(pieces) for idx, pieces in rows.items()}
        parts, shards = self._rewritten_objects(document.parts, document.shards, merged, records)
        return replace(document, parts=parts, shards=shards)

    def _rows_of_slices(self, record: CommitRecord, layout: CommitLayout) -> dict[int, np.ndarray]:
        """Rows to erase by slice, counted from the slice's first."""
        ordinals = self._rows.of(int(record.commit_id))
        if ordinals is None:
            return {}
        starts = np.cumsum([0, *(piece.num_rows for piece in layout.slices)])
        idxs = np.searchsorted(starts, ordinals, side="right") - 1
        return {int(idx): ordinals[idxs == idx] - starts[idx] for idx in np.unique(idxs)}

    def _rewritten_objects(
        self,
        parts: tuple[PartRecord, ...],
        shards: tuple[ShardRecord, ...],
        rows: Mapping[int, np.ndarray],  # part to rows of it
        records: Sequence[CommitRecord],
    ) -> tuple[tuple[PartRecord, ...], tuple[ShardRecord, ...]]:
        media = _media_names(records)
        erased: dict[int, set[tuple[int, int]]] = {}  # shard to ranges
        new_parts = list(parts)
        for idx, erased_rows in rows.items():
            table = self._part(parts[idx])
            for shard, ranges in self._places(table, erased_rows, media).items():
                erased.setdefault(shard, set()).update(ranges)
            new_parts[idx] = self._write_part(parts[idx], _without(table, erased_rows))
        if erased:
            self._keep_shared(parts, rows, media, erased)
        new_shards = list(shards)
        for shard, ranges in erased.items():
            if ranges:
                new_shards[shard] = self._write_shard(shards[shard], ranges)
        return tuple(new_parts), tuple(new_shards)

    def _keep_shared(
        self,
        parts: Sequence[PartRecord],
        rows: Mapping[int, np.ndarray],
        media: set[str],
        erased: dict[int, set[tuple[int, int]]],
    ) -> None:
        """Bytes that rows which stay have too are not erased."""
        for idx, part in enumerate(parts):
            kept = np.setdiff1d(np.arange(part.num_rows), rows.get(idx, np.zeros(0, dtype=np.int64)))
            for shard, ranges in self._places(self._part(part), kept, media, counts=False).items():
                if shard in erased:
                    erased[shard] -= ranges

    def _places(
        self, table: pa.Table, rows: np.ndarray, media: set[str], *, counts: bool = True
    ) -> dict[int, set[tuple[int, int]]]:
        """Byte ranges (start, end) of the rows' media, by shard; `counts` adds them to the report."""
        found: dict[int, set[tuple[int, int]]] = {}
        for name in media.intersection(table.column_names):
            for value in table.column(name).take(pa.array(rows)).to_pylist():
                if value is None:
                    continue
                if value["shard"] is None:
                    self._adopted.update([value["uri"]] if counts else [])
                else:
                    found.setdefault(value["shard"], set()).add((value["offset"], value["offset"] + value["size"]))
                    self._num_media_bytes += value["size"] if counts else 0
        return found

    def _part(self, part: PartRecord) -> pa.Table:
        return self._dataset.reader.part(part)

    def _write_part(self, old: PartRecord, table: pa.Table) -> PartRecord:
        new = write_part(self._store, self._dataset.base, table=table)
        self._superseded.add(part_key(old.digest))
        self._written.add(part_key(new.digest))
        self._num_bytes += new.size
        return new

    def _write_shard(self, old: ShardRecord, ranges: set[tuple[int, int]]) -> ShardRecord:
        new = erased_shard(self._store, self._dataset.base, shard=old, ranges=sorted(ranges))
        self._superseded.add(shard_key(old.digest))
        self._written.add(shard_key(new.digest))
        self._num_bytes += new.size
        return new

    def _write_document(self, document: JsonValue) -> str:
        digest = write_document(self._store, self._dataset.base, data=canonical_json(document))
        self._written.add(document_key(digest))
        return digest

    # -- one commit ----------------------------------------------------------------------------------------------

    def _rewritten_commit(
        self, record: CommitRecord, layout: CommitLayout, manifest: CommitManifest | None
    ) -> JsonValue:
        """What the entry says of a commit: its manifest, statistics and root without the rows."""
        number = int(record.commit_id)
        erased = self._rows.of(number)
        before = self._dataset.addresses(self._state.redacted_rows).of(number)
        gone = np.union1d(erased if erased is not None else [], before if before is not None else []).astype(np.int64)
        reader = CommitReader(self._store, self._dataset.base, layout=layout, cache=PartCache())
        table = reader.columns([*record.schema.names, "_digest", "_origin"])
        digests = table.column("_digest").to_pylist()
        is_kept = np.ones(reader.num_rows, dtype=bool)
        is_kept[gone] = False
        kept = table.filter(pa.array(is_kept))
        whole = manifest or self._dataset.reader.manifest(record)
        used = set(pc.unique(kept.column("_origin")).to_pylist())
        origins = tuple(
            origin if idx in used else Origin(REDACTED_ORIGIN, None, None) for idx, origin in enumerate(whole.origins)
        )
        # A rejected row's reason may quote what was purged, and nothing says whose it is.
        rewritten = replace(whole, origins=origins, rejected=())
        accumulator = StatisticsAccumulator(record.schema, label_column=self._dataset.dataset_type.label_column)
        accumulator.add(narrow_table(kept.combine_chunks(), record.schema))
        statistics = write_document(
            self._store,
            self._dataset.base,
            data=plain_json(accumulator.finish(num_rejected=record.num_rejected)),
        )
        self._written.add(document_key(statistics))
        self._superseded.update((document_key(record.manifest), document_key(record.statistics)))
        return {
            "manifest": self._write_document(rewritten.to_json()),
            "statistics": statistics,
            "rows": rows_root(digests),
        }

    def _delete_views(self, snapshots: Sequence[str]) -> set[str]:
        """Delete what was derived from these rows; returns the names of views."""
        forget_indexes(self._store)  # of interrupted commits, which may hold the same texts
        for stat in [*self._store.list(chunks_prefix(self._dataset.base)), *derived_from(self._dataset)]:
            self._store.delete(stat.key)
        safe = set(self._state.snapshots) - set(snapshots)
        keys = [stat.key for stat in views_that_may_hold(self._dataset, safe=safe)]
        for key in keys:
            self._store.delete(key)
        remove_empty_folders(self._store, keys)
        return {key[len(VIEWS) :].partition("/")[0].partition(".")[0] for key in keys}


def _media_names(records: Sequence[CommitRecord]) -> set[str]:
    return {field.name for record in records for field in record.schema if media_kind(field) is not None}


def _without(table: pa.Table, rows: np.ndarray) -> pa.Table:
    """The part with nothing but nulls, and a digest that says nothing, where these rows were."""
    is_gone = np.zeros(table.num_rows, dtype=bool)
    is_gone[rows] = True
    indices = pa.array(np.arange(table.num_rows), mask=is_gone)
    columns: list[pa.ChunkedArray] = []
    fields: list[pa.Field] = []
    for field, column in zip(table.schema, table.columns, strict=True):
        values = column.take(indices)
        if field.name == "_digest":
            values = pc.fill_null(values, pa.scalar(REDACTED_DIGEST, field.type))
        columns.append(values)
        fields.append(field.with_nullable(True))
    return pa.table(columns, schema=pa.schema(fields))
