"""From a source to durable objects that only need a log entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import pyarrow as pa

from headrace.datasets.batches import Origin, RowBatch
from headrace.datasets.columns import media_kind, schema_to_json
from headrace.datasets.dataset_state import DatasetState
from headrace.datasets.file_claims import FileClaims
from headrace.datasets.ingest import IngestLayout, MediaMode, PreparedCommit, write_commit
from headrace.datasets.kept_indexes import KeptIndexes
from headrace.datasets.manifests import CommitManifest, document_key
from headrace.datasets.parquet_indexing import ParquetIndexer
from headrace.datasets.rejected_rows import RejectedRows
from headrace.datasets.reported_sources import ReportedFiles, ReportedTable, RowsOnly
from headrace.datasets.schema_evolution import evolved_schema, fitted_batches
from headrace.datasets.shard_indexing import ShardIndexer
from headrace.datasets.sources.adopted_parquet import AdoptedParquet, parquet_with_bytes
from headrace.datasets.sources.adopted_shards import AdoptedShards, plain_tars
from headrace.datasets.sources.derived_rows import DerivedRows
from headrace.datasets.sources.one_schema import one_schema
from headrace.datasets.sources.opening import open_source
from headrace.datasets.sources.source import FileSource, TableSource
from headrace.datasets.types.base import DatasetType, IngestContext, OnInvalid
from headrace.datasets.types.registry import dataset_type
from headrace.errors import InvalidInput
from headrace.progress import NO_PROGRESS, Progress
from headrace.schema.free_text import check_text
from headrace.schema.tags import Tag, TagsLike, normalise_tags
from headrace.storage.archive_limits import ArchiveLimits
from headrace.storage.canonical import JsonValue
from headrace.storage.locations import Locations
from headrace.storage.parts import part_key
from headrace.storage.shards import shard_key
from headrace.storage.store import ObjectStore

__all__ = ["CommitOptions", "ReadyCommit", "prepare_commit"]


@dataclass(frozen=True, slots=True)
class CommitOptions:
    """How a source is taken in."""

    message: str = ""
    tags: tuple[Tag, ...] = ()
    media: MediaMode = "copy"
    on_invalid: OnInvalid = "raise"
    progress: Progress = NO_PROGRESS
    layout: IngestLayout = field(default_factory=IngestLayout)
    limits: ArchiveLimits = field(default_factory=ArchiveLimits)
    claims: FileClaims | None = None  # files of a watched place that no other commit may have taken

    @classmethod
    def of(
        cls, *, message: str, tags: TagsLike | None, media: str, on_invalid: str, options: Mapping[str, Any]
    ) -> CommitOptions:
        """Checked options.

        Raises:
            InvalidInput: An unknown option or a value outside its range.
        """
        if media not in ("copy", "reference"):
            raise InvalidInput(f"media={media!r}: expected 'copy' or 'reference'")
        if on_invalid not in ("raise", "skip"):
            raise InvalidInput(f"on_invalid={on_invalid!r}: expected 'raise' or 'skip'")
        check_text(message, "message")
        known = {item.name for item in fields(cls)} - {"message", "tags", "media", "on_invalid"}
        for name in options:
            if name not in known:
                raise InvalidInput(f"commit() has no option {name!r}; it has {', '.join(sorted(known))}")
        kinds = {"progress": Progress, "layout": IngestLayout, "limits": ArchiveLimits, "claims": FileClaims}
        for name, value in options.items():
            if not isinstance(value, kinds[name]):
                raise InvalidInput(f"{name}= is a {type(value).__name__}; expected {kinds[name].__name__}")
        media_mode: Literal["copy", "reference"] = "reference" if media == "reference" else "copy"
        policy: Literal["raise", "skip"] = "skip" if on_invalid == "skip" else "raise"
        return cls(message, normalise_tags(tags), media_mode, policy, **options)

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Ends the progress on every path."""
        try:
            yield
        finally:
            self.progress.finish()


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


class PeekedTable:
    """A table source whose first batch was read to learn the columns; streams can be read only once."""

    kind: Literal["table"]

    def __init__(self, source: TableSource, *, first: RowBatch, rest: Iterator[RowBatch]) -> None:
        self.kind = "table"
        self.origins: list[Origin] = source.origins
        self.num_rows: int | None = source.num_rows
        self.num_bytes: int | None = source.num_bytes
        self.is_csv: bool = source.is_csv
        self.schema: pa.Schema = first.table.schema
        self._first = first
        self._rest = rest

    @classmethod
    def of(cls, source: TableSource | FileSource) -> PeekedTable:
        """Read the first batch.

        Raises:
            InvalidInput: The source has no columns or no rows.
        """
        if source.kind != "table":
            raise InvalidInput(
                "a TABLE needs rows with columns: CSV, JSON, Parquet, Arrow, a data frame or dicts, not a "
                "folder of files"
            )
        batches = source.batches()
        first = next(batches, None)
        if first is None:
            raise InvalidInput("the source has no rows, so its columns are unknown; declare them with schema=")
        return cls(source, first=first, rest=batches)

    def batches(self) -> Iterator[RowBatch]:
        """All rows, once."""
        yield self._first
        yield from self._rest
