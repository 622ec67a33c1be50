"""Rows on their way through stages that have not run: which ones surely come, and which of their values are known.

What ledgers hold is put in; where they hold nothing, a row may leave or stay, and what a stage adds is unknown. So a
count of these rows is the most that can come, and of the sure ones the least.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.curation.executor.step import Step
from headrace.curation.input_ids import input_ids
from headrace.curation.ledger import DONE, Ledger
from headrace.curation.replaced_media import place_column, view_column
from headrace.curation.stage_rows import ROW_COLUMNS, row_sizes
from headrace.datasets.columns import media_kind
from headrace.datasets.filters import Filter
from headrace.errors import InvalidInput

__all__ = [
    "CallCounts",
    "ExpectedRows",
    "count_calls",
    "media_bytes",
    "rows_behind_command",
    "rows_behind_filter",
    "rows_behind_table_operator",
]

Mask = NDArray[np.bool_]
"""[num_rows]"""

FoundRows = Callable[[pa.Table, Mask, Mask], None]


@dataclass(frozen=True, slots=True)
class ExpectedRows:
    """Some of the rows that come to a stage, at most.

    Attributes:
        table: Columns of which something is known, [num_rows]; without columns it says nothing, also not how many.
        is_sure: Rows that come whatever a run finds, [num_rows].
        unknown: Column -> rows whose value is not known, [num_rows]; of other columns all are.
        ids: What operators see of the columns, see `input_ids`; kept, because it takes the longest.
    """

    table: pa.Table
    is_sure: Mask
    unknown: Mapping[str, Mask] = field(default_factory=dict)
    ids: dict[tuple[str, ...], NDArray[np.bytes_]] = field(default_factory=dict)

    @property
    def num_rows(self) -> int:
        """The most that can come."""
        return len(self.is_sure)

    @property
    def num_sure(self) -> int:
        """The least that will come."""
        return int(self.is_sure.sum())

    def knows(self, columns: Iterable[str]) -> Mask:
        """Rows of which all these values are known."""
        known = np.ones(self.num_rows, dtype=np.bool_)
        for name in columns:
            if name not in self.table.column_names:
                return np.zeros(self.num_rows, dtype=np.bool_)
            if name in self.unknown:
                known &= ~self.unknown[name]
        return known

    def input_ids(self, columns: Sequence[str]) -> NDArray[np.bytes_]:
        """What an operator sees of these columns, [num_rows]; means nothing where one of them is unknown."""
        key = tuple(columns)
        if key not in self.ids:
            self.ids[key] = input_ids([self.table.column(name) for name in key], num_rows=self.num_rows)
        return self.ids[key]

    def filtered(self, keep: Mask) -> ExpectedRows:
        """Without the other rows."""
        if keep.all():
            return self
        table = self.table.filter(pa.array(keep)) if self.table.num_columns else self.table
        return ExpectedRows(
            table,
            self.is_sure[keep],
            {name: mask[keep] for name, mask in self.unknown.items()},
            {key: ids[keep] for key, ids in self.ids.items()},
        )

    def doubted(self, doubt: Mask) -> ExpectedRows:
        """These rows may leave."""
        return replace(self, is_sure=self.is_sure & ~doubt)

    def with_column(self, name: str, values: pa.ChunkedArray, unknown: Mask) -> ExpectedRows:
        """With a column added or in the place of another."""
        columns = {known: self.table.column(known) for known in self.table.column_names}
        kept = {key: ids for key, ids in self.ids.items() if name not in key}
        return ExpectedRows(pa.table({**columns, name: values}), self.is_sure, {**self.unknown, name: unknown}, kept)


def rows_behind_filter(rows: ExpectedRows, chosen: Filter) -> ExpectedRows:
    """Rows for which the expression is true or may be."""
    known = rows.knows(chosen.columns)
    keep = np.ones(rows.num_rows, dtype=np.bool_)
    if rows.table.num_columns:
        try:
            keep[known] = chosen.mask(rows.table.filter(pa.array(known)))
        except InvalidInput:  # a value that it cannot be computed of: the run will say so
            known[:] = False
    return rows.doubted(~known).filtered(keep)


def rows_behind_table_operator(rows: ExpectedRows) -> ExpectedRows:
    """Any row may leave; its new columns are unknown."""
    return rows.doubted(np.ones(rows.num_rows, dtype=np.bool_))


def rows_behind_command(rows: ExpectedRows, *, media: Sequence[str]) -> ExpectedRows:
    """Any row may leave, and any value be another but those that say where a row comes from, and other media.

    Args:
        media: Columns that the command may make anew.
    """
    everything = np.ones(rows.num_rows, dtype=np.bool_)
    kept = [
        field.name for field in rows.table.schema if field.name in ROW_COLUMNS.names or media_kind(field) is not None
    ]
    unknown = {name: mask for name, mask in rows.unknown.items() if name in kept}
    unknown |= {name: everything for name in media if name in kept}
    ids = {key: ids for key, ids in rows.ids.items() if set(key) <= set(kept)}
    return ExpectedRows(rows.table.select(kept), ~everything, unknown, ids)


@dataclass(slots=True)
class CallCounts:
    """What a stage of operators has known and to do, of the rows counted so far."""

    known: list[int]  # of each step, rows found in its ledger
    to_do: list[int]  # of each step, at most
    sure_to_do: list[int]  # of each step, at least
    rows_known: int = 0  # by all steps
    rows_to_do: int = 0  # by any step, at most
    rows_sure_to_do: int = 0
    num_bytes: int = 0  # to read for the rows to do

    @classmethod
    def of(cls, num_steps: int) -> CallCounts:
        """Nothing counted yet."""
        return cls([0] * num_steps, [0] * num_steps, [0] * num_steps)


def count_calls(
    rows: ExpectedRows,
    steps: Sequence[Step],
    ledgers: Sequence[Ledger],
    *,
    where: Filter | None,
    is_sampled: bool,
    needed: Iterable[str],
    counts: CallCounts,
    found: FoundRows | None = None,
) -> ExpectedRows:
    """Count what the steps know and have to do, and give the rows that may go on.

    Args:
        where: Which rows are measured.
        is_sampled: Only some of them are, and it is not known which.
        needed: Columns that later stages read.
        counts: Is added to.
        found: Is told the rows that a step has to do, and which of these surely come.
    """
    may_be_measured, is_measured = _measured(rows, where)
    if is_sampled:
        is_measured = np.zeros(rows.num_rows, dtype=np.bool_)
    wanted = set(needed)
    is_open = np.zeros(rows.num_rows, dtype=np.bool_)
    is_sure = np.zeros(rows.num_rows, dtype=np.bool_)
    all_known = may_be_measured.copy()
    leaves = np.zeros(rows.num_rows, dtype=np.bool_)
    doubt = np.zeros(rows.num_rows, dtype=np.bool_)
    behind = rows
    for idx, (step, ledger) in enumerate(zip(steps, ledgers, strict=True)):
        columns = [step.columns[name] for name in step.spec.inputs]
        can_look = rows.knows(columns)
        places = np.full(rows.num_rows, -1, dtype=np.int64)
        mine = may_be_measured.copy()
        if can_look.any():
            ids = rows.input_ids(columns)
            places[can_look] = ledger.places(ids[can_look])
            mine &= places < 0
            mine &= ~can_look | _firsts(ids, mine & can_look)  # of equal inputs one stands for all
        is_known = places >= 0
        my_sure = mine & can_look & is_measured & rows.is_sure
        counts.known[idx] += int((is_known & may_be_measured).sum())
        counts.to_do[idx] += int(mine.sum())
        counts.sure_to_do[idx] += int(my_sure.sum())
        is_open |= mine
        is_sure |= my_sure
        all_known &= is_known
        is_done = is_known.copy()
        if is_known.any():
            is_done[is_known] = ledger.table.column("_state").to_numpy()[places[is_known]] == DONE
        leaves |= is_measured & is_known & ~is_done
        doubt |= may_be_measured & ~is_done
        behind = _with_outputs(behind, step, ledger, places, is_done & is_measured, ~may_be_measured, wanted)
    counts.rows_known += int(all_known.sum())
    counts.rows_to_do += int(is_open.sum())
    counts.rows_sure_to_do += int(is_sure.sum())
    counts.num_bytes += _bytes_to_read(rows, steps, is_open)
    if found is not None:
        found(rows.table, is_open, is_sure)
    return behind.doubted(doubt).filtered(~leaves)


def _measured(rows: ExpectedRows, where: Filter | None) -> tuple[Mask, Mask]:
    """Rows that may be measured, and those that surely are."""
    everything = np.ones(rows.num_rows, dtype=np.bool_)
    if where is None:
        return everything, everything.copy()
    known = rows.knows(where.columns)
    chosen = np.zeros(rows.num_rows, dtype=np.bool_)
    if rows.table.num_columns:
        try:
            chosen[known] = where.mask(rows.table.filter(pa.array(known)))
        except InvalidInput:
            known[:] = False
    return chosen | ~known, chosen & known


def _firsts(ids: NDArray[np.bytes_], wanted: Mask) -> Mask:
    """Of the wanted rows the first of each id."""
    places = np.flatnonzero(wanted)
    found = np.zeros(len(ids), dtype=np.bool_)
    found[places[np.unique(ids[places], return_index=True)[1]]] = True
    return found


def _with_outputs(
    rows: ExpectedRows,
    step: Step,
    ledger: Ledger,
    places: NDArray[np.int64],  # [num_rows]
    is_found: Mask,  # the ledger has the values
    is_null: Mask,  # surely not measured, so null
    needed: set[str],
) -> ExpectedRows:
    unknown = ~(is_found | is_null)
    indices = pa.array(places, mask=~is_found)
    for name in step.spec.outputs:
        if step.outputs[name] in needed:
            rows = rows.with_column(step.outputs[name], ledger.table.column(name).take(indices), unknown)
    for name in step.spec.replaces:
        column = step.columns[name]
        if column in rows.table.column_names:
            is_new = ledger.table.column(place_column(name)).take(indices).is_valid()
            views = ledger.table.column(view_column(name)).take(indices)
            earlier = rows.unknown.get(column, np.zeros(rows.num_rows, dtype=np.bool_))
            values = pc.if_else(is_new, views, rows.table.column(column))
            rows = rows.with_column(column, values, unknown | (is_null & earlier))
    return rows


def _bytes_to_read(rows: ExpectedRows, steps: Sequence[Step], is_open: Mask) -> int:
    """Media bytes and lengths of values; a column that is not there yet counts nothing."""
    places = np.flatnonzero(is_open)
    if not len(places) or not rows.table.num_columns:
        return 0
    there = set(rows.table.column_names)
    values = sorted({step.columns[name] for step in steps for name in step.value_inputs} & there)
    media = {step.columns[name] for step in steps for name in step.media_inputs} & there
    total = int(row_sizes(rows.table.select(values))[places].sum()) if values else 0
    return total + media_bytes(rows.filtered(is_open), sorted(media))


def media_bytes(rows: ExpectedRows, columns: Sequence[str]) -> int:
    """Of all rows; a column that is not there yet counts nothing."""
    total = 0
    for name in columns:
        if name in rows.table.column_names:
            total += pc.sum(pc.struct_field(rows.table.column(name), "size")).as_py() or 0
    return total
