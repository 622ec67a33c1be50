"""What the log of a dataset knows of each thing in it, without reading any other object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from headrace.datasets.html_reprs import HtmlTable
from headrace.schema.tags import Tag
from headrace.storage.canonical import JsonValue

__all__ = [
    "Collection",
    "ColumnRecord",
    "CommitRecord",
    "OnDuplicateKey",
    "Redaction",
    "RunRecord",
    "SnapshotRecord",
    "Visibility",
]

OnDuplicateKey = Literal["keep", "replace"]
"""What a key in several commits means: both rows stay, or the later one counts."""


@dataclass(frozen=True, slots=True)
class CommitRecord:
    """A commit as the log tells it, without reading any other object."""

    commit_id: str  # "1", "2", …
    digest: str  # BLAKE3 hex of the logical commit
    manifest: str  # digest of the manifest object
    statistics: str  # digest of the statistics object
    num_rows: int
    num_media_bytes: int
    num_rejected: int
    tags: tuple[Tag, ...]
    message: str
    schema: pa.Schema
    time: int  # microseconds since 1970
    created_at: str
    actor: str
    entry: int  # number of the log entry
    layout: str | None = None  # digest of the document that says where the rows lie now; None: as the manifest says
    redacted_root: str | None = None  # what the row digests add up to since rows were purged


@dataclass(frozen=True, slots=True)
class SnapshotRecord:
    """A logged snapshot."""

    snapshot_id: str
    manifest: str  # digest of the manifest object
    version_hash: str | None
    deleted: str | None  # digest of the set of rows that it leaves out
    created_at: str
    actor: str
    columns: tuple[tuple[str, str], ...] = ()  # added columns that it reads, with digests of their manifests


@dataclass(frozen=True, slots=True)
class ColumnRecord(HtmlTable):
    """An added column as it is now."""

    name: str
    data_type: pa.DataType
    manifest: str  # digest of the document that says where its values lie
    num_values: int  # rows that have one
    created_at: str
    actor: str

    def to_json(self) -> dict[str, JsonValue]:
        """A plain document."""
        return {
            "name": self.name,
            "type": str(self.data_type),
            "num_values": self.num_values,
            "created_at": self.created_at,
            "actor": self.actor,
        }


@dataclass(frozen=True, slots=True)
class RunRecord(HtmlTable):
    """A recorded use of a snapshot."""

    run_id: str
    name: str
    snapshot_id: str
    document: str  # digest of the object with artefacts and metrics
    created_at: str
    actor: str


@dataclass(frozen=True, slots=True)
class Visibility:
    """What new selections leave out from some time on."""

    time: int = 0  # microseconds since 1970
    hidden_commits: frozenset[str] = frozenset()  # ids
    deleted_rows: str | None = None  # digest of a set of addresses (commit number, ordinal)


@dataclass(frozen=True, slots=True)
class Redaction:
    """The rows whose content was gone after a purge."""

    entry: int  # number of the purge's log entry
    rows: str | None  # digest of a set of addresses


@dataclass(frozen=True, slots=True)
class Collection:
    """A garbage collection: from its entry on nobody may refer to what it condemned, until it is done."""

    entry: int  # number of its log entry
    time: int  # microseconds since 1970
    condemned: str  # digest of the document with the keys
    process: str | None = None  # that collects, as `collector_process` describes it
    done_entry: int | None = None  # number of the log entry that says that all of it is gone

    @property
    def is_done(self) -> bool:
        """Whether nothing of it is removed any more."""
        return self.done_entry is not None
