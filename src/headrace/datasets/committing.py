"""From a source to durable objects, and from them to the log entry that makes them a commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from headrace.datasets.column_choice import check_commit_names
from headrace.datasets.columns import check_columns, media_kind, merge_schemas, schema_to_json
from headrace.datasets.commit_options import CommitOptions
from headrace.datasets.dataset_state import DatasetState
from headrace.datasets.ingest import PreparedCommit, write_commit
from headrace.datasets.kept_indexes import KeptIndexes
from headrace.datasets.leases import Lease
from headrace.datasets.manifests import CommitManifest, document_key
from headrace.datasets.parquet_indexing import ParquetIndexer
from headrace.datasets.records import CommitRecord
from headrace.datasets.rejected_rows import RejectedRows
from headrace.datasets.reported_sources import ReportedFiles, ReportedTable, RowsOnly
from headrace.datasets.schema_evolution import evolved_schema, fitted_batches
from headrace.datasets.shard_indexing import ShardIndexer
from headrace.datasets.sources.adopted_parquet import AdoptedParquet, parquet_with_bytes
from headrace.datasets.sources.adopted_shards import AdoptedShards, plain_tars
from headrace.datasets.sources.derived_rows import DerivedRows
from headrace.datasets.sources.one_schema import one_schema
from headrace.datasets.sources.opening import open_source
from headrace.datasets.sources.peeked_table import PeekedTable
from headrace.datasets.sources.source import FileSource, TableSource
from headrace.datasets.types.base import DatasetType, IngestContext
from headrace.datasets.types.registry import dataset_type
from headrace.errors import InvalidInput
from headrace.progress import NO_PROGRESS
from headrace.storage.canonical import JsonValue
from headrace.storage.locations import Locations
from headrace.storage.parts import part_key
from headrace.storage.shards import shard_key
from headrace.storage.store import ObjectStore

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset

__all__ = ["ReadyCommit", "commit_source", "prepare_commit"]


@dataclass(frozen=True, slots=True)
class ReadyCommit:
    """Durable objects, waiting for their entry."""

    prepared: PreparedCommit
    indexes: KeptIndexes[Any] | None = None  # of adopted files
    claims: str | None = None  # digest of the document that says which watched files it took

    def settle(self) -> None:
        """Remove what only an interrupted commit would need; call it once the entry is claimed."""
        if self.indexes is not None:
            self.indexes.forget()

    @property
    def manifest(self) -> CommitManifest:
        """The commit's manifest."""
        return self.prepared.manifest

    def keys(self) -> list[str]:
        """Keys of all objects that the entry will refer to, below the dataset."""
        return [
            document_key(self.prepared.manifest_digest),
            document_key(self.prepared.statistics_digest),
            *(part_key(part.digest) for part in self.manifest.parts),
            *(shard_key(shard.digest) for shard in self.manifest.shards),
            *([] if self.claims is None else [document_key(self.claims)]),
        ]

    def entry_body(self, *, commit_id: str, message: str) -> Mapping[str, JsonValue]:
        """The body of the log entry: digests and counts, no content of rows."""
        manifest = self.prepared.manifest
        return {
            "commit": commit_id,
            "digest": manifest.logical.digest,
            "manifest": self.prepared.manifest_digest,
            "statistics": self.prepared.statistics_digest,
            "num_rows": manifest.logical.num_rows,
            "num_media_bytes": self.prepared.num_media_bytes,
            "num_rejected": manifest.num_rejected,
            "tags": [list(tag) for tag in manifest.logical.tags],
            "message": message,
            "schema": schema_to_json(manifest.schema),
            **({} if self.claims is None else {"claims": self.claims}),
        }


def prepare_commit(
    store: ObjectStore,
    base: str,
    *,
    state: DatasetState,
    source: object,
    options: CommitOptions,
    locations: Locations,
) -> ReadyCommit:
    """Read, check and write a source's rows for a dataset in the given state.

    Raises:
        InvalidInput: A row breaks a rule; nothing that was written is visible.
    """
    kind = dataset_type(state.type_name)
    declared = evolved_schema(state, kind)
    rejected = RejectedRows()
    opened: TableSource | FileSource = open_source(
        source,
        csv_has_header=kind.csv_has_header,
        limits=options.limits,
        # With types the reader itself refuses a row; to leave rows out, the dataset type must see them as they are.
        schema=declared if options.on_invalid == "raise" else None,
        opener=locations,
        allow_nested=kind.allows_nested_archives,
        tables_are_files=kind.tables_are_files,
        joins_parquet_folders=kind.joins_parquet_folders,
        on_bad_row=rejected.add if options.on_invalid == "skip" else None,
    )
    derived = opened if isinstance(opened, DerivedRows) else None
    if declared is None:
        peeked = PeekedTable.of(opened)
        declared = kind.ingest_schema(peeked.schema)
        opened = peeked
    indexes: KeptIndexes[Any] | None = None
    if options.media == "reference":
        if opened.kind == "files":
            opened, indexes = _indexed_shards(opened, kind, declared, store=store, options=options)
        else:
            opened, indexes = _indexed_parquet(opened, kind, declared, store=store)
    num_rows = opened.num_rows if opened.kind == "table" else opened.num_files
    options.progress.start("reading", total_rows=num_rows, total_bytes=opened.num_bytes)
    progress = options.progress
    if opened.kind == "table":
        # Rows follow where media is placed, bytes where the table is read: that is what its total counts.
        opened, progress = ReportedTable(opened, progress), RowsOnly(progress)
    elif not kind.tables_are_files and progress is not NO_PROGRESS:
        opened = ReportedFiles(opened, progress)
    context = IngestContext(schema=declared, key=state.key, on_invalid=options.on_invalid, locations=locations)
    ingested = kind.ingest(opened, context)
    return ReadyCommit(
        write_commit(
            store,
            base,
            batches=fitted_batches(
                rejected.joined_to(ingested if derived is None else derived.named(ingested)),
                known=state.schema,
                own=declared,
                origins=opened.origins,
                on_invalid=options.on_invalid,
            ),
            origins=opened.origins,
            dataset_type=kind,
            schema=declared,
            key=state.key,
            tags=options.tags,
            media=options.media,
            on_invalid=options.on_invalid,
            raises_repeated_keys=options.claims is not None and options.claims.can_be_split,
            progress=progress,
            locations=locations,
            layout=options.layout,
        ),
        indexes,
        None if options.claims is None else options.claims.write(store, base),
    )


def commit_source(dataset: Dataset, source: object, options: CommitOptions) -> CommitRecord:
    """Write a source's rows and claim the entry that makes them a commit; rivals' commits in between count.

    Raises:
        InvalidInput: A row breaks a rule, or the columns do not go with those that a rival has brought meanwhile.
        NotFound: The source does not exist, or the dataset was deleted.
    """
    lake = dataset.lake
    lake.require_not_deleted(dataset)
    state = dataset.state()
    since = dataset.log_of_entries.number
    lake.store.prepare_for_writing()
    with options.reporting(), Lease(lake.store, dataset.base):
        prepared = prepare_commit(
            lake.store, dataset.base, state=state, source=source, options=options, locations=lake.locations
        )
        schema = prepared.manifest.schema

        def plan(newest: DatasetState) -> Mapping[str, JsonValue]:
            if options.claims is not None:
                options.claims.check(newest)
            if state.declared is None and newest.declared is not None:
                _check_learned(schema, newest.declared)
            check_commit_names(schema, newest)
            check_columns(merge_schemas([newest.schema, schema] if newest.commits else [schema]))
            return prepared.entry_body(commit_id=str(len(newest.commits) + 1), message=options.message)

        entry = dataset.append("commit", plan, refers_to=prepared.keys, since=since)
        prepared.settle()
    number = 0 if entry is None else entry.number
    return next(item for item in reversed(dataset.state().commits) if item.entry == number)


def _check_learned(schema: pa.Schema, declared: pa.Schema) -> None:
    """Raise `InvalidInput` unless the columns are those that a first commit, made meanwhile by another, declared."""
    if {(field.name, field.type) for field in schema} != {(field.name, field.type) for field in declared}:
        raise InvalidInput(
            f"has the columns {', '.join(schema.names)}, but another commit was first and declared "
            f"{', '.join(declared.names)}; commit rows with these columns"
        )


def _indexed_shards(
    source: FileSource, kind: DatasetType, schema: pa.Schema, *, store: ObjectStore, options: CommitOptions
) -> tuple[FileSource, KeptIndexes[Any] | None]:
    """Tar shards that are to be adopted are each read once, side by side, and not again after an interruption."""
    shards = plain_tars(source)
    small_suffixes = kind.small_suffixes()
    columns = [field.name for field in schema if media_kind(field) is not None]
    if shards is None or small_suffixes is None or len(columns) != 1:
        return source, None
    indexer = ShardIndexer(
        probe=kind.probes(schema).get(columns[0]),
        small_suffixes=small_suffixes,
        limits=options.limits,
        allow_nested=kind.allows_nested_archives,
    )
    indexes = KeptIndexes(store, indexer)
    return AdoptedShards([shard.container for shard in shards], indexes, progress=options.progress), indexes


def _indexed_parquet(
    source: TableSource, kind: DatasetType, schema: pa.Schema, *, store: ObjectStore
) -> tuple[TableSource, KeptIndexes[Any] | None]:
    """Parquet files whose bytes are to be adopted are each decoded once, and not again after an interruption."""
    media = [field.name for field in schema if media_kind(field) is not None]
    tables = parquet_with_bytes(source, media)
    if tables is None:
        return source, None
    probes = kind.probes(schema)
    indexes = KeptIndexes(store, ParquetIndexer({name: probes.get(name) for name in media}))
    adopted = AdoptedParquet(tables, media, indexes)
    return (one_schema(adopted, name=adopted.origins[0].uri) if len(tables) > 1 else adopted), indexes
