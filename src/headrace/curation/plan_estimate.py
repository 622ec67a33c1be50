"""How many rows a run would work on, stage by stage: the inventory minus what ledgers and results hold.

Rows of each source, and of each result that is known, are sent part by part through the stages that have not run.
Nothing is computed, decoded or written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa

from headrace.curation.executor.step import Step
from headrace.curation.expected_rows import (
    CallCounts,
    ExpectedRows,
    count_calls,
    media_bytes,
    rows_behind_command,
    rows_behind_filter,
    rows_behind_table_operator,
)
from headrace.curation.frozen_todo import TodoRows
from headrace.curation.ledger import Ledger
from headrace.curation.operator_stage import open_ledgers
from headrace.curation.planned_stage import PlannedOperator, PlannedStage, RowEstimate
from headrace.curation.sources import OpenSource
from headrace.curation.stage_result import StageResult
from headrace.curation.stage_rows import StageRows, StageStore
from headrace.curation.stage_work import is_operator_stage
from headrace.curation.static_plan import CheckWork, CommandWork, FilterWork, OperatorWork, StaticPlan, StaticStage
from headrace.curation.time_estimate import EarlierRuns
from headrace.datasets.filters import Filter

__all__ = ["KnownRows", "estimate_stages"]


@dataclass(frozen=True, slots=True)
class KnownRows:
    """What is known of a recipe on a lake before a run, by name."""

    rows: Mapping[str, StageRows]  # of sources and stages
    results: Mapping[str, StageResult]  # of stages
    schemas: Mapping[str, pa.Schema | None]  # of sources and stages, also of those that have not run


def estimate_stages(
    static: StaticPlan,
    known: KnownRows,
    *,
    sources: Mapping[str, OpenSource],
    steps: Mapping[str, list[Step]],
    works: Mapping[str, str],
    stage_store: StageStore,
    earlier: EarlierRuns,
    todo: TodoRows | None = None,
) -> list[PlannedStage]:
    """Each stage as a run would find it; the memory is that of the ledgers and of one part.

    Args:
        steps: Of each stage of operators, by its name.
        works: What each stage does, see `PlanHash.works`.
        todo: Gets the rows that operators are to be called for.

    Raises:
        DataCorrupted: A part or a block is not what was written.
    """
    flow = _Flow(static, known, sources, steps, stage_store, todo)
    flow.send_rows()
    planned: list[PlannedStage] = []
    for stage in static.stages:
        mine, result = steps.get(stage.name, []), known.results.get(stage.name)
        if result is not None:
            planned.append(_known_stage(stage, result, known.rows[stage.name].num_rows, mine))
        else:
            counted = flow.counted[stage.name]
            planned.append(_open_stage(stage, counted, mine, work=works[stage.name], earlier=earlier))
    return planned


@dataclass(slots=True)
class _Count:
    """Rows between two stages, counted part by part."""

    at_least: int = 0
    at_most: int | None = 0

    def add(self, rows: ExpectedRows) -> None:
        self.at_least += rows.num_sure
        self.at_most = (self.at_most or 0) + rows.num_rows

    @property
    def estimate(self) -> RowEstimate:
        return RowEstimate(self.at_least, self.at_most)


@dataclass(slots=True)
class _Counted:
    """One stage that has not run."""

    num_in: _Count = field(default_factory=_Count)
    num_out: _Count = field(default_factory=_Count)
    num_bytes: float | None = 0.0
    calls: CallCounts | None = None


class _Flow:
    def __init__(
        self,
        static: StaticPlan,
        known: KnownRows,
        sources: Mapping[str, OpenSource],
        steps: Mapping[str, list[Step]],
        stage_store: StageStore,
        todo: TodoRows | None,
    ) -> None:
        self._known = known
        self._todo = todo
        self._sources = sources
        self._steps = steps
        self._store = stage_store
        self._open = [stage for stage in static.stages if stage.name not in known.results]
        self._readers: dict[str, list[StaticStage]] = {}
        for stage in self._open:
            if _works_row_by_row(stage):
                self._readers.setdefault(stage.inputs[0].origin, []).append(stage)
        self._filters = {stage.name: self._filter(stage) for stage in self._open}
        self._needed = {column for stage in self._open for column in self._columns_read(stage)}
        if todo is not None:
            self._needed |= {"_source", "_id"}
        self._ledgers: dict[str, list[Ledger]] = {}
        self.counted: dict[str, _Counted] = {}
        self._sent: set[str] = set()

    # ------------------------------------------------------------------------------------------------- what flows

    def send_rows(self) -> None:
        """Count all that can be counted."""
        for stage in self._open:
            self.counted[stage.name] = _Counted()
        for origin in [*self._sources, *self._known.results]:
            if origin in self._readers:
                self._sent.add(origin)
                row_bytes = self._row_bytes(origin)
                for rows in self._parts(origin):
                    self._send(rows, origin, row_bytes)
        for stage in self._open:
            self._close(stage)

    def _send(self, rows: ExpectedRows, origin: str, row_bytes: float) -> None:
        for stage in self._readers.get(origin, ()):
            self._sent.add(stage.name)
            counted = self.counted[stage.name]
            counted.num_in.add(rows)
            behind = self._behind(stage, rows, counted)
            if not is_operator_stage(stage):
                counted.num_bytes = (counted.num_bytes or 0.0) + rows.num_rows * row_bytes
            counted.num_out.add(behind)
            self._send(behind, stage.name, row_bytes)

    def _behind(self, stage: StaticStage, rows: ExpectedRows, counted: _Counted) -> ExpectedRows:
        match stage.work:
            case FilterWork():
                chosen = self._filters[stage.name]
                return rows_behind_table_operator(rows) if chosen is None else rows_behind_filter(rows, chosen)
            case CommandWork(media=media):
                counted.num_bytes = (counted.num_bytes or 0.0) + media_bytes(rows, media)
                return rows_behind_command(rows, media=media)
            case OperatorWork(sample=sample) if is_operator_stage(stage):
                steps = self._steps[stage.name]
                if counted.calls is None:
                    counted.calls = CallCounts.of(len(steps))
                return count_calls(
                    rows,
                    steps,
                    self._ledgers_of(stage.name),
                    where=self._filters[stage.name],
                    is_sampled=sample is not None,
                    needed=self._needed,
                    counts=counted.calls,
                    found=None if self._todo is None else partial(self._todo.add, stage.name),
                )
            case OperatorWork():
                return rows_behind_table_operator(rows)
        return rows  # a check hands them on

    def _close(self, stage: StaticStage) -> None:
        """Counts of stages that no rows were sent through: those of SQL, and all behind them."""
        counted = self.counted[stage.name]
        if stage.name in self._sent:
            return
        counts = [self.rows_of(item.origin) for item in stage.inputs]
        most = [count.at_most for count in counts]
        counted.num_in.at_least = sum(count.at_least for count in counts)
        counted.num_in.at_most = None if None in most else sum(count or 0 for count in most)
        sizes = [self._row_bytes(item.origin) for item in stage.inputs]
        counted.num_bytes = (
            None if None in most else sum((count or 0) * size for count, size in zip(most, sizes, strict=True))
        )
        counted.num_out.at_most = counted.num_in.at_most if _works_row_by_row(stage) else None

    def rows_of(self, name: str) -> RowEstimate:
        """Rows that a source or stage gives."""
        if name in self._known.rows:
            count = self._known.rows[name].num_rows
            return RowEstimate(count, count)
        if name in self.counted:
            return self.counted[name].num_out.estimate
        source = self._sources[name]
        count = source.snapshot.num_rows
        return RowEstimate(count if source.where is None else 0, count)

    # ------------------------------------------------------------------------------------------------- what is read

    def _parts(self, origin: str) -> Iterator[ExpectedRows]:
        schema = self._known.schemas[origin]
        columns = [] if schema is None else [name for name in schema.names if name in self._needed]
        rows = self._known.rows.get(origin)
        if not columns and (rows is not None or self._sources[origin].where is None):
            yield ExpectedRows(pa.table({}), np.ones(self.rows_of(origin).at_least, dtype=np.bool_))
            return
        tables = self._sources[origin].tables(columns or ["_id"]) if rows is None else None
        for table in self._store.tables(rows, columns=columns) if rows is not None else tables or ():
            yield ExpectedRows(table, np.ones(table.num_rows, dtype=np.bool_))

    def _row_bytes(self, name: str) -> float:
        """Of the values of one row, on average; of a stage that has not run those of its first input."""
        while name in self.counted:
            name = next(stage for stage in self._open if stage.name == name).inputs[0].origin
        rows = self._known.rows.get(name)
        if rows is not None:
            return rows.num_bytes / max(rows.num_rows, 1)
        first = next(self._sources[name].tables())
        return float(first.nbytes / max(first.num_rows, 1))

    def _ledgers_of(self, name: str) -> list[Ledger]:
        if name not in self._ledgers:
            self._ledgers[name] = open_ledgers(self._store, self._steps[name], columns=self._needed)
        return self._ledgers[name]

    def _filter(self, stage: StaticStage) -> Filter | None:
        """The expression of a filter, or of a stage that measures some rows."""
        text = stage.work.expression if isinstance(stage.work, FilterWork) else None
        if isinstance(stage.work, OperatorWork):
            text = stage.work.where
        schema = self._known.schemas[stage.inputs[0].origin]
        return None if text is None or schema is None else Filter.parse(text, schema)

    def _columns_read(self, stage: StaticStage) -> Sequence[str]:
        if isinstance(stage.work, CommandWork):
            return stage.work.media
        chosen = self._filters[stage.name]
        columns = [column for step in self._steps.get(stage.name, []) for column in step.columns.values()]
        return [*columns, *(() if chosen is None else chosen.columns)]


def _works_row_by_row(stage: StaticStage) -> bool:
    """Whether no more rows can leave it than come."""
    if isinstance(stage.work, FilterWork | OperatorWork | CommandWork):
        return True
    return isinstance(stage.work, CheckWork) and len(stage.inputs) == 1


def _known_stage(stage: StaticStage, result: StageResult, num_out: int, steps: Sequence[Step]) -> PlannedStage:
    return PlannedStage(
        stage.name,
        stage.kind,
        stage.summary,
        tuple(item.origin for item in stage.inputs),
        cached=True,
        num_in=RowEstimate(result.num_in, result.num_in),
        num_out=RowEstimate(num_out, num_out),
        known=result.num_in,
        to_do=RowEstimate(0, 0),
        num_bytes=0,
        operators=tuple(PlannedOperator(step.spec.name, result.num_in, RowEstimate(0, 0)) for step in steps),
    )


def _open_stage(
    stage: StaticStage, counted: _Counted, steps: Sequence[Step], *, work: str, earlier: EarlierRuns
) -> PlannedStage:
    num_in = counted.num_in.estimate
    to_do, calls = num_in, counted.calls
    num_bytes = None if counted.num_bytes is None else round(counted.num_bytes)
    operators: tuple[PlannedOperator, ...] = ()
    if is_operator_stage(stage):
        if calls is None:  # no row was sent
            nothing = RowEstimate(0, num_in.at_most)
            to_do, operators = nothing, tuple(PlannedOperator(step.spec.name, 0, nothing) for step in steps)
        else:
            limit = _sample_limit(stage, num_in.at_most)
            to_do = _limited(calls.rows_sure_to_do, calls.rows_to_do, limit)
            num_bytes = calls.num_bytes
            operators = tuple(
                PlannedOperator(
                    step.spec.name, calls.known[idx], _limited(calls.sure_to_do[idx], calls.to_do[idx], limit)
                )
                for idx, step in enumerate(steps)
            )
    time = None
    if to_do.at_most is not None:
        time = earlier.estimate(stage, work=work, num_rows=to_do.at_most)
    return PlannedStage(
        stage.name,
        stage.kind,
        stage.summary,
        tuple(item.origin for item in stage.inputs),
        cached=False,
        num_in=num_in,
        num_out=counted.num_out.estimate,
        known=0 if calls is None else calls.rows_known,
        to_do=to_do,
        num_bytes=num_bytes,
        operators=operators,
        time=time,
    )


def _sample_limit(stage: StaticStage, num_in: int | None) -> int | None:
    """Rows that are measured at most where only a sample is."""
    sample = stage.work.sample if isinstance(stage.work, OperatorWork) else None
    if sample is None:
        return None
    if sample.rows is not None:
        return sample.rows
    return None if num_in is None else round((sample.share or 0.0) * num_in)


def _limited(at_least: int, at_most: int, limit: int | None) -> RowEstimate:
    most = at_most if limit is None else min(at_most, limit)
    return RowEstimate(min(at_least, most), most)
