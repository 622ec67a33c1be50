"""One dataset of a lake: commits come in, snapshots go out."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from headrace.datasets.columns import check_columns, merge_schemas
from headrace.datasets.commit import Commit
from headrace.datasets.committing import CommitOptions, prepare_commit
from headrace.datasets.manifests import read_document, write_document
from headrace.datasets.reading import DatasetReader
from headrace.datasets.selection import OnDuplicateKey, Selection
from headrace.datasets.snapshot import Snapshot
from headrace.datasets.state import CommitRecord, DatasetState, RunRecord
from headrace.datasets.types.base import DatasetType
from headrace.datasets.types.registry import dataset_type
from headrace.datasets.version_hash import version_hash
from headrace.errors import DataCorrupted, InvalidInput, NotFound
from headrace.schema.names import near_miss
from headrace.schema.references import Selector
from headrace.schema.tags import TagsLike, has_tags, normalise_tags
from headrace.storage.canonical import JsonValue, canonical_json
from headrace.storage.log import EntryLog
from headrace.units import format_count, parse_timestamp

if TYPE_CHECKING:
    from headrace.datasets.lake import Lake

__all__ = ["Dataset"]

_KEPT_SNAPSHOTS = 64


class Dataset:
    """A named, typed, growing group of samples. Safe to use from several threads and processes."""

    def __init__(self, lake: Lake, *, dataset_id: str, name: str, uid: str) -> None:
        self._lake = lake
        self._id = dataset_id
        self._name = name
        self.base = f"datasets/{uid}/"
        self.log_of_entries: EntryLog[DatasetState] = EntryLog(
            lake.store, self.base, state=DatasetState(), actor=lake.actor, clock=lake.clock
        )
        self._lock = threading.Lock()
        self._snapshots: OrderedDict[str, Snapshot] = OrderedDict()
        self.reader = DatasetReader(lake.store, self.base, cache=lake.part_cache, locations=lake.locations)

    # -- what it is ---------------------------------------------------------------------------------------------

    @property
    def lake(self) -> Lake:
        """The lake that holds it."""
        return self._lake

    @property
    def id(self) -> str:
        """Number of the dataset in its lake, from "1", never reused."""
        return self._id

    @property
    def name(self) -> str:
        """Unique in the lake."""
        return self._name

    @property
    def type(self) -> str:
        """Name of the dataset's type, for example "IMAGE_CLASS"."""
        return self.state().type_name

    @property
    def dataset_type(self) -> DatasetType:
        """The type itself."""
        return dataset_type(self.type)

    @property
    def owner(self) -> str | None:
        """Who answers for it."""
        return self.state().owner

    @property
    def description(self) -> str:
        """What the creator said of it."""
        return self.state().description

    @property
    def created_at(self) -> str:
        """Time of the first log entry, ISO 8601 in UTC."""
        return self.state().created_at

    @property
    def key(self) -> str | None:
        """The column whose values tell samples apart; None: rows are a multiset."""
        return self.state().key

    @property
    def on_duplicate_key(self) -> str:
        """What a key in several commits means: "keep" both rows, or "replace" by the later one."""
        return self.state().on_duplicate_key

    @property
    def schema(self) -> pa.Schema:
        """The declared columns, then those that commits brought along."""
        return self.state().schema

    @property
    def statistics(self) -> Any:
        """Statistics over all rows of all commits."""
        return self.select().statistics

    @property
    def num_rows(self) -> int:
        """Rows of all commits together, before duplicate keys are resolved."""
        return sum(record.num_rows for record in self.state().commits)

    @property
    def aliases(self) -> dict[str, str]:
        """Alias to snapshot id."""
        return dict(sorted(self.state().aliases.items()))

    @property
    def snapshots(self) -> list[str]:
        """Ids of the logged snapshots, oldest first."""
        return list(self.state().snapshots)

    @property
    def runs(self) -> list[RunRecord]:
        """Recorded runs, oldest first."""
        return list(self.state().runs)

    def state(self) -> DatasetState:
        """The dataset after the newest entry of its log.

        Raises:
            DataCorrupted: An entry is not what was written, or the first one is gone.
        """
        state = self.log_of_entries.refresh()
        if not state.uid and self._id:
            raise DataCorrupted(
                f"dataset {self._name!r} is registered, but {self._lake.uri}/{self.log_of_entries.key(1)} is missing; "
                "restore it from a copy of the lake"
            )
        return state

    def log(self) -> list[Commit]:
        """All commits, oldest first."""
        return [Commit(record, reader=self.reader) for record in self.state().commits]

    def to_json(self) -> dict[str, Any]:
        """The dataset as a plain document, without reading anything but the log."""
        state = self.state()
        return {
            "id": self._id,
            "name": self._name,
            "type": state.type_name,
            "description": state.description,
            "owner": state.owner,
            "key": state.key,
            "on_duplicate_key": state.on_duplicate_key,
            "created_at": state.created_at,
            "updated_at": state.updated_at,
            "num_commits": len(state.commits),
            "num_rows": sum(record.num_rows for record in state.commits),
            "columns": {field.name: str(field.type) for field in state.schema},
            "aliases": dict(sorted(state.aliases.items())),
        }

    # -- commits ------------------------------------------------------------------------------------------------

    def commit(
        self,
        source: object,
        *,
        message: str = "",
        tags: TagsLike | None = None,
        media: str = "copy",
        on_invalid: str = "raise",
        **options: Any,
    ) -> Commit:
        """Add the rows of a source as one immutable commit; on an error nothing of it is visible.

        Args:
            source: Path, URI, list of them, glob, folder, .zip/.tar(.gz/.zst), .csv/.json/.jsonl/.parquet, Arrow
            table or
                reader, pandas or polars frame, iterable of dicts.
            message: Shown in the log.
            tags: key=value marks, by which snapshots choose commits.
            media: "copy" packs media bytes into the lake, "reference" adopts them where they lie.
            on_invalid: "raise" refuses the whole commit at the first invalid row, "skip" leaves such rows out and lists
                them in `commit.rejected`.
            options: Fields of `CommitOptions`: progress, layout, limits.

        Raises:
            InvalidInput: A row breaks a rule of the type; says file, line and column.
            NotFound: The source does not exist.
        """
        settings = CommitOptions.of(message=message, tags=tags, media=media, on_invalid=on_invalid, options=options)
        state = self.state()
        self._lake.store.prepare_for_writing()
        with settings.reporting():
            prepared = prepare_commit(
                self._lake.store,
                self.base,
                state=state,
                source=source,
                options=settings,
                locations=self._lake.locations,
            )

            def plan(newest: DatasetState) -> Mapping[str, JsonValue]:
                if state.declared is None and newest.declared is not None:
                    _check_learned(prepared.manifest.schema, newest.declared)
                check_columns(
                    merge_schemas(
                        [newest.schema, prepared.manifest.schema] if newest.commits else [prepared.manifest.schema]
                    )
                )
                return prepared.entry_body(commit_id=str(len(newest.commits) + 1), message=settings.message)

            entry = self.log_of_entries.append("commit", plan)
        number = 0 if entry is None else entry.number
        record = next(item for item in reversed(self.state().commits) if item.entry == number)
        return Commit(record, reader=self.reader)

    # -- snapshots ----------------------------------------------------------------------------------------------

    def snapshot(
        self,
        *,
        tags: TagsLike | None = None,
        upto: str | int | None = None,
        where: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> Snapshot:
        """A logged snapshot of the commits that carry every given tag; copies nothing, the same choice gives the
        same id.

        Args:
            tags: Commits must have all of these; None chooses all.
            upto: Only commits with this id or a lower one.
            where: A DuckDB expression over the columns, for example "len(text) > 20".
            columns: Only these columns, in this order.

        Raises:
            NotFound: `upto` names no commit.
            InvalidInput: A bad filter or an unknown column.
        """
        return self.log_snapshot(self.select(tags=tags, upto=upto, where=where, columns=columns))

    def select(
        self,
        *,
        tags: TagsLike | None = None,
        upto: str | int | None = None,
        until: int | None = None,
        where: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> Snapshot:
        """Like `snapshot`, but nothing is logged: for reading. `until` is a time in microseconds since 1970."""
        state = self.state()
        wanted = normalise_tags(tags)
        last = self._commit_number(state, upto)
        chosen = [
            record
            for number, record in enumerate(state.commits, 1)
            if number <= last and has_tags(record.tags, wanted) and (until is None or record.time <= until)
        ]
        schema = merge_schemas([record.schema for record in chosen]) if chosen else state.schema
        if chosen and state.declared is not None:
            schema = _declared_first(schema, state.declared)
        selection = Selection(
            type_name=state.type_name,
            type_version=state.type_version,
            schema=schema,
            key=state.key,
            on_duplicate_key="replace" if state.on_duplicate_key == "replace" else "keep",
            commits=tuple(record.digest for record in chosen),
            columns=None if columns is None else self._columns(columns, schema),
            where=self._filter(where, schema),
        )
        name = version_hash(int(record.commit_id) for record in chosen) if where is None and columns is None else None
        return Snapshot(self, selection, commits=chosen, version_hash=name)

    def resolve(self, selector: Selector) -> Snapshot:
        """The snapshot that a reference's selector names; reading it logs nothing.

        Raises:
            NotFound: There is no such alias, id or commit.
        """
        match selector.kind:
            case "all":
                return self.select()
            case "upto":
                return self.select(upto=selector.value)
            case "time":
                return self.select(until=parse_timestamp(selector.value))
            case "alias":
                state = self.state()
                snapshot_id = state.aliases.get(selector.value)
                if snapshot_id is None:
                    known = ", ".join(sorted(state.aliases)) or "none yet"
                    raise NotFound(
                        f"dataset {self._name!r} has no alias "
                        f"{selector.value!r}.{near_miss(selector.value, list(state.aliases))} "
                        f"Aliases: {known}. To create it: headrace snapshot {self._reference()} --alias "
                        f"{selector.value}"
                    )
                return self._logged(state, snapshot_id)
            case _:
                state = self.state()
                matches = [item for item in state.snapshots if item.startswith(selector.value)]
                if len(matches) != 1:
                    raise NotFound(
                        f"dataset {self._name!r} has {'no snapshot' if not matches else f'{len(matches)} snapshots'} "
                        "whose id "
                        f"starts with {selector.value!r}; to see all: headrace dataset show {self._reference()}"
                    )
                return self._logged(state, matches[0])

    def log_snapshot(self, snapshot: Snapshot) -> Snapshot:
        """Write the snapshot's manifest and its log entry, once for each new id."""
        if snapshot.id in self.state().snapshots:
            return snapshot
        self._lake.store.prepare_for_writing()
        selection = snapshot.selection
        document = {
            "format": 1,
            "selection": selection.to_json(),
            "column_order": selection.schema.names,
            "commit_ids": [commit.id for commit in snapshot.commits],
            "num_rows": snapshot.num_rows,
        }
        manifest = write_document(self._lake.store, self.base, data=canonical_json(document))

        def plan(state: DatasetState) -> Mapping[str, JsonValue] | None:
            if snapshot.id in state.snapshots:
                return None
            return {"snapshot": snapshot.id, "manifest": manifest, "version_hash": snapshot.version_hash}

        self.log_of_entries.append("snapshot", plan)
        return snapshot

    def logged_snapshot(self, snapshot_id: str) -> Snapshot:
        """The logged snapshot with this whole id.

        Raises:
            NotFound: None was logged.
        """
        return self.resolve(Selector("id", snapshot_id))

    def snapshot_by_version_hash(self, name: str) -> Snapshot:
        """The first snapshot that was prepared under the reference service's name.

        Raises:
            NotFound: None was.
        """
        state = self.state()
        snapshot_id = state.version_hashes.get(name)
        if snapshot_id is None:
            raise NotFound(f"dataset {self._name!r} has no snapshot with the version hash {name!r}")
        return self._logged(state, snapshot_id)

    def set_alias(self, name: str, snapshot: Snapshot) -> None:
        """Point an alias to a snapshot of this dataset, logging the snapshot if it is not yet."""
        self.log_snapshot(snapshot)

        def plan(state: DatasetState) -> Mapping[str, JsonValue] | None:
            return None if state.aliases.get(name) == snapshot.id else {"alias": name, "snapshot": snapshot.id}

        self.log_of_entries.append("alias", plan)

    def aliases_of(self, snapshot_id: str) -> list[str]:
        """Names that point to a snapshot now."""
        return sorted(name for name, target in self.state().aliases.items() if target == snapshot_id)

    def __repr__(self) -> str:
        state = self.state()
        rows = format_count(sum(record.num_rows for record in state.commits))
        return f"<Dataset {self._id} {self._name!r} {state.type_name} {len(state.commits)} commits {rows} rows>"

    def _repr_html_(self) -> str:
        from headrace.datasets.html_reprs import html_table

        return html_table(f"Dataset {self._name}", self.to_json())

    # -- inside ---------------------------------------------------------------------------------------------------

    def _reference(self) -> str:
        return f"{self._lake.uri}::{self._name}"

    def _commit_number(self, state: DatasetState, upto: str | int | None) -> int:
        if upto is None:
            return len(state.commits)
        text = str(upto)
        if not any(record.commit_id == text for record in state.commits):
            raise NotFound(
                f"there is no commit {text!r} in dataset {self._name!r}; it has the commits 1 to {len(state.commits)}. "
                f"To see them: headrace dataset log {self._reference()}"
            )
        return int(text)

    def _columns(self, columns: Sequence[str], schema: pa.Schema) -> tuple[str, ...]:
        if isinstance(columns, str):
            raise InvalidInput(f"columns={columns!r}: expected a list of names")
        for name in columns:
            if name not in schema.names:
                raise InvalidInput(
                    f"dataset {self._name!r} has no column {name!r}.{near_miss(name, schema.names)} Columns: "
                    f"{', '.join(schema.names)}",
                    column=name,
                )
        if not columns or len(set(columns)) != len(columns):
            raise InvalidInput(f"columns={list(columns)}: expected at least one column, each once")
        return tuple(columns)

    def _filter(self, where: str | None, schema: pa.Schema) -> str | None:
        if where is None:
            return None
        from headrace.datasets.filters import Filter

        return Filter.parse(where, schema).expression

    def _logged(self, state: DatasetState, snapshot_id: str) -> Snapshot:
        """A logged snapshot; the latest are kept, because a filter's rows are worth finding only once."""
        with self._lock:
            known = self._snapshots.get(snapshot_id)
            if known is None:
                known = self._snapshots[snapshot_id] = self._read_snapshot(state, snapshot_id)
                while len(self._snapshots) > _KEPT_SNAPSHOTS:
                    self._snapshots.popitem(last=False)
            else:
                self._snapshots.move_to_end(snapshot_id)
            return known

    def _read_snapshot(self, state: DatasetState, snapshot_id: str) -> Snapshot:
        record = state.snapshots[snapshot_id]
        document = read_document(self._lake.store, self.base, digest=record.manifest)
        selection = Selection.from_json(document["selection"], column_order=document["column_order"])
        by_id: dict[str, CommitRecord] = {item.commit_id: item for item in state.commits}
        return Snapshot(
            self,
            selection,
            commits=[by_id[commit_id] for commit_id in document["commit_ids"]],
            version_hash=record.version_hash,
            num_rows=document["num_rows"],
        )


def _check_learned(schema: pa.Schema, declared: pa.Schema) -> None:
    """Raise `InvalidInput` unless the columns are those that a first commit, made meanwhile by another, declared."""
    if {(field.name, field.type) for field in schema} != {(field.name, field.type) for field in declared}:
        raise InvalidInput(
            f"has the columns {', '.join(schema.names)}, but another commit was first and declared "
            f"{', '.join(declared.names)}; commit rows with these columns"
        )


def _declared_first(schema: pa.Schema, declared: pa.Schema) -> pa.Schema:
    names = [name for name in declared.names if name in schema.names]
    rest = [name for name in schema.names if name not in names]
    return pa.schema([schema.field(name) for name in [*names, *rest]])


def check_on_duplicate_key(value: str | None, *, dataset_type_name: str, key: str | None) -> OnDuplicateKey:
    """The rule to store: as asked, else "replace" for a TABLE with a key and "keep" otherwise.

    Raises:
        InvalidInput: Another word, or "replace" without a key.
    """
    if value is None:
        return "replace" if dataset_type_name == "TABLE" and key is not None else "keep"
    if value not in ("keep", "replace"):
        raise InvalidInput(f"on_duplicate_key={value!r}: expected 'keep' or 'replace'")
    if value == "replace" and key is None:
        raise InvalidInput("on_duplicate_key='replace' needs a key; declare one with key=COLUMN")
    return "replace" if value == "replace" else "keep"
