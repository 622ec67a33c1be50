"""One dataset of a lake: commits come in, snapshots go out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from headrace.datasets.addresses import EMPTY, AddressSet, read_addresses
from headrace.datasets.claiming import claim
from headrace.datasets.commit import Commit
from headrace.datasets.commit_options import CommitOptions
from headrace.datasets.committing import commit_source
from headrace.datasets.dataset_state import DatasetState
from headrace.datasets.deleting import change_commit, delete_rows, restore_rows, revert
from headrace.datasets.kept_values import KeptValues
from headrace.datasets.reading import DatasetReader
from headrace.datasets.records import ColumnRecord, CommitRecord, RunRecord
from headrace.datasets.selecting import commit_number, select, selection_of
from headrace.datasets.sidecars import ColumnReader
from headrace.datasets.snapshot import Snapshot
from headrace.datasets.snapshot_register import SnapshotRegister
from headrace.datasets.state_checkpoints import DATASET_FORM
from headrace.datasets.types.base import DatasetType
from headrace.datasets.types.registry import dataset_type
from headrace.errors import DataCorrupted, InvalidInput, PermissionDenied
from headrace.progress import NO_PROGRESS, Progress
from headrace.schema.free_text import check_text
from headrace.schema.references import Selector
from headrace.schema.tags import TagsLike
from headrace.storage.canonical import JsonValue
from headrace.storage.log import EntryLog, LogEntry
from headrace.units import format_count

if TYPE_CHECKING:
    from headrace.datasets.adding_columns import AddColumnsReport
    from headrace.datasets.changes import Changes
    from headrace.datasets.compacting import CompactionReport
    from headrace.datasets.lake import Lake
    from headrace.datasets.layout_writing import ContainerSizes
    from headrace.datasets.promoting import PromotionReport
    from headrace.datasets.purging import PurgeReport
    from headrace.datasets.watching import RefusedFiles

__all__ = ["Dataset"]

_KEPT_ADDRESS_SETS = 64


class Dataset:
    """A named, typed, growing group of samples. Safe to use from several threads and processes."""

    def __init__(self, lake: Lake, *, dataset_id: str, name: str, uid: str, display_name: str | None = None) -> None:
        self._lake = lake
        self._id = dataset_id
        self._name = name
        self._display_name = display_name
        self.base = f"datasets/{uid}/"
        self.log_of_entries: EntryLog[DatasetState] = EntryLog(
            lake.store, self.base, state=DatasetState(), actor=lake.actor, clock=lake.clock, form=DATASET_FORM
        )
        self._register = SnapshotRegister(self)
        self._address_sets: KeptValues[str, AddressSet] = KeptValues(_KEPT_ADDRESS_SETS)
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
    def display_name(self) -> str:
        """What its creator called it, any text; the name unless that could not be one."""
        return self._name if self._display_name is None else self._display_name

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
        """Rows of all visible commits together less the deleted ones, before duplicate keys are resolved."""
        return self._num_rows(self.state())

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
        """All commits, oldest first; deleted ones say so."""
        state = self.state()
        hidden = state.visibility.hidden_commits
        return [Commit(record, reader=self.reader, is_deleted=record.commit_id in hidden) for record in state.commits]

    def to_json(self) -> dict[str, Any]:
        """The dataset as a plain document, without reading anything but the log."""
        state = self.state()
        return {
            "id": self._id,
            "name": self._name,
            **({} if self._display_name is None else {"display_name": self._display_name}),
            "type": state.type_name,
            "description": state.description,
            "owner": state.owner,
            "key": state.key,
            "on_duplicate_key": state.on_duplicate_key,
            "created_at": state.created_at,
            "updated_at": state.updated_at,
            "num_commits": state.num_visible_commits,
            "num_deleted_commits": len(state.visibility.hidden_commits),
            "num_rows": self._num_rows(state),
            "num_deleted_rows": self._num_deleted_rows(state),
            "hold": state.hold,
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
            source: Path, URI, list of them, glob, folder, .zip/.tar(.gz/.zst), .csv/.json/.jsonl/.parquet, Arrow table
                or reader, pandas or polars frame, iterable of dicts.
            message: Shown in the log.
            tags: key=value marks, by which snapshots choose commits.
            media: "copy" packs media bytes into the lake, "reference" adopts them where they lie.
            on_invalid: "raise" refuses the whole commit at the first invalid row, "skip" leaves such rows out and lists
                them in `commit.rejected`.
            options: Fields of `CommitOptions`: progress, layout, limits.

        Raises:
            InvalidInput: A row breaks a rule of the type; says file, line and column.
            NotFound: The source does not exist, or the dataset was deleted.
        """
        settings = CommitOptions.of(message=message, tags=tags, media=media, on_invalid=on_invalid, options=options)
        return Commit(commit_source(self, source, settings), reader=self.reader)

    def watch(
        self,
        source: str | os.PathLike[str],
        *,
        message: str = "",
        tags: TagsLike | None = None,
        media: str = "copy",
        on_invalid: str = "raise",
        progress: Progress = NO_PROGRESS,
        on_refused: Callable[[RefusedFiles], None] | None = None,
        **options: Any,
    ) -> Iterator[Commit]:
        """Commit the files of a folder or bucket prefix as they arrive, yielding each commit; for ever, or `once=True`.

        Each version of each file is taken once, also after a restart and by several watchers. A media file and the
        small files with its stem are one sample and are taken again together when one of them changes.

        Args:
            source: A folder, or a URI of a bucket's prefix.
            message: As for `commit`, like all that follow.
            tags: Marks of each commit.
            media: "copy" or "reference".
            on_invalid: "raise" ends at the first broken row or file, "skip" leaves it out.
            progress: Told of each commit in turn.
            on_refused: Told of each file that was left out as a whole; by default a warning is logged.
            options: Fields of `WatchOptions`: interval_seconds, settle_seconds, max_files, max_bytes, once.

        Raises:
            NotFound: The folder or the bucket does not exist.
            InvalidInput: A file breaks a rule of the type.
        """
        from headrace.datasets.watching import WatchOptions, watch

        return watch(
            self,
            source,
            options=WatchOptions.of(options),
            message=message,
            tags=tags,
            media=media,
            on_invalid=on_invalid,
            progress=progress,
            on_refused=on_refused,
        )

    def changes(self, since: str | int) -> Changes:
        """What was committed, deleted, restored, reverted and purged after a place in the log, for incremental readers.

        Args:
            since: A commit's id (what was visible right after it is known already), `until` of an earlier call, "0" for
                everything, or an ISO 8601 time.

        Raises:
            NotFound: There is no such commit.
        """
        from headrace.datasets.changes import find_changes

        return find_changes(self, since)

    # -- added columns --------------------------------------------------------------------------------------------

    def add_columns(
        self,
        source: object,
        *,
        name: str | Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        version: str | None = None,
        type: pa.DataType | None = None,
        replace: bool = False,
        chunk_rows: int = 1024,
        progress: Progress = NO_PROGRESS,
    ) -> AddColumnsReport:
        """Give rows further values, from a table or a function; rows and media are not rewritten.

        Only snapshots that name an added column, in `columns` or `where`, see it. Rows without a value are null. A
        second call continues: rows that have a value keep it, unless `replace` starts the column anew.

        Args:
            source: A table (whatever `commit` takes) with `_id` or the key column beside the values; or a function
                that takes an Arrow table of rows and returns one value a row (an array or list; for several names a
                table or dict of them).
            name: What the column is called; of a table with several value columns the one to take, or a list of
                them. None takes all. A function needs it.
            columns: What the function gets of each row, in this order; None: all columns of the rows. `_id`,
                `_digest`, `_commit` and other added columns may be among them.
            version: Of the function, named by the caller. With it an interrupted run leaves its finished chunks
                behind, and the next one with the same version finds them.
            type: Of the values; None takes the type that they come in.
            replace: Start anew: rows that get no value now have none, and the type may change.
            chunk_rows: Rows that the function gets at most, fewer where their media exceeds 64 MB.
            progress: Told how far it is.

        Raises:
            InvalidInput: A name that rows have, an unknown row, a row twice, another value than it has, or a type
                that does not fit.
        """
        from headrace.datasets.adding_columns import add_columns

        return add_columns(
            self,
            source,
            name=name,
            columns=columns,
            version=version,
            data_type=type,
            starts_anew=replace,
            chunk_rows=chunk_rows,
            progress=progress,
        )

    def drop_columns(self, name: str | Sequence[str]) -> None:
        """Take added columns off; snapshots that were logged with them keep them.

        Raises:
            NotFound: There is no such added column.
        """
        from headrace.datasets.adding_columns import drop_columns

        drop_columns(self, name)

    @property
    def added_columns(self) -> list[ColumnRecord]:
        """The added columns as they are now, by name."""
        return [record for _, record in sorted(self.state().columns.items())]

    def promote(
        self,
        name: str,
        *,
        type: str,
        mapping: Mapping[str, str],
        where: str | None = None,
        on_invalid: str = "raise",
        message: str | None = None,
        description: str = "",
        owner: str | None = None,
        progress: Progress = NO_PROGRESS,
    ) -> PromotionReport:
        """Make a new dataset of another type from these rows; each new row leads back to the old one.

        Media bytes are copied, because objects belong to one dataset.

        Args:
            name: Of the new dataset.
            type: Its type.
            mapping: New columns, each with a column of these rows or a DuckDB expression over them, such as
                {"image": "data", "label": "split_part(name, '/', 1)"}. A key column that is not named is the old key,
                or the `_id` where keys repeat.
            where: Only rows for which this is true.
            on_invalid: "raise" refuses all at the first row that breaks a rule of the type, "skip" leaves such rows
                out and lists them in the report.
            message: Of the new dataset's first commit.
            description: Of the new dataset.
            owner: Of the new dataset.
            progress: Told how far it is.

        Raises:
            AlreadyExists: The name is taken.
            InvalidInput: A bad expression or row.
        """
        from headrace.datasets.promoting import promote

        return promote(
            self,
            name,
            type_name=type,
            mapping=mapping,
            where=where,
            on_invalid=on_invalid,
            message=message,
            description=description,
            owner=owner,
            progress=progress,
        )

    def column_reader(self, manifest: str) -> ColumnReader:
        """The reader of one version of an added column, by the digest of its manifest."""
        return self.reader.column(manifest)

    # -- deletion -----------------------------------------------------------------------------------------------

    def delete_commit(self, commit_id: str | int, *, dry_run: bool = False) -> None:
        """Hide a commit from new snapshots; those taken before keep it. `restore_commit` brings it back.

        `dry_run` only checks that it can be done.

        Raises:
            NotFound: There is no such commit.
            Conflict: It is deleted already.
        """
        change_commit(self, commit_id, operation="delete", dry_run=dry_run)

    def restore_commit(self, commit_id: str | int) -> None:
        """Show a deleted commit again, with the same digest.

        Raises:
            NotFound: There is no such commit.
            Conflict: It is not deleted.
        """
        change_commit(self, commit_id, operation="restore")

    def delete_rows(
        self, *, where: str | None = None, keys: Iterable[object] | None = None, dry_run: bool = False
    ) -> int:
        """Hide rows from new snapshots and say how many; those taken before keep them.

        In a dataset where later rows replace earlier ones, all rows of a sample's key are hidden.

        Args:
            where: A DuckDB expression over the columns, for example "label = 'oos'"; or
            keys: keys or `_id`s of samples.
            dry_run: Only count them.

        Raises:
            InvalidInput: Neither or both are given, or a bad filter.
            NotFound: A key that no visible row has.
        """
        return delete_rows(self, where=where, keys=keys, dry_run=dry_run)

    def restore_rows(self, *, where: str | None = None, keys: Iterable[object] | None = None) -> int:
        """Show deleted rows again, all or those that are meant, and say how many."""
        return restore_rows(self, where=where, keys=keys)

    def revert(self, to: str | int) -> None:
        """Show again what was visible right after a commit: a new entry, nothing is lost.

        Raises:
            NotFound: There is no such commit.
        """
        revert(self, to=to)

    def compact(self, *, sizes: ContainerSizes | None = None, progress: Progress = NO_PROGRESS) -> CompactionReport:
        """Move the rows of many small commits into few parts and shards; digests and snapshot ids stay.

        Every row is read back and proved equal before anything is claimed. Others may commit meanwhile.

        Raises:
            DataCorrupted: A row to be moved is not what was committed; nothing was changed.
        """
        from headrace.datasets.compacting import compact
        from headrace.datasets.layout_writing import DEFAULT_SIZES

        return compact(self, sizes=sizes or DEFAULT_SIZES, progress=progress)

    def purge(
        self,
        *,
        where: str | None = None,
        keys: Iterable[object] | None = None,
        dry_run: bool = False,
        progress: Progress = NO_PROGRESS,
    ) -> PurgeReport:
        """Erase the content of rows from every commit and snapshot, for ever; all other rows and all ids stay.

        Old objects go with the next `Lake.gc`. In a dataset where later rows replace earlier ones, all rows of a
        sample's key are erased.

        Args:
            where: A DuckDB expression over the columns; asked of every row of every commit, deleted ones too; or
            keys: keys or `_id`s of samples.
            dry_run: Only say what would be erased and rewritten.
            progress: Told how far it is.

        Raises:
            InvalidInput: Neither or both are given, or a bad filter.
            NotFound: A key that no row has.
            PermissionDenied: The dataset is under a hold.
        """
        from headrace.datasets.purging import purge_rows

        return purge_rows(self, where=where, keys=keys, dry_run=dry_run, progress=progress)

    def hold(self, reason: str) -> None:
        """Forbid that anything of this dataset is purged or collected, until `release`.

        Raises:
            InvalidInput: The reason is empty.
        """
        check_text(reason, "reason")
        if not reason.strip():
            raise InvalidInput("a hold needs a reason: who asked for it, and why")
        self.append("hold", lambda _: {"reason": reason})

    def release(self) -> None:
        """End a hold; without one nothing happens."""
        self.append("release", lambda state: None if state.hold is None else {})

    def require_no_hold(self, state: DatasetState) -> None:
        """Raise `PermissionDenied` while a hold is in force."""
        if state.hold is not None:
            raise PermissionDenied(
                f"dataset {self._name!r} is under a hold ({state.hold}): nothing of it may be purged or collected. "
                f"To end it: headrace dataset release {self.reference}"
            )

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
        return select(self, tags=tags, upto=upto, until=until, where=where, columns=columns)

    def selection_of(
        self,
        commits: Sequence[CommitRecord],
        *,
        left_out: AddressSet,
        where: str | None = None,
        columns: Sequence[str] | None = None,
        every_version: bool = False,
    ) -> Snapshot:
        """A selection of some commits, visible or not, without the rows (commit number, ordinal) of a set.

        `every_version` chooses replaced rows too.
        """
        return selection_of(self, commits, left_out=left_out, where=where, columns=columns, every_version=every_version)

    def resolve(self, selector: Selector) -> Snapshot:
        """The snapshot that a reference's selector names; reading it logs nothing.

        Raises:
            NotFound: There is no such alias, id or commit.
        """
        return self._register.resolve(selector)

    def log_snapshot(self, snapshot: Snapshot) -> Snapshot:
        """Write the snapshot's manifest and its log entry, once for each new id."""
        return self._register.log(snapshot)

    def forget(self, snapshot_id: str) -> None:
        """Take a logged snapshot off the books: what only it needed may be collected; its rows stay.

        Raises:
            NotFound: It is not logged.
            Conflict: An alias points to it, or a run was recorded on it.
        """

        self._register.forget(snapshot_id)

    def require_forgettable(self, state: DatasetState, snapshot_id: str) -> None:
        """Raise what `forget` would raise."""
        self._register.require_forgettable(state, snapshot_id)

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
        return self._register.by_version_hash(name)

    def set_alias(self, name: str, snapshot: Snapshot) -> None:
        """Point an alias to a snapshot of this dataset, logging the snapshot if it is not yet."""
        self._register.set_alias(name, snapshot)

    def aliases_of(self, snapshot_id: str) -> list[str]:
        """Names that point to a snapshot now."""
        return sorted(name for name, target in self.state().aliases.items() if target == snapshot_id)

    def __repr__(self) -> str:
        state = self.state()
        rows = format_count(self._num_rows(state))
        return f"<Dataset {self._id} {self._name!r} {state.type_name} {state.num_visible_commits} commits {rows} rows>"

    def _repr_html_(self) -> str:
        from headrace.datasets.html_reprs import html_table

        return html_table(f"Dataset {self._name}", self.to_json())

    # -- inside ---------------------------------------------------------------------------------------------------

    @property
    def reference(self) -> str:
        """LAKE::NAME, for messages."""
        return f"{self._lake.uri}::{self._name}"

    def append(
        self,
        operation: str,
        plan: Callable[[DatasetState], Mapping[str, JsonValue] | None],
        *,
        refers_to: Callable[[], Iterable[str]] = tuple,
        since: int | None = None,
    ) -> LogEntry | None:
        """Claim an entry of this dataset's log; see `EntryLog.append`.

        Args:
            operation: What happens.
            plan: Makes the entry's body from the newest state.
            refers_to: Keys below the dataset of objects that the entry refers to for the first time.
            since: Number of the last entry that was known before the first of them was written.

        Raises:
            Conflict: The dataset was purged.
            Unavailable: Garbage collection is removing one of the objects; trying again is safe.
        """
        return claim(self, operation, plan, refers_to=refers_to, since=since)

    def close(self, plan: Callable[[DatasetState], Mapping[str, JsonValue] | None]) -> None:
        """Claim the entry after which nothing can be added."""
        self._lake.store.prepare_for_writing()
        self.log_of_entries.append("close", plan)

    def addresses(self, digest: str | None) -> AddressSet:
        """A stored set of row addresses; the latest are kept."""
        if digest is None:
            return EMPTY
        return self._address_sets.get(digest, lambda digest: read_addresses(self._lake.store, self.base, digest=digest))

    def require_commit(self, state: DatasetState, commit_id: str) -> None:
        """Raise `NotFound` unless the state has the commit."""
        commit_number(self, state, commit_id)

    def require_snapshot(self, state: DatasetState, snapshot_id: str) -> None:
        """Raise `NotFound` unless the snapshot is logged."""
        self._register.require(state, snapshot_id)

    def _num_rows(self, state: DatasetState) -> int:
        left_out = self.addresses(state.visibility.deleted_rows) | self.addresses(state.redacted_rows)
        return state.num_visible_rows - _in_visible_commits(left_out, state)

    def _num_deleted_rows(self, state: DatasetState) -> int:
        """Rows of visible commits that were deleted one by one and can be restored."""
        left_out = self.addresses(state.visibility.deleted_rows) - self.addresses(state.redacted_rows)
        return _in_visible_commits(left_out, state)


def _in_visible_commits(rows: AddressSet, state: DatasetState) -> int:
    """How many of the rows belong to commits that are not hidden."""
    hidden = state.visibility.hidden_commits
    return sum(len(ordinals) for number, ordinals in rows.items() if str(number) not in hidden)
