"""What happened to a dataset after a place in its log: for readers that follow it step by step."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from headrace.datasets.addresses import AddressSet
from headrace.datasets.audit import AuditEntry, audit_entry
from headrace.datasets.commit import Commit
from headrace.datasets.dataset_state import DatasetState
from headrace.datasets.diffing import RowSet
from headrace.datasets.html_reprs import HtmlTable
from headrace.datasets.records import CommitRecord, Redaction, Visibility
from headrace.errors import InvalidInput, NotFound, PermissionDenied
from headrace.storage.log import LogEntry
from headrace.units import format_count, parse_timestamp

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.snapshot import Snapshot

__all__ = ["ChangedRows", "Changes", "find_changes"]

_OPERATIONS = frozenset({"commit", "delete-commit", "restore-commit", "delete-rows", "restore-rows", "revert", "purge"})
"""Those that add or remove rows; all others (snapshots, aliases, compaction, …) leave every row what it was."""

_CURSOR = re.compile(r"entry:([0-9]{1,18})")


class ChangedRows(RowSet):
    """Rows that came or went, by number in the snapshot that has them; read only when asked."""

    def __init__(self, snapshot: Snapshot, rows: np.ndarray, *, addresses: AddressSet) -> None:
        super().__init__(snapshot, rows)
        self.addresses = addresses
        """Commit numbers and ordinals in the commit: the names of rows that survive a purge."""

    def to_arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows, media as bytes, and as last columns their addresses: `_commit` (id) and `_ordinal` (from 0)."""
        table = super().to_arrow(columns)
        groups = list(self.addresses.items())
        counts = [len(ordinals) for _, ordinals in groups]
        ids = pa.array([str(number) for number, _ in groups], pa.string())
        repeated = ids.take(pa.array(np.repeat(np.arange(len(groups)), counts), pa.int64()))
        ordinals = np.concatenate([ordinals for _, ordinals in groups]) if groups else np.zeros(0, dtype=np.int64)
        if "_commit" not in table.column_names:
            table = table.append_column("_commit", repeated)
        return table.append_column("_ordinal", pa.array(ordinals, pa.int64()))


@dataclass(frozen=True, slots=True)
class Changes(HtmlTable):
    """What leads from the rows after `since` to those after `until`: take `removed` and `purged` away, add `added`.

    A row that came and went in between is in none of them. Where later rows replace earlier ones, the earlier row is
    removed and the later one added.
    """

    dataset: str
    since: str  # cursor: the log entry after which it begins
    until: str  # cursor: pass it as the next `since`
    entries: tuple[AuditEntry, ...]  # operations on rows, in order
    commits: tuple[Commit, ...]  # made in between, hidden ones too
    added: ChangedRows
    removed: ChangedRows
    purged: AddressSet  # (commit number, ordinal) of rows that were visible at `since` and whose content is gone

    def __bool__(self) -> bool:
        return bool(self.entries)

    def to_json(self) -> dict[str, Any]:
        """Cursors, operations, commits and counts."""
        return {
            "dataset": self.dataset,
            "since": self.since,
            "until": self.until,
            "added": self.added.num_rows,
            "removed": self.removed.num_rows,
            "purged": self.purged.num_rows,
            "commits": [commit.to_json() for commit in self.commits],
            "entries": [entry.to_json() for entry in self.entries],
        }

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{format_count(count)} {name}"
            for name, count in (
                ("added", self.added.num_rows),
                ("removed", self.removed.num_rows),
                ("purged", self.purged.num_rows),
            )
        )
        return f"<Changes of {self.dataset!r} from {self.since} to {self.until}: {counts}>"


@dataclass(frozen=True, slots=True)
class _Moment:
    """A dataset right after one entry."""

    commits: list[CommitRecord]  # visible ones
    deleted: AddressSet  # rows hidden one by one
    redacted: AddressSet

    def hides(self, number: int, num_rows: int) -> np.ndarray:
        """Whether each row of a commit is left out, [num_rows]."""
        is_hidden = np.zeros(num_rows, dtype=bool)
        for rows in (self.deleted.of(number), self.redacted.of(number)):
            if rows is not None:
                is_hidden[rows] = True
        return is_hidden


def find_changes(dataset: Dataset, since: str | int) -> Changes:
    """What happened after a commit, a time or a cursor.

    Raises:
        NotFound: There is no such commit, or the log does not reach so far.
        InvalidInput: None of the three.
    """
    dataset.state()  # opens the log
    log = dataset.log_of_entries
    last = log.number
    state = dataset.state()  # at least as new as `last`
    with contextlib.suppress(PermissionDenied):  # who may only read cannot do more than read
        log.settle()  # a cursor must not point behind an entry that a power cut takes back
    start, entries = _entries(dataset, state, since, last=last)
    redactions = [item for item in state.redactions if item.entry <= last]
    known = [item for item in redactions if item.entry <= start.number]
    then = _moment(dataset, state, start.number, start.time, known)
    end = entries[-1] if entries else start
    now = _moment(dataset, state, last, end.time, redactions)
    before, after = (
        dataset.selection_of(moment.commits, left_out=moment.deleted | moment.redacted) for moment in (then, now)
    )
    hidden = state.visibility.hidden_commits
    return Changes(
        dataset=dataset.name,
        since=f"entry:{start.number}",
        until=f"entry:{last}",
        entries=tuple(audit_entry(item, dataset.name) for item in entries if item.operation in _OPERATIONS),
        commits=tuple(
            Commit(record, reader=dataset.reader, is_deleted=record.commit_id in hidden)
            for record in state.commits
            if start.number < record.entry <= last
        ),
        added=_missing_in(after, before),
        removed=_missing_in(before, after),
        purged=_purged(then, now, dataset.addresses(state.redacted_rows)),
    )


@dataclass(frozen=True, slots=True)
class _Start:
    number: int  # of the last entry that the reader knows; 0: none
    time: int = 0


def _entries(dataset: Dataset, state: DatasetState, since: str | int, *, last: int) -> tuple[_Start, list[LogEntry]]:
    """Where to begin, and the entries after it up to `last`."""
    text = str(since).strip()
    log = dataset.log_of_entries
    cursor = _CURSOR.fullmatch(text)
    moment: int | None = None
    if text == "0" or text == "entry:0":
        number = 0
    elif cursor is not None:
        number = int(cursor[1])
        if number > last:
            raise NotFound(
                f"dataset {dataset.name!r} has {last} log entries, so {text!r} cannot come from it; start anew with "
                "since=0, or use the cursor of this dataset"
            )
    elif text.isdigit():
        dataset.require_commit(state, text)
        number = state.commits[int(text) - 1].entry
    else:
        try:
            moment = parse_timestamp(text)
        except InvalidInput as error:
            raise InvalidInput(
                f"since={since!r}: expected a commit id such as '2', a cursor such as 'entry:7', '0' for everything, "
                "or a time such as 2026-11-01T00:00:00Z"
            ) from error
        number = max((record.entry for record in state.commits if record.time <= moment), default=0)
    start = _Start(0)
    found: list[LogEntry] = []
    for entry in log.entries(after=max(number - 1, 0)):
        if entry.number > last:
            break
        if entry.number <= number or (moment is not None and entry.time <= moment):
            start = _Start(entry.number, entry.time)
        else:
            found.append(entry)
        if entry.number == last:
            break  # looking further takes a request
    return start, found


def _moment(dataset: Dataset, state: DatasetState, number: int, time: int, redactions: Sequence[Redaction]) -> _Moment:
    visibility = state.visibility_at(time) if number else Visibility()
    return _Moment(
        [
            record
            for record in state.commits
            if record.entry <= number and record.commit_id not in visibility.hidden_commits
        ],
        dataset.addresses(visibility.deleted_rows),
        dataset.addresses(redactions[-1].rows) if redactions else AddressSet(),
    )


def _missing_in(mine: Snapshot, theirs: Snapshot) -> ChangedRows:
    """Rows of one snapshot whose address the other has not."""
    others = {record.commit_id: kept for record, kept in theirs.chosen_rows()}
    rows: list[np.ndarray] = []
    addresses: dict[int, np.ndarray] = {}
    start = 0
    for record, kept in mine.chosen_rows():
        num_rows = record.num_rows if kept is None else len(kept)
        other = others.get(record.commit_id)
        if record.commit_id not in others:
            positions = np.arange(num_rows)
        elif other is None or (kept is not None and other is kept):
            positions = np.zeros(0, dtype=np.int64)
        elif kept is None:
            is_new = np.ones(num_rows, dtype=bool)
            is_new[other] = False
            positions = np.flatnonzero(is_new)
        else:
            positions = np.flatnonzero(np.isin(kept, other, assume_unique=True, invert=True))
        if len(positions):
            rows.append(start + positions)
            addresses[int(record.commit_id)] = positions if kept is None else kept[positions]
        start += num_rows
    numbers = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
    return ChangedRows(mine, numbers, addresses=AddressSet(addresses))


def _purged(then: _Moment, now: _Moment, newest: AddressSet) -> AddressSet:
    """Rows that could be seen then and whose content is gone.

    A purge after `until` is left to the next call, unless the row was hidden until then: the next call begins without
    it.
    """
    visible_now = {record.commit_id for record in now.commits}
    found: dict[int, np.ndarray] = {}
    for record in then.commits:
        number = int(record.commit_id)
        gone = newest.of(number)
        if gone is None:
            continue
        is_gone = np.zeros(record.num_rows, dtype=bool)
        is_gone[gone] = True
        is_gone &= ~then.hides(number, record.num_rows)
        if record.commit_id in visible_now:
            is_gone &= now.hides(number, record.num_rows)
        found[number] = np.flatnonzero(is_gone)
    return AddressSet(found)
