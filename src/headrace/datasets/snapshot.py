"""A snapshot: a static choice of a dataset's rows and columns, named by the hash of its content."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from headrace.datasets.addresses import AddressSet
from headrace.datasets.commit import Commit
from headrace.datasets.located_rows import LocatedRows, PlacedRows
from headrace.datasets.reading import Ordinals
from headrace.datasets.records import CommitRecord
from headrace.datasets.row_gathering import SYSTEM_COLUMNS, read_schema
from headrace.datasets.selection import Selection, SplitStep
from headrace.datasets.statistics import StatisticsAccumulator
from headrace.errors import InvalidInput
from headrace.progress import NO_PROGRESS, Progress
from headrace.schema.names import check_alias_name
from headrace.schema.near_misses import near_miss
from headrace.units import format_count

if TYPE_CHECKING:
    import pandas as pd

    from headrace.datasets.dataset import Dataset
    from headrace.datasets.diffing import Diff
    from headrace.datasets.lineage import SnapshotLineage
    from headrace.datasets.packing import PackReport
    from headrace.datasets.view_folder import View

__all__ = ["Snapshot"]

_NARROW_ROWS = 65_536


class Snapshot:
    """Immutable and static; reading never depends on what the dataset became since. Safe to use from several
    threads."""

    def __init__(
        self,
        dataset: Dataset,
        selection: Selection,
        *,
        commits: Sequence[CommitRecord],
        version_hash: str | None,
        num_rows: int | None = None,
        redacted: AddressSet | None = None,
        redacted_rows: str | None = None,
        fixed: AddressSet | None = None,
        pack: str | None = None,
        added: Mapping[str, str] | None = None,
    ) -> None:
        """Groups of both sets are places among the commits.

        Args:
            dataset: Whose rows.
            selection: Which.
            commits: The chosen ones.
            version_hash: The reference service's name.
            num_rows: If known.
            redacted: Rows whose content was purged since.
            redacted_rows: Digest of the dataset's set of all such rows.
            pack: Digest of the layout that was packed for it.
            added: Digests of the manifests of its added columns, by name.
            fixed: The rows that belong, where they cannot be found again without the purged ones.
        """
        self._dataset = dataset
        self._selection = selection
        self._rows = LocatedRows(
            dataset,
            selection,
            commits=commits,
            num_rows=num_rows,
            redacted=redacted or AddressSet(),
            redacted_rows=redacted_rows,
            fixed=fixed,
            pack=pack,
            added=added or {},
        )
        self._version_hash = version_hash
        self._lock = threading.Lock()
        self._statistics: Any = None

    # -- what it is ---------------------------------------------------------------------------------------------

    @cached_property
    def id(self) -> str:
        """BLAKE3 hex of the selection: digests of the commits, columns, filter, split, schema and type version."""
        return self._selection.id

    @property
    def version_hash(self) -> str | None:
        """The reference service's name for these commits; None with a filter, columns or a split."""
        return self._version_hash

    @property
    def state(self) -> Literal["READY"]:
        """Always READY: a snapshot copies nothing, so there is nothing to wait for."""
        return "READY"

    @property
    def dataset(self) -> Dataset:
        """The dataset that it was taken of."""
        return self._dataset

    @property
    def selection(self) -> Selection:
        """The document that names the snapshot."""
        return self._selection

    @property
    def commits(self) -> list[Commit]:
        """The chosen commits, in commit order."""
        return [Commit(record, reader=self._dataset.reader) for record in self._rows.commits]

    @property
    def commit_ids(self) -> list[str]:
        """Ids of the chosen commits, in commit order."""
        return [record.commit_id for record in self._rows.commits]

    @property
    def schema(self) -> pa.Schema:
        """The chosen columns; media columns are large binary with their kind in the field's metadata."""
        return self._selection.visible_schema

    @property
    def num_rows(self) -> int:
        """Rows that belong to the snapshot."""
        return self._rows.num_rows

    @property
    def num_redacted(self) -> int:
        """Rows that belonged to the snapshot's commits and whose content was purged since; the id stays the name."""
        return self._rows.redacted.num_rows

    @property
    def commit_row_counts(self) -> list[int]:
        """Rows that each chosen commit contributes."""
        return self._rows.counts

    @property
    def statistics(self) -> Any:
        """The same document as a commit's, over all rows of the snapshot."""
        with self._lock:
            known = self._statistics
        if known is None:
            if self._rows.is_whole and len(self._rows.commits) == 1 and self._selection.columns is None:
                known = self.commits[0].statistics
            else:
                accumulator = StatisticsAccumulator(self.schema, label_column=self._label_column())
                for table in self.narrow([*self.schema.names, "_digest"]):
                    accumulator.add(table)
                known = accumulator.finish(num_rejected=sum(record.num_rejected for record in self._rows.commits))
            with self._lock:
                self._statistics = known
        return known

    def holds(self, commit_id: str, ordinal: int) -> bool:
        """Whether the row with this number in its commit, counted from 0, belongs to the snapshot."""
        return self._rows.holds(commit_id, ordinal)

    def addresses_of(self, rows: np.ndarray) -> AddressSet:
        """Commit numbers and ordinals of some rows by number, [num_rows]."""
        return self._rows.addresses_of(rows)

    def key_of(self, sample_id: str) -> str:
        """The key in an `_id` of this snapshot."""
        return sample_id if self._selection.on_duplicate_key == "replace" else sample_id.partition(":")[2]

    def statistics_of(self, rows: np.ndarray) -> Any:
        """Statistics over some rows by number, [num_rows]."""
        accumulator = StatisticsAccumulator(self.schema, label_column=self._label_column())
        accumulator.add(self._gather(rows, [*self.schema.names, "_digest"], narrow=True))
        return accumulator.finish()

    def __len__(self) -> int:
        return self.num_rows

    # -- reading ------------------------------------------------------------------------------------------------

    def __getitem__(self, row_idx: int) -> dict[str, Any]:
        """One sample as a dict with `_id` and `_digest`; negative numbers count from the end.

        Raises:
            IndexError: There is no such row.
        """
        if not isinstance(row_idx, int | np.integer):
            raise TypeError(
                f"a snapshot is indexed by row numbers, not by {type(row_idx).__name__}; for several use take()"
            )
        sample: dict[str, Any] = self.take([int(row_idx)]).to_pylist()[0]
        return sample

    def take(self, row_idxs: Sequence[int] | np.ndarray, *, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows with these numbers, [num_wanted], in the order asked, repeats included; media as verified bytes.

        Raises:
            IndexError: A number is outside -num_rows … num_rows - 1.
        """
        return self._gather(self._row_numbers(row_idxs), self._names(columns))

    def take_narrow(self, row_idxs: Sequence[int] | np.ndarray, *, columns: Sequence[str] | None = None) -> pa.Table:
        """Like `take`, but media columns are structs (size, format, width, height, duration, digest) without bytes.

        Raises:
            IndexError: A number is outside -num_rows … num_rows - 1.
        """
        return self._gather(self._row_numbers(row_idxs), self._names(columns), narrow=True)

    def to_arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows as one table; media columns hold bytes, so choose columns when the media is large."""
        names = self._names(columns)
        batches = list(self.scan(batch_size=4096, columns=names))
        return pa.Table.from_batches(batches, schema=read_schema(self._selection, names))

    def to_pandas(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """All rows as a data frame.

        Raises:
            MissingExtra: pandas is not installed.
        """
        try:
            import pandas  # noqa: F401, ICN001 - only whether it is there
        except ImportError as error:
            from headrace.errors import MissingExtra

            raise MissingExtra("to_pandas() needs pandas: pip install 'headrace[pandas]'") from error
        frame: pd.DataFrame = self.to_arrow(columns).to_pandas()
        return frame

    def scan(
        self, batch_size: int = 1024, *, columns: Sequence[str] | None = None, verify: bool = True
    ) -> Iterator[pa.RecordBatch]:
        """All rows in snapshot order, at most `batch_size` a batch, fewer where their media is
        large (64 MB a batch, or one row); only one batch is in memory.

        `verify=False` skips the checksums of media bytes; it exists to measure what they cost.

        Raises:
            DataCorrupted: Bytes differ from what was written.
        """
        if batch_size < 1:
            raise InvalidInput(f"batch_size is {batch_size}: expected a whole number from 1")
        names = self._names(columns)
        for start in range(0, self.num_rows, batch_size):
            rows = np.arange(start, min(start + batch_size, self.num_rows))
            for run in self.bounded_runs(rows, names):
                yield from self._gather(run, names, verify=verify).combine_chunks().to_batches()

    def query(self, sql: str) -> pa.Table:
        """The result of one SELECT over the table `snapshot`, in DuckDB's dialect.

        Media columns are structs (size, format, width, height, duration, digest); get bytes with `take`.

        Raises:
            InvalidInput: More than one SELECT, another table or function than allowed, or wrong SQL.
        """
        from headrace.datasets.queries import run_query

        tables = list(self.narrow([*self.schema.names, *SYSTEM_COLUMNS]))
        return run_query(sql, {"snapshot": pa.concat_tables(tables)})

    def narrow(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Rows with media columns as structs without bytes, in large batches and snapshot order; at least one batch."""
        names = list(columns) if columns is not None else [*self.schema.names, *SYSTEM_COLUMNS]
        num_batches = 0
        for start in range(0, self.num_rows, _NARROW_ROWS):
            rows = np.arange(start, min(start + _NARROW_ROWS, self.num_rows))
            yield self._gather(rows, names, narrow=True)
            num_batches += 1
        if not num_batches:
            yield self._gather(np.zeros(0, dtype=np.int64), names, narrow=True)

    # -- what can be made of it ------------------------------------------------------------------------------------

    def split(
        self,
        fractions: Mapping[str, float],
        *,
        seed: int = 0,
        stratify: str | None = None,
        group: str | None = None,
    ) -> dict[str, Snapshot]:
        """Disjoint snapshots that together are this one, by hash of each row's key (its content without a key).

        A row stays on its side when other rows come or go, except with `stratify`, where the proportions inside each
        stratum are exact instead. `group` keeps all rows with the same value of a column on one side.

        Raises:
            InvalidInput: Fractions that do not add up to 1, or an unknown column.
        """
        from headrace.datasets.splitting import check_fractions

        check_fractions(fractions)
        for column in (stratify, group):
            if column is not None:
                self._check_column(column)
                if column in ("_id", "_commit"):
                    raise InvalidInput(
                        f"a split is not made by {column!r}: it depends on where a row was committed; expected a "
                        "column of the dataset, or '_digest' to keep equal rows together",
                        column=column,
                    )
        texts = tuple((name, format(Decimal(repr(float(fraction))), "f")) for name, fraction in fractions.items())
        sides = {}
        for name in fractions:
            step = SplitStep(name, texts, seed, stratify, group)
            sides[name] = self._derived(splits=(*self._selection.splits, step))
        return {name: self._dataset.log_snapshot(side) for name, side in sides.items()}

    def alias(self, name: str) -> None:
        """Let a movable name point here; `lake.snapshot("dataset@name")` then gives this snapshot."""
        check_alias_name(name)
        self._dataset.set_alias(name, self)

    def forget(self) -> None:
        """Take the snapshot off its dataset's books, so that garbage collection may remove what only it needed.

        Its rows stay in their commits, and taking it again gives the same id.

        Raises:
            NotFound: It is not logged.
            Conflict: An alias points to it, or a run was recorded on it.
        """
        self._dataset.forget(self.id)

    def pack(self, *, progress: Progress = NO_PROGRESS) -> PackReport:
        """Lay the snapshot's rows out contiguously, for streaming; id and rows stay.

        Raises:
            InvalidInput: The snapshot has no rows.
            Unavailable: Rows were purged meanwhile; nothing was changed.
        """
        from headrace.datasets.packing import pack

        return self._rows.where_they_lie(lambda: pack(self, progress=progress))

    def read_from_pack(self, layout: str) -> None:
        """Read from the layout that was packed for this snapshot from now on."""
        self._rows.pack = layout

    @property
    def added_columns(self) -> dict[str, str]:
        """Digests of the manifests of the added columns that the snapshot reads, by name."""
        return dict(self._rows.added)

    def bounded_runs(self, rows: np.ndarray, columns: Sequence[str]) -> list[np.ndarray]:
        """The rows, [num_rows] by number, in runs whose media together stay below 64 MB, or are one row."""
        return self._rows.bounded_runs(rows, columns)

    def chosen_rows(self) -> list[tuple[CommitRecord, Ordinals | None]]:
        """Each chosen commit with the ordinals of its rows that belong, ascending; None where all do."""
        return self._rows.chosen()

    def placed_rows(self) -> list[PlacedRows]:
        """Where the rows that belong lie today, commit by commit; for readers that map the parts themselves."""
        return self._rows.placed()

    @property
    def keeps_duplicate_keys(self) -> bool:
        """Whether the id of a row is its commit and its key; else the key alone."""
        return self._selection.on_duplicate_key != "replace"

    @property
    def aliases(self) -> list[str]:
        """Names that point here now."""
        return self._dataset.aliases_of(self.id)

    def diff(self, other: Snapshot) -> Diff:
        """What one has to do to this snapshot's rows to get the other's: added, removed, changed."""
        from headrace.datasets.diffing import diff_snapshots

        return diff_snapshots(self, other)

    def materialise(self, uri: str | None = None, *, progress: Progress = NO_PROGRESS) -> View:
        """Write the type's training view; without `uri` once below the lake's `derived/` folder.

        Raises:
            AlreadyExists: `uri` holds files already.
        """
        from headrace.datasets.materialising import materialise

        return materialise(self, uri, progress=progress)

    def export(self, uri: str, *, format: str, progress: Progress = NO_PROGRESS, **options: Any) -> View:
        """Write all rows in a format of the field ("webdataset", "parquet", or one that a package registers)."""
        from headrace.datasets.exporting import export

        return export(self, uri, format=format, options=options, progress=progress)

    def lineage(self) -> SnapshotLineage:
        """Commits, their sources, and the runs that used this snapshot."""
        from headrace.datasets.lineage import snapshot_lineage

        return snapshot_lineage(self)

    def to_json(self) -> dict[str, Any]:
        """The snapshot as a plain document, statistics included."""
        return {**self._outline(), "statistics": self.statistics}

    def __repr__(self) -> str:
        known = self._rows.known_num_rows
        rows = "?" if known is None else format_count(known)
        where = f" where {self._selection.where!r}" if self._selection.where else ""
        return (
            f"<Snapshot {self._dataset.name}@id:{self.id[:12]} {rows} rows of {len(self._rows.commits)} commits{where}>"
        )

    def _repr_html_(self) -> str:
        from headrace.datasets.html_reprs import html_table

        return html_table(f"Snapshot of {self._dataset.name}", self._outline())

    # -- inside ---------------------------------------------------------------------------------------------------

    def _row_numbers(self, row_idxs: Sequence[int] | np.ndarray) -> np.ndarray:
        """Checked row numbers from 0, [num_wanted]."""
        numbers = np.asarray(row_idxs)
        if numbers.size and numbers.dtype.kind not in "iu":
            raise TypeError(f"rows are taken by whole numbers, not by {numbers.dtype} values such as {row_idxs[0]!r}")
        asked = numbers.astype(np.int64).reshape(-1)  # [num_wanted]
        num_rows = self.num_rows
        wanted = np.where(asked < 0, asked + num_rows, asked)
        outside = np.flatnonzero((wanted < 0) | (wanted >= num_rows))
        if len(outside):
            raise IndexError(f"row {int(asked[outside[0]])} of a snapshot with {num_rows} rows")
        return wanted

    def _outline(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "dataset": self._dataset.name,
            "version_hash": self._version_hash,
            "state": self.state,
            "num_rows": self.num_rows,
            "commits": self.commit_ids,
            "aliases": self.aliases,
            "where": self._selection.where,
            "columns": None if self._selection.columns is None else list(self._selection.columns),
            "splits": [step.to_json() for step in self._selection.splits],
            "num_redacted": self.num_redacted,
        }

    def _derived(self, *, splits: tuple[SplitStep, ...]) -> Snapshot:
        return Snapshot(
            self._dataset,
            replace(self._selection, splits=splits),
            commits=self._rows.commits,
            version_hash=None,
            redacted=self._rows.redacted,
            redacted_rows=self._rows.redacted_rows,
            added=self._rows.added,
        )

    def _label_column(self) -> str | None:
        column = self._dataset.dataset_type.label_column
        return column if column is not None and column in self.schema.names else None

    def _check_column(self, name: str) -> None:
        known = [*self._selection.schema.names, *SYSTEM_COLUMNS]
        if name not in known:
            raise InvalidInput(
                f"dataset {self._dataset.name!r} has no column {name!r}.{near_miss(name, known)} Columns: "
                f"{', '.join(known)}",
                column=name,
            )

    def _names(self, columns: Sequence[str] | None) -> list[str]:
        if columns is None:
            return [*self.schema.names, "_id", "_digest"]
        if isinstance(columns, str):
            raise InvalidInput(f"columns={columns!r}: expected a list of names")
        names = list(columns)
        for name in names:
            if name not in self.schema.names and name not in SYSTEM_COLUMNS:
                self._check_column(name)
                raise InvalidInput(
                    f"column {name!r} exists, but this snapshot was taken with columns={list(self.schema.names)}",
                    column=name,
                )
        return names

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """All samples in snapshot order, each as `snapshot[row]` gives it; batches are read ahead."""
        for batch in self.scan(256):
            yield from batch.to_pylist()

    def _gather(self, rows: np.ndarray, names: Sequence[str], *, narrow: bool = False, verify: bool = True) -> pa.Table:
        """Rows by number, [num_rows] in any order, as a table with one chunk a column."""
        return self._rows.gather(rows, names, narrow=narrow, verify=verify)

    def require_unpurged(self) -> None:
        """Raise `Conflict` if rows of the dataset were purged since this snapshot was opened.

        For whoever writes down what the snapshot reads: parts that this process keeps in memory may hold such rows.
        """
        self._rows.require_unpurged()
