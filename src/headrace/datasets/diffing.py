"""Row-level difference of two snapshots, computed on identities and digests alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.html_reprs import HtmlTable
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
class Diff(HtmlTable):
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

    Rows are matched by `_id` within one dataset, by key and its occurrence between datasets, and by content without a
    key.
    """
    is_keyed = before.selection.key is not None and after.selection.key is not None
    same_dataset = before.dataset.base == after.dataset.base and before.dataset.lake.uri == after.dataset.lake.uri
    same_rule = before.selection.on_duplicate_key == after.selection.on_duplicate_key
    old, new = _identities(before), _identities(after)
    old_digests, new_digests = old.column("_digest"), new.column("_digest")
    if not is_keyed:
        names = [old_digests, new_digests]
    elif same_dataset and same_rule:
        names = [old.column("_id"), new.column("_id")]
    else:
        names = [_keys(before, old.column("_id")), _keys(after, new.column("_id"))]
    old_names, new_names = _numbered(names)  # [num_rows] each
    order = np.argsort(old_names, kind="stable")
    found = np.searchsorted(old_names, new_names, sorter=order)  # [num_new]
    places = order[np.minimum(found, max(len(order) - 1, 0))] if len(order) else np.zeros_like(found)
    is_matched = old_names[places] == new_names if len(order) else np.zeros(len(new_names), dtype=bool)
    both_new = np.flatnonzero(is_matched)
    both_old = places[both_new]
    differs = _differ(old_digests, both_old, new_digests, both_new)
    is_kept = np.zeros(len(old_names), dtype=bool)
    is_kept[both_old] = True
    return Diff(
        before,
        after,
        added=RowSet(after, np.flatnonzero(~is_matched)),
        removed=RowSet(before, np.flatnonzero(~is_kept)),
        changed=RowSet(after, both_new[differs]),
        changed_before=RowSet(before, both_old[differs]),
    )


def _identities(snapshot: Snapshot) -> pa.Table:
    """`_id` and `_digest` of all rows, one chunk each."""
    table = pa.concat_tables(list(snapshot.narrow(["_id", "_digest"])))
    return table.combine_chunks()


def _keys(snapshot: Snapshot, ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Keys without the commit that `_id` starts with when duplicates are kept."""
    if snapshot.selection.on_duplicate_key == "replace":
        return ids
    return pc.replace_substring_regex(ids, pattern="^[0-9]+:", replacement="", max_replacements=1)


def _numbered(names: list[pa.ChunkedArray]) -> tuple[np.ndarray, np.ndarray]:
    """One number for each row of both sides, equal where name and occurrence are, so that a multiset becomes a set."""
    merged = pa.chunked_array([chunk for side in names for chunk in side.chunks], names[0].type)
    codes = (
        pa.concat_arrays(merged.chunks).dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)
        if len(merged)
        else np.zeros(0, dtype=np.int64)
    )  # [num_old + num_new]
    num_old = len(names[0])
    old, new = codes[:num_old], codes[num_old:]
    occurrences = _occurrences(old), _occurrences(new)
    most = max((int(side.max()) for side in occurrences if len(side)), default=0) + 1
    return old * most + occurrences[0], new * most + occurrences[1]


def _occurrences(codes: np.ndarray) -> np.ndarray:
    """How often each code came before, [num_rows]."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    is_first = np.ones(len(codes), dtype=bool)
    is_first[1:] = ordered[1:] != ordered[:-1]
    starts = np.maximum.accumulate(np.where(is_first, np.arange(len(codes)), 0))
    found = np.empty(len(codes), dtype=np.int64)
    found[order] = np.arange(len(codes)) - starts
    return found


def _differ(old: pa.ChunkedArray, old_rows: np.ndarray, new: pa.ChunkedArray, new_rows: np.ndarray) -> np.ndarray:
    """Whether the digests of each pair of rows differ, [num_pairs]."""
    if not len(old_rows):
        return np.zeros(0, dtype=bool)
    pairs = pc.not_equal(
        pa.concat_arrays(old.chunks).take(pa.array(old_rows)).cast(pa.binary()),
        pa.concat_arrays(new.chunks).take(pa.array(new_rows)).cast(pa.binary()),
    )
    found: np.ndarray = pairs.to_numpy(zero_copy_only=False)
    return found
