"""What the entries of the two kinds of logs add up to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pyarrow as pa

from headrace.datasets.columns import merge_schemas, schema_from_json
from headrace.datasets.html_reprs import HtmlTable
from headrace.errors import Unavailable
from headrace.schema.tags import Tag
from headrace.storage.canonical import JsonValue
from headrace.storage.log import LogEntry

__all__ = [
    "CommitRecord",
    "DatasetRecord",
    "DatasetState",
    "LakeState",
    "OnDuplicateKey",
    "RunRecord",
    "SnapshotRecord",
]

OnDuplicateKey = str  # "keep" | "replace"


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """A line of the lake's register."""

    dataset_id: str  # "1", "2", …
    uid: str  # folder below datasets/
    name: str


@dataclass(slots=True)
class LakeState:
    """All datasets of a lake, by id and by name."""

    by_id: dict[str, DatasetRecord] = field(default_factory=dict)
    by_name: dict[str, DatasetRecord] = field(default_factory=dict)

    def apply(self, entry: LogEntry) -> None:
        """Take in one entry of the lake's log."""
        body = entry.body
        match entry.operation:
            case "create-dataset":
                record = DatasetRecord(body["dataset"], body["uid"], body["name"])
                self.by_id[record.dataset_id] = record
                self.by_name[record.name] = record
            case _:
                raise _unknown(entry)

    def copy(self) -> LakeState:
        """A state that later entries do not change."""
        return LakeState(dict(self.by_id), dict(self.by_name))

    @property
    def next_id(self) -> str:
        """The id of the next dataset; ids are never reused."""
        return str(len(self.by_id) + 1)


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


@dataclass(frozen=True, slots=True)
class SnapshotRecord:
    """A logged snapshot."""

    snapshot_id: str
    manifest: str  # digest of the manifest object
    version_hash: str | None
    created_at: str
    actor: str


@dataclass(frozen=True, slots=True)
class RunRecord(HtmlTable):
    """A recorded use of a snapshot."""

    run_id: str
    name: str
    snapshot_id: str
    document: str  # digest of the object with artefacts and metrics
    created_at: str
    actor: str


@dataclass(slots=True)
class DatasetState:
    """One dataset after some entry of its log."""

    uid: str = ""
    type_name: str = ""
    type_version: int = 0
    declared: pa.Schema | None = None  # ingest schema; None until the first commit of a TABLE without a declared one
    key: str | None = None
    on_duplicate_key: OnDuplicateKey = "keep"
    description: str = ""
    owner: str | None = None
    created_at: str = ""
    updated_at: str = ""
    commits: list[CommitRecord] = field(default_factory=list)
    snapshots: dict[str, SnapshotRecord] = field(default_factory=dict)
    version_hashes: dict[str, str] = field(default_factory=dict)  # to snapshot ids
    aliases: dict[str, str] = field(default_factory=dict)  # to snapshot ids
    runs: list[RunRecord] = field(default_factory=list)
    _schema: pa.Schema | None = None

    @property
    def schema(self) -> pa.Schema:
        """The declared columns and those that commits brought along."""
        if self._schema is None:
            return pa.schema([]) if self.declared is None else self.declared
        return self._schema

    def copy(self) -> DatasetState:
        """A state that later entries do not change."""
        return replace(
            self,
            commits=list(self.commits),
            snapshots=dict(self.snapshots),
            version_hashes=dict(self.version_hashes),
            aliases=dict(self.aliases),
            runs=list(self.runs),
        )

    def apply(self, entry: LogEntry) -> None:
        """Take in one entry of the dataset's log."""
        body = entry.body
        match entry.operation:
            case "create":
                self._create(entry, body)
            case "commit":
                self._commit(entry, body)
            case "snapshot":
                record = SnapshotRecord(
                    body["snapshot"], body["manifest"], body["version_hash"], entry.created_at, entry.actor
                )
                self.snapshots[record.snapshot_id] = record
                if record.version_hash is not None:
                    self.version_hashes.setdefault(record.version_hash, record.snapshot_id)
            case "alias":
                self.aliases[body["alias"]] = body["snapshot"]
            case "run":
                self.runs.append(
                    RunRecord(
                        body["run"], body["name"], body["snapshot"], body["document"], entry.created_at, entry.actor
                    )
                )
            case _:
                raise _unknown(entry)
        self.updated_at = entry.created_at

    def _create(self, entry: LogEntry, body: JsonValue) -> None:
        self.uid = body["uid"]
        self.type_name = body["type"]
        self.type_version = body["type_version"]
        self.declared = None if body["schema"] is None else schema_from_json(body["schema"])
        self.key = body["key"]
        self.on_duplicate_key = body["on_duplicate_key"]
        self.description = body["description"]
        self.owner = body["owner"]
        self.created_at = entry.created_at

    def _commit(self, entry: LogEntry, body: JsonValue) -> None:
        record = CommitRecord(
            commit_id=body["commit"],
            digest=body["digest"],
            manifest=body["manifest"],
            statistics=body["statistics"],
            num_rows=body["num_rows"],
            num_media_bytes=body["num_media_bytes"],
            num_rejected=body["num_rejected"],
            tags=tuple((key, value) for key, value in body["tags"]),
            message=body["message"],
            schema=schema_from_json(body["schema"]),
            time=entry.time,
            created_at=entry.created_at,
            actor=entry.actor,
            entry=entry.number,
        )
        if self.declared is None:
            self.declared = record.schema
        if self._schema is None:
            self._schema = record.schema
        elif self._schema != record.schema:
            self._schema = merge_schemas([self._schema, record.schema])
        self.commits.append(record)


def _unknown(entry: LogEntry) -> Unavailable:
    return Unavailable(
        f"log entry {entry.number} holds the operation {entry.operation!r}, which this version of "
        "Headrace does not know; "
        "update Headrace"
    )
