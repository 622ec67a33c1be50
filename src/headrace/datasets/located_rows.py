"""Which rows of which commits belong to a selection, and where they lie today.

selection ─▶ ordinals of each commit, found once ─▶ gathered by number, wherever compaction moved them
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pyarrow as pa

from headrace.datasets.addresses import AddressSet
from headrace.datasets.layouts import CommitLayout
from headrace.datasets.reading import Ordinals, RowReader
from headrace.datasets.records import CommitRecord
from headrace.datasets.row_gathering import RowGatherer
from headrace.datasets.selection import Selection, select_rows
from headrace.datasets.sidecars import ReaderWithColumns
from headrace.errors import Conflict, NotFound

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.dataset_state import DatasetState

__all__ = ["LocatedRows", "PlacedRows"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PlacedRows:
    """The rows of one commit that belong to a snapshot."""

    commit_id: str
    layout: CommitLayout
    ordinals: Ordinals | None  # in the commit, ascending; None where all belong
    places: Ordinals | None  # in the layout's rows, one for each row that belongs; None where all of them do
    num_rows: int
    mean_media_bytes: int  # of a row of the commit


class LocatedRows:
    """The rows of one snapshot by number. Safe to use from several threads."""

    def __init__(
        self,
        dataset: Dataset,
        selection: Selection,
        *,
        commits: Sequence[CommitRecord],
        num_rows: int | None,
        redacted: AddressSet,
        redacted_rows: str | None,
        fixed: AddressSet | None,
        pack: str | None,
        added: Mapping[str, str],
    ) -> None:
        """The arguments are those of `Snapshot`."""
        self._dataset = dataset
        self._selection = selection
        self.commits = list(commits)
        self.redacted = redacted
        self.redacted_rows = redacted_rows
        self._fixed = fixed
        self.pack = pack
        self.added = dict(added)
        self.is_whole = selection.selects_all_rows and not redacted  # every row of the commits belongs
        self.known_num_rows = num_rows
        self._lock = threading.Lock()
        self._rows: tuple[list[Ordinals | None], np.ndarray] | None = None

    @property
    def num_rows(self) -> int:
        """Rows that belong; columns are read only if that decides it."""
        if self.known_num_rows is None:
            if not self._selection.needs_columns:
                left_out = self._selection.deleted | self.redacted
                self.known_num_rows = sum(record.num_rows for record in self.commits) - left_out.num_rows
            else:
                self.known_num_rows = int(self._addresses()[1][-1])
        return self.known_num_rows

    @property
    def counts(self) -> list[int]:
        """Rows that each commit contributes."""
        if self.is_whole:
            return [record.num_rows for record in self.commits]
        return [int(count) for count in np.diff(self._addresses()[1])]

    def holds(self, commit_id: str, ordinal: int) -> bool:
        """Whether the row with this number in its commit, counted from 0, belongs."""
        for idx, record in enumerate(self.commits):
            if record.commit_id == commit_id:
                kept = None if self.is_whole else self._addresses()[0][idx]
                return 0 <= ordinal < record.num_rows if kept is None else bool(np.isin(ordinal, kept))
        return False

    def addresses_of(self, rows: np.ndarray) -> AddressSet:
        """Commit numbers and ordinals of some rows by number, [num_rows]."""
        kept, starts = self._addresses()
        commit_idx = np.searchsorted(starts, rows, side="right") - 1  # [num_rows]
        found: dict[int, np.ndarray] = {}
        for idx in np.unique(commit_idx).tolist():
            ordinals = rows[commit_idx == idx] - starts[idx]
            chosen = kept[idx]
            found[int(self.commits[idx].commit_id)] = ordinals if chosen is None else chosen[ordinals]
        return AddressSet(found)

    def chosen(self) -> list[tuple[CommitRecord, Ordinals | None]]:
        """Each commit with the ordinals of its rows that belong, ascending; None where all do."""
        return list(zip(self.commits, self._addresses()[0], strict=True))

    def placed(self) -> list[PlacedRows]:
        """Where the rows that belong lie today, commit by commit."""
        return self.where_they_lie(
            lambda: [
                PlacedRows(
                    record.commit_id,
                    self._gatherer.reader(record).layout,
                    ordinals=kept,
                    places=kept if self.pack is None else None,
                    num_rows=record.num_rows if kept is None else len(kept),
                    mean_media_bytes=record.num_media_bytes // max(record.num_rows, 1),
                )
                for record, kept in self.chosen()
            ]
        )

    def bounded_runs(self, rows: np.ndarray, columns: Sequence[str]) -> list[np.ndarray]:
        """The rows, [num_rows] by number, in runs whose media together stay below 64 MB, or are one row."""
        return self.where_they_lie(lambda: self._gatherer.bounded(rows, columns))

    def gather(self, rows: np.ndarray, names: Sequence[str], *, narrow: bool, verify: bool) -> pa.Table:
        """Rows by number, [num_rows] in any order, as a table with one chunk a column.

        Args:
            narrow: Media as structs without bytes.
            verify: Compare media with its checksums.

        Raises:
            DataCorrupted: They are not what was written.
        """
        return self.where_they_lie(lambda: self._gatherer.gather(rows, names, narrow=narrow, verify=verify))

    def where_they_lie(self, read: Callable[[], T]) -> T:
        """What `read` gives; if compaction and collection moved the rows meanwhile, from where they lie now.

        Raises:
            NotFound: They lie where they lay, and something of them is gone.
            Conflict: Rows of the dataset were purged meanwhile.
        """
        try:
            return read()
        except NotFound:
            state = self._dataset.state()
            commits = [state.commits[int(record.commit_id) - 1] for record in self.commits]
            pack = state.packs.get(self._selection.id)
            added = {name: state.column_manifest(digest) for name, digest in self.added.items()}
            if commits == self.commits and pack == self.pack and added == self.added:
                raise
            self._refuse_purged(state)
            self.commits, self.pack, self.added = commits, pack, added
        return read()

    def require_unpurged(self) -> None:
        """Raise `Conflict` if rows of the dataset were purged since the snapshot was opened."""
        self._refuse_purged(self._dataset.state())

    def _refuse_purged(self, state: DatasetState) -> None:
        if state.redacted_rows != self.redacted_rows:
            raise Conflict(
                f"rows of dataset {self._dataset.name!r} were purged since this snapshot was opened; open it again"
            )

    @property
    def _gatherer(self) -> RowGatherer:
        rows = self._addresses()  # first: it may find that the rows were moved
        return RowGatherer(self._dataset, self._selection, self.commits, self.pack, self.added, rows)

    def _readers(self) -> list[RowReader]:
        readers = [self._dataset.reader.commit(record) for record in self.commits]
        if not self.added:
            return list(readers)
        added = {name: self._dataset.column_reader(digest) for name, digest in self.added.items()}
        return [
            ReaderWithColumns(reader, number=int(record.commit_id), added=added)
            for record, reader in zip(self.commits, readers, strict=True)
        ]

    def _addresses(self) -> tuple[list[Ordinals | None], np.ndarray]:
        """Ordinals of each commit, and where its rows start among the snapshot's, [num_commits + 1]."""
        with self._lock:
            if self._rows is None:
                rows = self._fixed_rows() or self.where_they_lie(
                    lambda: select_rows(
                        self._selection,
                        num_rows=[record.num_rows for record in self.commits],
                        readers=self._readers,
                        redacted=self.redacted,
                    )
                )
                counts = [
                    record.num_rows if kept is None else len(kept)
                    for record, kept in zip(self.commits, rows, strict=True)
                ]
                self._rows = rows, np.cumsum([0, *counts])
            return self._rows

    def _fixed_rows(self) -> list[Ordinals | None] | None:
        if self._fixed is None:
            return None
        kept = self._fixed - self.redacted
        none = np.zeros(0, dtype=np.int64)
        found = [kept.of(idx) for idx in range(len(self.commits))]
        return [none if ordinals is None else ordinals for ordinals in found]
