"""One task, run in this process: blocks of results that a ledger takes."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.curation.applying import apply_to_batch, apply_to_row, output_array
from headrace.curation.executor.first_calls import FirstCalls
from headrace.curation.executor.spots import NOBODY
from headrace.curation.executor.step import Step
from headrace.curation.executor.task import Task
from headrace.curation.input_ids import id_array
from headrace.curation.ledger import DONE, DROPPED, FAILED, block_schema
from headrace.curation.media import Media
from headrace.curation.media_access import MediaAccess
from headrace.curation.replaced_media import pack_media, place_column, view_column
from headrace.curation.results import Drop, OperatorUnusable
from headrace.errors import HeadraceError, InvalidInput, MissingExtra, Unavailable
from headrace.storage.store import ObjectStore

__all__ = ["Started", "failed_block", "run_task"]

Started = Callable[[int, int], None]
"""Told the place of the row, in the task, and the step that are worked on from now on; `NOBODY` for either."""

_MAX_ATTEMPTS = 3
_BACK_OFF_SECONDS = 0.5
_MESSAGE_LETTERS = 500
_NO_TURN = contextlib.nullcontext()


@dataclass(frozen=True, slots=True)
class _Batch:
    """What a batch operator gave for some rows of a task; it stays Arrow, as latents in Python lists take much more."""

    places: NDArray[np.int64]  # [num_places]
    values: Mapping[str, pa.Array]  # each [num_places]


@dataclass(slots=True)
class _Column:
    """What became of each row in one step."""

    step: Step
    step_idx: int
    ids: NDArray[np.bytes_]  # [num_rows]
    attempt: int
    states: list[int] = field(init=False)
    classes: list[str | None] = field(init=False)
    reasons: list[str | None] = field(init=False)
    measured: list[str | None] = field(init=False)
    thresholds: list[str | None] = field(init=False)
    values: dict[str, list[Any]] = field(init=False)
    replaced: dict[str, list[bytes | None]] = field(init=False)
    batches: list[_Batch] = field(init=False)

    def __post_init__(self) -> None:
        num_rows = len(self.ids)
        self.states = [DONE] * num_rows
        self.classes = [None] * num_rows
        self.reasons = [None] * num_rows
        self.measured = [None] * num_rows
        self.thresholds = [None] * num_rows
        self.values = {name: [None] * num_rows for name in self.step.spec.outputs}
        self.replaced = {name: [None] * num_rows for name in self.step.spec.replaces}
        self.batches = []

    def fail(self, place: int, error: BaseException) -> None:
        message = error.message if isinstance(error, HeadraceError) else str(error)
        self.states[place] = FAILED
        self.classes[place] = type(error).__name__
        self.reasons[place] = message[:_MESSAGE_LETTERS] or type(error).__name__

    def has_answer(self, rows: slice) -> bool:
        """Whether the operator gave anything for any of these rows: then it was called, and came back."""
        found = [*self.values.values(), *self.replaced.values()]
        if any(array.null_count < len(array) for batch in self.batches for array in batch.values.values()):
            return True
        return DROPPED in self.states[rows] or any(value is not None for column in found for value in column[rows])

    def drop(self, place: int, dropped: Drop) -> None:
        self.states[place] = DROPPED
        self.reasons[place] = dropped.reason
        self.measured[place] = None if dropped.value is None else str(dropped.value)
        self.thresholds[place] = None if dropped.threshold is None else str(dropped.threshold)

    def block(self, store: ObjectStore, base: str) -> pa.Table:
        """As the ledger takes it; a value that does not fit its declared type fails its row.

        New media is written to the store first.
        """
        spec = self.step.spec
        arrays = {name: self._array(name) for name in spec.outputs}
        for name, contents in self.replaced.items():
            arrays[place_column(name)], arrays[view_column(name)] = pack_media(store, base, contents)
        return pa.table(
            {
                "_input": id_array(self.ids),
                "_state": pa.array(self.states, pa.int8()),
                "_attempt": pa.array([self.attempt] * len(self.ids), pa.int16()),
                "_class": pa.array(self.classes, pa.string()),
                "_reason": pa.array(self.reasons, pa.string()),
                "_value": pa.array(self.measured, pa.string()),
                "_threshold": pa.array(self.thresholds, pa.string()),
                **arrays,
            },
            schema=block_schema(spec),
        )

    def _array(self, name: str) -> pa.Array:
        """All values of an output, [num_rows]."""
        spec = self.step.spec
        if spec.kind == "batch":
            return _in_order([(batch.places, batch.values[name]) for batch in self.batches], spec.outputs[name], self)
        try:
            return output_array(spec, name, self.values[name], num_rows=len(self.ids))
        except TypeError:
            self._fail_unfit(name)
        return output_array(spec, name, self.values[name], num_rows=len(self.ids))

    def _fail_unfit(self, name: str) -> None:
        values = self.values[name]
        for place, value in enumerate(values):
            try:
                output_array(self.step.spec, name, [value], num_rows=1)
            except TypeError as error:
                values[place] = None
                self.fail(place, error)


def run_task(
    task: Task,
    steps: Sequence[Step],
    media: MediaAccess,
    *,
    started: Started,
    first_calls: FirstCalls | None = None,
) -> list[pa.Table]:
    """A block for each of the task's steps. A row that fails is in it with its reason; the others do not notice.

    Args:
        first_calls: Those of the process, where several threads run tasks of the same steps.

    Raises:
        MissingExtra: A library that a step needs is not installed.
        OperatorUnusable: A step can work on no row.
    """
    columns = [_Column(steps[idx], idx, ids, task.attempt) for idx, ids in zip(task.step_idxs, task.ids, strict=True)]
    by_row = [column for column in columns if column.step.spec.kind == "sample"]
    names = sorted({name for column in by_row for name in _media_columns(column.step)})
    values = {
        name: task.table.column(name).to_pylist()
        for name in sorted({name for column in by_row for name in _value_columns(column.step)})
    }
    sample_ids = task.table.column("_id").to_pylist()
    if by_row:
        for places, contents in media.runs(task.table, names):
            for place_in_run, place in enumerate(places.tolist()):
                started(place, NOBODY)
                held = {name: _media(contents[name][place_in_run], str(sample_ids[place])) for name in names}
                for column in by_row:
                    with _turn(column, first_calls, started, place):
                        started(place, column.step_idx)
                        _run_row(column, place, held, values)
            started(NOBODY, NOBODY)  # no row is to blame for the time that the next media take
    for column in columns:
        if column.step.spec.kind == "batch":
            with _turn(column, first_calls, started, NOBODY):
                _run_batches(column, task, media, started)
    started(NOBODY, NOBODY)
    return [column.block(media.store, media.base) for column in columns]


def _turn(
    column: _Column, first_calls: FirstCalls | None, started: Started, place: int
) -> contextlib.AbstractContextManager[None]:
    """What a call of the step waits for."""
    lock = None if first_calls is None else first_calls.lock(column.step_idx)
    if first_calls is None or lock is None:
        return _NO_TURN
    return _first_turn(column, first_calls, lock, started, place)


@contextlib.contextmanager
def _first_turn(
    column: _Column, first_calls: FirstCalls, lock: threading.Lock, started: Started, place: int
) -> Iterator[None]:
    """One thread after the other, until a call has given something. No clock runs for those that wait."""
    started(place, NOBODY)
    with lock:
        yield
        if column.has_answer(slice(None) if place == NOBODY else slice(place, place + 1)):
            first_calls.came_through(column.step_idx)


def failed_block(
    task: Task, steps: Sequence[Step], step_idx: int, media: MediaAccess, *, kind: str, reason: str
) -> pa.Table:
    """The block of a step for a task whose rows took their process with them."""
    ids = task.ids[task.step_idxs.index(step_idx)]
    column = _Column(steps[step_idx], step_idx, ids, task.attempt)
    for place in range(task.num_rows):
        column.states[place] = FAILED
        column.classes[place] = kind
        column.reasons[place] = reason
    return column.block(media.store, media.base)


def _media_columns(step: Step) -> list[str]:
    return [step.columns[name] for name in step.media_inputs]


def _value_columns(step: Step) -> list[str]:
    return [step.columns[name] for name in step.value_inputs]


def _media(content: bytes | HeadraceError | None, name: str) -> Media | HeadraceError | None:
    return Media(content, name) if isinstance(content, bytes) else content


def _run_row(
    column: _Column,
    place: int,
    held: Mapping[str, Media | HeadraceError | None],
    values: Mapping[str, Sequence[object]],
) -> None:
    step = column.step
    arguments: dict[str, object] = {}
    for name, kind in step.spec.inputs.items():
        source = step.columns[name]
        argument = held[source] if kind == "media" else values[source][place]
        if isinstance(argument, HeadraceError):
            column.fail(place, argument)
            return
        arguments[name] = argument
    for attempt in range(1, _MAX_ATTEMPTS + 1):
        try:
            found = apply_to_row(step.spec, arguments, step.settings)
            break
        except (MissingExtra, OperatorUnusable):
            raise
        except (Unavailable, ConnectionError, TimeoutError) as error:
            if attempt == _MAX_ATTEMPTS:
                column.fail(place, error)
                return
            time.sleep(_BACK_OFF_SECONDS * 2 ** (attempt - 1))
        except Exception as error:  # noqa: BLE001 - an operator may raise anything, and only its row pays for it
            column.fail(place, error)
            return
    if found.failed is not None:
        column.fail(place, found.failed)
    elif found.dropped is not None:
        column.drop(place, found.dropped)
    else:
        for name, value in found.values.items():
            column.values[name][place] = value
        for name, content in found.replaced.items():
            column.replaced[name][place] = content


def _run_batches(column: _Column, task: Task, media: MediaAccess, started: Started) -> None:
    """All rows of a task, in as many calls as the operator's settings ask for; the clock begins anew with each."""
    step = column.step
    most = task.num_rows if step.spec.batch_rows is None else int(str(step.settings[step.spec.batch_rows]))
    names = sorted(set(_media_columns(step)))
    for start in range(0, task.num_rows, max(most, 1)):
        table = task.table.slice(start, most)
        started(NOBODY, NOBODY)  # the operator is not to blame for the time that reading takes
        for places, contents in media.runs(table, names):
            ids = table.column("_id").take(pa.array(places)).to_pylist() if names else []
            held = {name: [_media(*pair) for pair in zip(contents[name], ids, strict=True)] for name in names}
            usable: list[int] = []
            for idx, place in enumerate(places.tolist()):
                broken = [item for name in names if isinstance(item := held[name][idx], HeadraceError)]
                if broken:
                    column.fail(start + place, broken[0])
                else:
                    usable.append(idx)
            values = table.take(pa.array(places))
            arguments: dict[str, pa.Array | list[Media | None]] = {}
            for name, kind in step.spec.inputs.items():
                source = step.columns[name]
                arguments[name] = held[source] if kind == "media" else _single(values.column(source))
            _run_batch(column, arguments, np.array(usable, np.int64), start + places, started)
            started(NOBODY, NOBODY)


def _run_batch(
    column: _Column,
    arguments: Mapping[str, pa.Array | list[Media | None]],  # each [num_rows]
    chosen: NDArray[np.int64],  # rows that are worked on, [num_chosen]
    places: NDArray[np.int64],  # of all rows in their task, [num_rows]
    started: Started,
) -> None:
    """Rows of a batch that fails are halved down to those that made it fail."""
    if not len(chosen):
        return
    step = column.step
    mine = places[chosen]
    taken = {
        name: [values[idx] for idx in chosen.tolist()] if isinstance(values, list) else values.take(pa.array(chosen))
        for name, values in arguments.items()
    }
    started(int(mine[0]) if len(mine) == 1 else NOBODY, column.step_idx)
    try:
        found = apply_to_batch(step.spec, taken, step.settings)
    except (MissingExtra, OperatorUnusable):
        raise
    except Exception as error:  # noqa: BLE001 - as for rows
        if len(chosen) == 1:
            column.fail(int(mine[0]), error)
            return
        for half in np.array_split(chosen, 2):  # [num_chosen / 2]
            _run_batch(column, arguments, half, places, started)
        return
    column.batches.append(_Batch(mine, found.values))
    for place, reason in zip(mine.tolist(), found.failed or (), strict=False):
        if reason is not None:
            column.fail(place, InvalidInput(reason))


def _in_order(pieces: Sequence[tuple[NDArray[np.int64], pa.Array]], kind: pa.DataType, column: _Column) -> pa.Array:
    """Values by the rows' places, [num_rows]; null where no piece has one, or where the row failed."""
    num_rows = len(column.ids)
    indices = np.full(num_rows, -1, dtype=np.int64)
    start = 0
    for places, _ in pieces:
        indices[places] = np.arange(start, start + len(places))
        start += len(places)
    indices[np.array(column.states) == FAILED] = -1
    if (indices < 0).all():
        return pa.nulls(num_rows, kind)
    values = pa.concat_arrays([_single(array) if isinstance(array, pa.ChunkedArray) else array for _, array in pieces])
    if start == num_rows and np.array_equal(indices, np.arange(num_rows)):
        return values
    return values.take(pa.array(indices, mask=indices < 0))


def _single(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        return pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    return array
