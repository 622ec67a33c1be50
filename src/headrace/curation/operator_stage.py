"""Sample and batch operators over the rows of a stage: what is known is looked up, the rest is computed in chunks."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.curation.chunk_claims import ChunkClaims
from headrace.curation.executor.losses import Loss
from headrace.curation.executor.spots import NOBODY
from headrace.curation.executor.step import Step
from headrace.curation.executor.task import Task
from headrace.curation.executor.task_running import failed_block
from headrace.curation.input_ids import input_ids
from headrace.curation.ledger import DONE, DROPPED, FAILED, Ledger, block_schema
from headrace.curation.media_access import MediaAccess
from headrace.curation.operator_columns import columns_after, missing_inputs
from headrace.curation.replaced_media import AT, place_column, put_new_media, view_column
from headrace.curation.stage_result import DROPPED_SCHEMA, FAILED_SCHEMA, StageResult
from headrace.curation.stage_rows import StageRows, StageStore, fixed_bytes, row_sizes
from headrace.errors import InvalidInput
from headrace.progress import Progress

__all__ = ["ChunkSize", "Measured", "OperatorStage", "TaskRunner", "ledger_base", "open_ledgers"]

Measured = Callable[[pa.Table, int], NDArray[np.bool_]]
"""(rows, number of the first) -> which of them are measured, [num_rows]; the others get nulls and stay."""


_WAIT_SECONDS = 0.5
_BATCHES = 4  # calls of an operator that says how many rows it takes, in one task


class TaskRunner(Protocol):
    """Runs tasks somewhere."""

    def run(
        self,
        tasks: Iterator[Task],
        *,
        done: Callable[[Task], None],
        given_up: Callable[[Task, int, Loss], None],
    ) -> None:
        """Returns when the blocks of all tasks are in the ledgers."""
        ...


@dataclass(frozen=True, slots=True)
class ChunkSize:
    """How much one task holds; what a kill can cost."""

    rows: int = 4096
    num_bytes: int = 32 * 1024 * 1024  # of texts and media


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the stage's rows as the steps see it."""

    table: pa.Table  # [num_rows]
    measured: NDArray[np.bool_]  # [num_rows]
    ids: list[NDArray[np.bytes_]]  # of each step, [num_rows]


class OperatorStage:
    """One stage of one or more operators that share what they decode."""

    def __init__(
        self,
        stage_store: StageStore,
        steps: Sequence[Step],
        *,
        name: str,
        measured: Measured | None = None,
        chunk: ChunkSize | None = None,
        retries: bool = False,
    ) -> None:
        """
        Args:
            name: Of the stage, for messages.
            measured: None measures all rows.
            retries: Rows in quarantine are tried again.
        """
        self._store = stage_store
        self._steps = list(steps)
        self._name = name
        self._measured = measured
        self._chunk = chunk or ChunkSize()
        self._retries = retries
        self._ledgers = open_ledgers(stage_store, steps)
        self._media = MediaAccess({}, stage_store.store, stage_store.base)  # for blocks of rows that were given up
        self._claims = ChunkClaims(stage_store.store, stage_store.base, steps=self._steps)
        self.calls = {step.spec.name: 0 for step in steps}

    def result_schema(self, schema: pa.Schema) -> pa.Schema:
        """Columns that the stage gives for rows of this schema; an output of the same name replaces a column."""
        return columns_after(self._steps, schema)

    def check(self, schema: pa.Schema) -> None:
        """Raise `InvalidInput` if a step reads a column that is not there, or media from one that holds none."""
        for missing in missing_inputs(self._steps, schema):
            raise InvalidInput(f"stage {self._name!r}: {missing.message}")

    def run(self, rows: StageRows, *, runner: TaskRunner, progress: Progress) -> StageResult:
        """Compute what is not known, then put the result together.

        Raises:
            InvalidInput: A column is missing, or all of the first 100 rows or more failed.
        """
        self.check(rows.schema)
        progress.start(f"stage {self._name}", total_rows=rows.num_rows)
        self._claims.clear_void()
        self._refresh()
        parts: list[list[NDArray[np.bytes_]]] = []
        elsewhere: list[Task] = []  # somebody else works on them

        def tasks() -> Iterator[Task]:
            for part in self._parts(rows):
                parts.append(part.ids)
                todo = self._todo(part)
                progress.advance(rows=part.table.num_rows - int((todo > 0).sum()))
                for task in self._tasks(part, todo):
                    if not self._claims.take(task):
                        elsewhere.append(task)
                    elif self._is_put(task):  # by a run that has ended since we looked
                        progress.advance(rows=task.num_rows)
                    else:
                        yield task

        def done(task: Task) -> None:
            progress.advance(rows=task.num_rows)
            for idx in task.step_idxs:
                self.calls[self._steps[idx].spec.name] += task.num_rows

        def given_up(task: Task, step_idx: int, loss: Loss) -> None:
            for idx in task.step_idxs if step_idx == NOBODY else (step_idx,):
                block = failed_block(task, self._steps, idx, self._media, kind=loss.kind, reason=loss.reason)
                self._ledgers[idx].put(block)
                self.calls[self._steps[idx].spec.name] += 1
            if step_idx == NOBODY or len(task.step_idxs) == 1:
                progress.advance(rows=1)

        try:
            runner.run(tasks(), done=done, given_up=given_up)
            self._refresh()
            while elsewhere:
                elsewhere = [task for task in elsewhere if not self._is_known(task)]
                ours = [task for task in elsewhere if self._claims.take(task)]
                elsewhere = [task for task in elsewhere if all(task is not mine for mine in ours)]
                runner.run(iter(ours), done=done, given_up=given_up)
                if elsewhere and not ours:
                    time.sleep(_WAIT_SECONDS)
                self._refresh()
        finally:
            self._claims.release()
        return self._assembled(rows, parts)

    def _refresh(self) -> None:
        for ledger in self._ledgers:
            ledger.refresh()

    def _is_put(self, task: Task) -> bool:
        """Whether the blocks of just this task are there."""
        pairs = zip(task.step_idxs, task.ids, strict=True)
        return all(self._ledgers[idx].has_block(ids, attempt=task.attempt) for idx, ids in pairs)

    def _is_known(self, task: Task) -> bool:
        """Whether somebody has finished it; a retry asks for a later attempt, which nobody else makes for us."""
        pairs = zip(task.step_idxs, task.ids, strict=True)
        return not self._retries and all((self._ledgers[idx].places(ids) >= 0).all() for idx, ids in pairs)

    def _parts(self, rows: StageRows) -> Iterator[_Part]:
        read = {"_source", "_row", "_id"} & set(rows.schema.names)
        read.update(column for step in self._steps for column in step.columns.values())
        read.update(AT + column for step in self._steps for column in step.columns.values())
        names = [name for name in rows.schema.names if name in read]
        start = 0
        for table in self._store.tables(rows, columns=None if self._measured is not None else names):
            measured = np.ones(table.num_rows, dtype=bool) if self._measured is None else self._measured(table, start)
            table = table.select(names)
            ids = [
                input_ids([table.column(step.columns[name]) for name in step.spec.inputs], num_rows=table.num_rows)
                for step in self._steps
            ]
            yield _Part(table, measured, ids)
            start += table.num_rows

    def _todo(self, part: _Part) -> NDArray[np.int64]:
        """For each row a bit for each step that it needs, [num_rows]; of equal inputs the first one stands for all."""
        todo = np.zeros(part.table.num_rows, dtype=np.int64)
        for idx, (ledger, ids) in enumerate(zip(self._ledgers, part.ids, strict=True)):
            places = ledger.places(ids)
            is_missing = places < 0
            if self._retries and ledger.table.num_rows:
                states = ledger.table.column("_state").to_numpy()
                is_missing |= (places >= 0) & (states[np.maximum(places, 0)] == FAILED)
            wanted = np.flatnonzero(is_missing & part.measured)
            firsts = np.unique(ids[wanted], return_index=True)[1]
            todo[wanted[firsts]] |= 1 << idx
        return todo

    def _tasks(self, part: _Part, todo: NDArray[np.int64]) -> Iterator[Task]:
        for pattern in np.unique(todo[todo > 0]).tolist():
            step_idxs = tuple(idx for idx in range(len(self._steps)) if pattern >> idx & 1)
            rows = np.flatnonzero(todo == pattern)
            attempt = self._attempt(part, rows, step_idxs) if self._retries else 1
            for places in np.split(rows, self._cuts(part.table, rows, step_idxs)):
                table = part.table.take(pa.array(places))
                yield Task(table, step_idxs, tuple(part.ids[idx][places] for idx in step_idxs), attempt)

    def _attempt(self, part: _Part, rows: NDArray[np.int64], step_idxs: Sequence[int]) -> int:
        """One more than any of the rows had."""
        highest = 0
        for idx in step_idxs:
            ledger = self._ledgers[idx]
            places = ledger.places(part.ids[idx][rows])
            known = places[places >= 0]
            if len(known):
                highest = max(highest, int(ledger.table.column("_attempt").to_numpy()[known].max()))
        return highest + 1

    def _cuts(self, table: pa.Table, rows: NDArray[np.int64], step_idxs: Sequence[int]) -> list[int]:
        """Where to cut some rows of a part into tasks."""
        sizes = row_sizes(table)[rows]  # bytes, [num_rows]
        media = {self._steps[idx].columns[name] for idx in step_idxs for name in self._steps[idx].media_inputs}
        for name in media:
            size = pc.struct_field(table.column(name).combine_chunks(), "size").fill_null(0)
            sizes += size.to_numpy(zero_copy_only=False)[rows]
        # What comes out counts as well: latents are larger than the text or vector that they are made of.
        outputs = [kind for idx in step_idxs for kind in self._steps[idx].spec.outputs.values()]
        sizes += sum(fixed_bytes(kind) for kind in outputs if pa.types.is_fixed_size_list(kind))
        most = self._chunk.rows
        for idx in step_idxs:
            setting = self._steps[idx].spec.batch_rows
            if setting is not None:  # its rows take long, so workers share them, and a kill costs little
                most = min(most, _BATCHES * int(str(self._steps[idx].settings[setting])))
        cuts: list[int] = []
        num_rows = num_bytes = 0
        for idx, size in enumerate(sizes.tolist()):
            if num_rows and (num_rows >= most or num_bytes + size > self._chunk.num_bytes):
                cuts.append(idx)
                num_rows = num_bytes = 0
            num_rows += 1
            num_bytes += size
        return cuts

    def _assembled(self, rows: StageRows, parts: Sequence[Sequence[NDArray[np.bytes_]]]) -> StageResult:
        kept = self._store.writer(self.result_schema(rows.schema))
        dropped = self._store.writer(DROPPED_SCHEMA)
        failed = self._store.writer(FAILED_SCHEMA)
        start = 0
        for table, ids in zip(self._store.tables(rows), parts, strict=True):
            measured = np.ones(table.num_rows, dtype=bool) if self._measured is None else self._measured(table, start)
            start += table.num_rows
            fate = np.zeros(table.num_rows, dtype=np.int8)  # the first step that does not say DONE decides
            decider = np.full(table.num_rows, -1, dtype=np.int64)
            places_of: list[NDArray[np.int64]] = []
            for idx, ledger in enumerate(self._ledgers):
                places = np.where(measured, ledger.places(ids[idx]), -1)  # [num_rows]
                if (places[measured] < 0).any():
                    raise AssertionError(f"stage {self._name}: rows are missing in a ledger after they were computed")
                places_of.append(places)
                if not ledger.table.num_rows:
                    continue
                states = ledger.table.column("_state").to_numpy()[np.maximum(places, 0)]
                states = np.where(places >= 0, states, DONE)
                is_new = (fate == DONE) & (states != DONE)
                fate[is_new] = states[is_new]
                decider[is_new] = idx
            for idx, step in enumerate(self._steps):
                record = self._ledgers[idx].table
                mine = np.flatnonzero((decider == idx) & (fate == DROPPED))
                dropped.add(_records(table, mine, step, record.take(pa.array(places_of[idx][mine])), DROPPED_SCHEMA))
                mine = np.flatnonzero((decider == idx) & (fate == FAILED))
                failed.add(_records(table, mine, step, record.take(pa.array(places_of[idx][mine])), FAILED_SCHEMA))
            stays = np.flatnonzero(fate == DONE)
            kept.add(self._with_outputs(table.take(pa.array(stays)), [places[stays] for places in places_of]))
        result = StageResult(rows.num_rows, kept.finish(), dropped.finish(), failed.finish(), dict(self.calls))
        if result.failed.num_rows >= min(100, max(rows.num_rows, 1)) and not result.rows.num_rows:
            first = self._store.table(result.failed).slice(0, 1).to_pylist()[0]
            raise InvalidInput(
                f"stage {self._name!r}: all {result.failed.num_rows:,} rows failed, the first ({first['_id']}) in "
                f"{first['operator']} with {first['class']}: {first['message']}. Mend the operator, or the rows"
            )
        return result

    def _with_outputs(self, table: pa.Table, places_of: Sequence[NDArray[np.int64]]) -> pa.Table:
        """Rows that stay with the values of each step; null where a row was not measured."""
        columns = {name: table.column(name) for name in table.column_names}
        for ledger, step, places in zip(self._ledgers, self._steps, places_of, strict=True):
            indices = pa.array(places, mask=places < 0)
            for name in step.spec.outputs:
                columns[step.outputs[name]] = ledger.table.column(name).take(indices)
            for name in step.spec.replaces:
                column = step.columns[name]
                places = ledger.table.column(place_column(name)).take(indices)
                views = ledger.table.column(view_column(name)).take(indices)
                put_new_media(columns, column, places=places, views=views)
        return pa.table(columns)


def ledger_base(stage_store: StageStore, step: Step) -> str:
    """Where the blocks of a step lie."""
    return stage_store.base + _ledger_folder(step)


def open_ledgers(
    stage_store: StageStore, steps: Sequence[Step], *, columns: Collection[str] | None = None
) -> list[Ledger]:
    """The ledger of each step, which knows what recipes over some of the same datasets have found as well.

    New media lies beside the blocks that speak of it, so an operator that writes media knows its own scope only.

    Args:
        columns: Columns of rows that are read of it, for those who only look; None: all.
    """
    related = stage_store.related()
    return [
        Ledger(
            stage_store.store,
            ledger_base(stage_store, step),
            schema=block_schema(step.spec),
            read_also=() if step.spec.replaces else [base + _ledger_folder(step) for base in related],
            columns=None if columns is None else _columns_needed(step, columns),
        )
        for step in steps
    ]


def _columns_needed(step: Step, columns: Collection[str]) -> list[str]:
    """Of a ledger: outputs that are among the columns, and what became of replaced media."""
    outputs = [name for name in step.spec.outputs if step.outputs[name] in columns]
    return [*outputs, *(of(name) for name in step.spec.replaces for of in (place_column, view_column))]


def _ledger_folder(step: Step) -> str:
    return f"operators/{step.key[:2]}/{step.key}/"


def _records(table: pa.Table, places: NDArray[np.int64], step: Step, record: pa.Table, schema: pa.Schema) -> pa.Table:
    names = {"class": "_class", "message": "_reason", "reason": "_reason", "value": "_value", "attempt": "_attempt"}
    columns: dict[str, pa.ChunkedArray | pa.Array] = {
        "_id": table.column("_id").take(pa.array(places)),
        "operator": pa.array([step.spec.name] * len(places), pa.string()),
        "threshold": record.column("_threshold"),
        **{name: record.column(stored) for name, stored in names.items()},
    }
    return pa.table([columns[name] for name in schema.names], schema=schema)
