"""What the entries of a dataset's log add up to."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from operator import attrgetter

import pyarrow as pa

from headrace.datasets.columns import merge_schemas, schema_from_json, type_from_json
from headrace.datasets.lake_state import unknown_operation
from headrace.datasets.records import (
    Collection,
    ColumnRecord,
    CommitRecord,
    Redaction,
    RunRecord,
    SnapshotRecord,
    Visibility,
)
from headrace.storage.canonical import JsonValue, canonical_json, read_json
from headrace.storage.log import LogEntry
from headrace.storage.paged_dict import PagedDict
from headrace.storage.paged_list import PagedList

__all__ = ["DatasetState"]


@dataclass(slots=True)
class DatasetState:
    """One dataset after some entry of its log."""

    uid: str = ""
    type_name: str = ""
    type_version: int = 0
    declared: pa.Schema | None = None  # ingest schema; None until the first commit of a TABLE without a declared one
    key: str | None = None
    on_duplicate_key: str = "keep"  # an `OnDuplicateKey`; checkpoints know plain text
    description: str = ""
    owner: str | None = None
    created_at: str = ""
    updated_at: str = ""
    commits: PagedList[CommitRecord] = field(default_factory=PagedList)
    total_rows: int = 0  # of all commits
    total_media_bytes: int = 0  # of all commits
    snapshots: PagedDict[SnapshotRecord] = field(default_factory=lambda: PagedDict(attrgetter("snapshot_id")))
    aliases: dict[str, str] = field(default_factory=dict)  # to snapshot ids
    runs: PagedList[RunRecord] = field(default_factory=PagedList)
    visibilities: PagedList[Visibility] = field(default_factory=lambda: PagedList([Visibility()]))  # oldest first
    redacted_rows: str | None = None  # digest of the set of addresses whose content was purged
    redactions: PagedList[Redaction] = field(default_factory=PagedList)  # what that set was after each purge
    hold: str | None = None  # why nothing may be purged or collected
    is_closed: bool = False  # the dataset was purged; nothing can be added
    claims: PagedList[str] = field(default_factory=PagedList)  # digests of documents: which watched files commits took
    collections: PagedList[Collection] = field(default_factory=PagedList)  # oldest first
    fixed_rows: dict[str, str] = field(default_factory=dict)  # snapshot ids to digests of sets of addresses
    earlier_layouts: list[str] = field(default_factory=list)  # digests of layouts that later ones replaced
    packs: dict[str, str] = field(default_factory=dict)  # snapshot ids to digests of layouts
    purged_keys: PagedList[str] = field(default_factory=PagedList)  # digests of documents with superseded keys
    columns: dict[str, ColumnRecord] = field(default_factory=dict)  # added ones, by name
    former_columns: list[str] = field(default_factory=list)  # manifests of columns that later ones replaced
    moved_columns: dict[str, str] = field(default_factory=dict)  # manifests to those that hold the same values now
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
            commits=self.commits.copy(),
            snapshots=self.snapshots.copy(),
            aliases=dict(self.aliases),
            runs=self.runs.copy(),
            visibilities=self.visibilities.copy(),
            claims=self.claims.copy(),
            collections=self.collections.copy(),
            purged_keys=self.purged_keys.copy(),
            columns=dict(self.columns),
            former_columns=list(self.former_columns),
            moved_columns=dict(self.moved_columns),
            redactions=self.redactions.copy(),
        )

    def column_manifest(self, digest: str) -> str:
        """The manifest that holds the values of this one now; compaction and purge move them."""
        while digest in self.moved_columns:
            digest = self.moved_columns[digest]
        return digest

    @property
    def column_manifests(self) -> set[str]:
        """Manifests of the added columns and of those that logged snapshots read."""
        read = {manifest for record in self.snapshots.values() for _, manifest in record.columns}
        return {record.manifest for record in self.columns.values()} | read

    @property
    def visibility(self) -> Visibility:
        """What new selections leave out now."""
        return self.visibilities[-1]

    def visibility_at(self, time: int) -> Visibility:
        """What selections left out at a time in microseconds since 1970."""
        return self.visibilities[bisect_right(self.visibilities, time, key=lambda item: item.time) - 1]

    @property
    def visible_commits(self) -> Sequence[CommitRecord]:
        """Commits that new selections may choose, oldest first."""
        hidden = self.visibility.hidden_commits
        return [record for record in self.commits if record.commit_id not in hidden] if hidden else self.commits

    @property
    def num_visible_commits(self) -> int:
        """How many these are, without reading them."""
        return len(self.commits) - len(self.visibility.hidden_commits)

    @property
    def num_visible_rows(self) -> int:
        """Rows of these commits, deleted ones too; only hidden commits are read."""
        return self.total_rows - sum(record.num_rows for record in self._hidden_records())

    @property
    def num_visible_media_bytes(self) -> int:
        """Media bytes of these commits; only hidden commits are read."""
        return self.total_media_bytes - sum(record.num_media_bytes for record in self._hidden_records())

    @property
    def version_hashes(self) -> dict[str, str]:
        """Names of the reference service to the first logged snapshot of each."""
        names: dict[str, str] = {}
        for record in self.snapshots.values():
            if record.version_hash is not None:
                names.setdefault(record.version_hash, record.snapshot_id)
        return names

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
                    body["snapshot"],
                    body["manifest"],
                    body["version_hash"],
                    body.get("deleted"),
                    entry.created_at,
                    entry.actor,
                    tuple(sorted(body.get("columns", {}).items())),
                )
                self.snapshots.add(record)
            case "delete-commit":
                self._hide(entry, self.visibility.hidden_commits | {body["commit"]})
            case "restore-commit":
                self._hide(entry, self.visibility.hidden_commits - {body["commit"]})
            case "delete-rows" | "restore-rows":
                self.visibilities.append(replace(self.visibility, time=entry.time, deleted_rows=body["deleted"]))
            case "revert":
                self._revert(entry, int(body["to"]))
            case "purge":
                self._purge(entry, body)
            case "pack":
                self.packs = {**self.packs, body["snapshot"]: body["layout"]}
            case "compact":
                self._lay_out(body["layout"], body["commits"])
            case "add-columns":
                self._add_columns(entry, body["columns"])
            case "drop-columns":
                self._drop_columns(body["columns"])
            case "compact-columns":
                self._move_columns(body["columns"])
            case "hold":
                self.hold = body["reason"]
            case "release":
                self.hold = None
            case "close":
                self.is_closed = True
            case "forget":
                del self.snapshots[body["snapshot"]]
                self._drop_packs([body["snapshot"]])
            case "collect":
                self.collections.append(Collection(entry.number, entry.time, body["condemned"], body.get("process")))
            case "collected":
                for idx in reversed(range(len(self.collections))):
                    if self.collections[idx].entry == body["entry"]:
                        self.collections[idx] = replace(self.collections[idx], done_entry=entry.number)
                        break
            case "alias":
                self.aliases[body["alias"]] = body["snapshot"]
            case "run":
                self.runs.append(
                    RunRecord(
                        body["run"], body["name"], body["snapshot"], body["document"], entry.created_at, entry.actor
                    )
                )
            case _:
                raise unknown_operation(entry)
        self.updated_at = entry.created_at

    def _hidden_records(self) -> Iterable[CommitRecord]:
        return (self.commits[int(commit_id) - 1] for commit_id in self.visibility.hidden_commits)

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

    def _hide(self, entry: LogEntry, commits: frozenset[str]) -> None:
        self.visibilities.append(replace(self.visibility, time=entry.time, hidden_commits=commits))

    def _revert(self, entry: LogEntry, number: int) -> None:
        """Show what was visible right after a commit."""
        then = self.visibility_at(self.commits[number - 1].time)
        later = {str(later) for later in range(number + 1, len(self.commits) + 1)}
        self.visibilities.append(replace(then, time=entry.time, hidden_commits=then.hidden_commits | later))

    def _purge(self, entry: LogEntry, body: JsonValue) -> None:
        layouts = body["layouts"]
        changes = {
            int(number) - 1: (change["manifest"], change["statistics"], change["rows"])
            for number, change in body["commits"].items()
        }

        def redact(idx: int, record: CommitRecord) -> CommitRecord:
            manifest, statistics, rows = changes[idx]
            return replace(record, manifest=manifest, statistics=statistics, redacted_root=rows)

        self.commits.change(sorted(changes), redact)
        if layouts:
            self.earlier_layouts = [*self.earlier_layouts, *layouts]
            moved = [idx for idx, record in enumerate(self.commits) if record.layout in layouts]
            self.commits.change(moved, lambda _, record: replace(record, layout=layouts[record.layout]))
        self.redacted_rows = body["redacted"]
        self.redactions.append(Redaction(entry.number, body["redacted"]))
        self.fixed_rows = {**self.fixed_rows, **body["fixed"]}
        self.purged_keys.append(body["keys"])
        self._drop_packs(body["packs"])
        self._move_columns(body.get("columns", {}))

    def _add_columns(self, entry: LogEntry, columns: JsonValue) -> None:
        self._drop_columns([item["name"] for item in columns if item["name"] in self.columns])
        for item in columns:
            self.moved_columns.pop(item["manifest"], None)  # the same values again, in the same parts
            self.columns[item["name"]] = ColumnRecord(
                item["name"],
                type_from_json(item["type"]),
                item["manifest"],
                item["num_values"],
                entry.created_at,
                entry.actor,
            )

    def _drop_columns(self, names: Iterable[str]) -> None:
        for name in names:
            self.former_columns.append(self.columns.pop(name).manifest)

    def _move_columns(self, moved: JsonValue) -> None:
        """Let whoever read a manifest read another with the same values, less purged ones."""
        self.former_columns.extend(moved)
        for old, change in moved.items():
            self.moved_columns.pop(change["manifest"], None)
            self.moved_columns[old] = change["manifest"]
        for name, record in self.columns.items():
            if record.manifest in moved:
                change = moved[record.manifest]
                self.columns[name] = replace(record, manifest=change["manifest"], num_values=change["num_values"])
        for name, snapshot in self.snapshots.items():
            if any(manifest in moved for _, manifest in snapshot.columns):
                columns = tuple((column, self.column_manifest(manifest)) for column, manifest in snapshot.columns)
                self.snapshots[name] = replace(snapshot, columns=columns)

    def _drop_packs(self, snapshots: Iterable[str]) -> None:
        gone = set(snapshots)
        self.packs = {name: layout for name, layout in self.packs.items() if name not in gone}

    def _lay_out(self, layout: str, ranges: JsonValue) -> None:
        used = {record.layout for first, last in ranges for record in self.commits[first - 1 : last]}
        self.earlier_layouts = [*self.earlier_layouts, *sorted(item for item in used if item is not None)]
        for first, last in ranges:
            self.commits.change(range(first - 1, last), lambda _, record: replace(record, layout=layout))

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
            schema=_shared_schema(canonical_json(body["schema"])),
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
        if "claims" in body:
            self.claims.append(body["claims"])
        self.total_rows += record.num_rows
        self.total_media_bytes += record.num_media_bytes


@lru_cache(maxsize=256)
def _shared_schema(document: bytes) -> pa.Schema:
    """One object for equal schemas, so that ten thousand commits hold one."""
    return schema_from_json(read_json(document, name="schema"))
