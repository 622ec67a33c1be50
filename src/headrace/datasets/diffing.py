"""Row-level difference of two snapshots, computed on identities and digests alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from headrace.units import format_count

if TYPE_CHECKING:
    from headrace.datasets.snapshot import Snapshot

__all__ = ["Diff", "RowSet", "diff_snapshots"]


class RowSet:
    """Rows of one snapshot, by number; read only when asked."""

    def __init__(self, snapshot: Snapshot, rows: np.ndarray) -> None:
        self._snapshot = snapshot
        self.rows = rows  # [num_rows], ascending

    @property
    def num_rows(self) -> int:
        """How many rows."""
        return len(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows, media as bytes."""
        return self._snapshot.take(self.rows, columns=columns)

    @property
    def statistics(self) -> Any:
        """The same document as a snapshot's, over these rows."""
        return self._snapshot.statistics_of(self.rows)

    def __repr__(self) -> str:
        return f"<RowSet {format_count(len(self.rows))} rows of {self._snapshot!r}>"


@dataclass(frozen=True, slots=True)
class Diff:
    """What leads from one snapshot to another.

    `changed` are the newer rows of identities that both have with different content; `changed_before` the older ones,
    in the same order. Keyless rows are a multiset: they are added or removed, never changed.
    """

    before: Snapshot
    after: Snapshot
    added: RowSet
    removed: RowSet
    changed: RowSet
    changed_before: RowSet

    @property
    def statistics(self) -> dict[str, Any]:
        """Statistics of the added, removed and changed rows."""
        return {
            "added": self.added.statistics,
            "removed": self.removed.statistics,
            "changed": self.changed.statistics,
        }

    def to_arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows of the difference with a first column `_change`: "added", "removed" or "changed"."""
        tables = []
        for change, rows in (("added", self.added), ("removed", self.removed), ("changed", self.changed)):
            table = rows.to_arrow(columns)
            tables.append(table.add_column(0, "_change", pa.array([change] * table.num_rows, pa.string())))
        return pa.concat_tables(tables, promote_options="default")

    def to_json(self) -> dict[str, Any]:
        """Counts and the ids of both sides."""
        return {
            "before": self.before.id,
            "after": self.after.id,
            "added": self.added.num_rows,
            "removed": self.removed.num_rows,
            "changed": self.changed.num_rows,
        }

    def __repr__(self) -> str:
        return (
            f"<Diff {format_count(len(self.added))} added, {format_count(len(self.removed))} removed, "
            f"{format_count(len(self.changed))} changed>"
        )


def diff_snapshots(before: Snapshot, after: Snapshot) -> Diff:
    """The difference of two snapshots.

    Rows are matched by `_id` within one dataset, by key and its occurrence between datasets, and by content without
    a key.
    """
    is_keyed = before.selection.key is not None and after.selection.key is not None
    same_dataset = before.dataset.base == after.dataset.base and before.dataset.lake.uri == after.dataset.lake.uri
    old_digests, new_digests = _column(before, "_digest"), _column(after, "_digest")
    if not is_keyed:
        old_names, new_names = _numbered(old_digests), _numbered(new_digests)
    elif same_dataset and before.selection.on_duplicate_key == after.selection.on_duplicate_key:
        old_names, new_names = _column(before, "_id"), _column(after, "_id")
    else:
        old_names, new_names = _numbered(_keys(before)), _numbered(_keys(after))
    old_rows = {name: row for row, name in enumerate(old_names)}
    added: list[int] = []
    changed: list[int] = []
    changed_before: list[int] = []
    matched = np.zeros(len(old_names), dtype=bool)
    for row, name in enumerate(new_names):
        old = old_rows.get(name)
        if old is None:
            added.append(row)
            continue
        matched[old] = True
        if old_digests[old] != new_digests[row]:
            changed.append(row)
            changed_before.append(old)
    return Diff(
        before,
        after,
        added=RowSet(after, np.array(added, dtype=np.int64)),
        removed=RowSet(before, np.flatnonzero(~matched)),
        changed=RowSet(after, np.array(changed, dtype=np.int64)),
        changed_before=RowSet(before, np.array(changed_before, dtype=np.int64)),
    )


def _column(snapshot: Snapshot, name: str) -> list[Any]:
    values: list[Any] = []
    for table in snapshot.narrow([name]):
        values.extend(table.column(name).to_pylist())
    return values


def _keys(snapshot: Snapshot) -> list[str]:
    """Keys without the commit that `_id` starts with when duplicates are kept."""
    ids = _column(snapshot, "_id")
    if snapshot.selection.on_duplicate_key == "replace":
        return ids
    return [item.partition(":")[2] for item in ids]


def _numbered(names: Sequence[Any]) -> list[tuple[Any, int]]:
    """Each name with the number of times that it came before, so that a multiset becomes a set."""
    counts: dict[Any, int] = {}
    numbered = []
    for name in names:
        count = counts.get(name, 0)
        counts[name] = count + 1
        numbered.append((name, count))
    return numbered
