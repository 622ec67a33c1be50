"""Rows through a model in calls of one shape: what comes out for a row depends on nothing but the row.

Libraries choose other kernels for other numbers of rows, and those add in another order. So results are defined as
those of calls with `batch` rows; missing ones are filled up. Other numbers of rows are used only where a trial has
shown that they give the same bits. docs/decisions/0037-encode.md has what was measured.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headrace.curation.encoding.model import Arrays, Model, ModelMismatch, is_out_of_memory

__all__ = ["ModelCalls"]

logger = logging.getLogger(__name__)

_INTEGER_TRIAL: Final = 2  # ids 0 and 1 are in every vocabulary


class ModelCalls:
    """Calls of one model. Thread-safe where the model is, once the first call has come back."""

    def __init__(self, model: Model, *, shape: Sequence[int], batch: int, max_batch: int) -> None:
        """
        Args:
            shape: Of what the model gives for one row.
            batch: Rows of a call; a model whose file fixes them has its own number.
            max_batch: Where memory and bits allow it, up to so many at once.
        """
        self._model = model
        self._shape = tuple(shape)
        self._batch = model.fixed_rows or batch
        self._max_batch = self._batch if model.fixed_rows else max_batch
        self._sizes: list[int] = []  # ascending; numbers of rows whose bits are known to agree

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of rows that calls may have; empty before the first one."""
        return tuple(self._sizes)

    def run(self, rows: Sequence[Arrays]) -> list[NDArray[np.float32] | str]:
        """For each row what the model gives, float32 [*shape], or why it gives nothing.

        Args:
            rows: Inputs by name, without an axis for rows; of one shape in all rows.

        Raises:
            ModelMismatch: It gives other shapes, other values for a row that stands elsewhere, or does not fit into
                memory.
        """
        if not rows:
            return []
        if not self._sizes:
            self._sizes = self._tried(rows[0])
        found: list[NDArray[np.float32] | str] = []
        while len(found) < len(rows):
            left = len(rows) - len(found)
            size = next((size for size in self._sizes if size >= min(left, self._batch)), self._sizes[-1])
            size = max([size, *(other for other in self._sizes if other <= left)])
            try:
                found += self._called(rows[len(found) : len(found) + size], size)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._sizes = [other for other in self._sizes if other < size]
                if not self._sizes:
                    raise _too_large(self._batch) from error
                logger.warning("memory is short: calls of the model go down to %d rows", self._sizes[-1])
        return found

    def _called(self, rows: Sequence[Arrays], size: int) -> Iterator[NDArray[np.float32] | str]:
        try:
            values = self._values(_stacked(rows, size))
        except ModelMismatch:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise
            if len(rows) == 1:
                return iter([f"the model failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}"])
            middle = len(rows) // 2
            return iter([*self._called(rows[:middle], size), *self._called(rows[middle:], size)])
        return iter(values[: len(rows)])

    def _values(self, arrays: Arrays) -> NDArray[np.float32]:  # [num_rows, *shape]
        found = self._model.run(arrays)
        num_rows = len(next(iter(arrays.values())))
        if found.shape != (num_rows, *self._shape):
            given = list(found.shape[1:]) if found.shape[:1] == (num_rows,) else None
            raise ModelMismatch(
                f"it gives {list(found.shape)} for {num_rows} rows, and shape is {list(self._shape)}"
                + (f"; set shape: {given}" if given else "; the first axis must be the rows")
            )
        return found.astype(np.float32, copy=False)

    def _tried(self, row: Arrays) -> list[int]:
        """Numbers of rows that give the same bits as `batch`, which is one of them.

        On a CPU larger numbers save next to nothing, so none are tried.
        """
        batch = self._batch
        trial = [_trial_row(row, seed) for seed in range(batch)]
        wanted = self._trial(trial)
        if batch > 1:
            moved = self._trial([trial[-1], *trial[:-1]])
            if not _are_same(np.roll(wanted, 1, axis=0), moved):
                raise ModelMismatch(
                    f"it gives other values for a row that stands elsewhere among {batch}, so results would depend on "
                    "their neighbours; set batch: 1"
                )
        sizes = [batch]
        if self._model.device == "cpu":
            return sizes
        for size in _smaller(batch):
            if _are_same(wanted[:size], self._trial(trial[:size])):
                sizes.insert(0, size)
        size = 2 * batch
        while size <= self._max_batch:
            rows = [trial[idx % batch] for idx in range(size)]
            try:
                found = self._values(_stacked(rows, size))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                break
            if not _are_same(np.stack([wanted[idx % batch] for idx in range(size)]), found):
                logger.info("calls of %d rows give other bits than those of %d: batch stays %d", size, batch, batch)
                break
            sizes.append(size)
            size *= 2
        return sizes

    def _trial(self, rows: Sequence[Arrays]) -> NDArray[np.float32]:
        try:
            return self._values(_stacked(rows, len(rows)))
        except ModelMismatch:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise _too_large(len(rows)) from error
            given = ", ".join(f"{name or 'values'} {list(array.shape)}" for name, array in rows[0].items())
            raise ModelMismatch(
                f"it does not take {len(rows)} rows of {given}: {' '.join(str(error).split())[:300]}"
            ) from error


def _smaller(batch: int) -> Iterator[int]:
    while batch > 1:
        batch //= 2
        yield batch


def _stacked(rows: Sequence[Arrays], size: int) -> dict[str, NDArray[Any]]:
    """Rows as arrays [size, ...]; the last row stands in for missing ones."""
    filled = [*rows, *[rows[-1]] * (size - len(rows))]
    return {name: np.stack([row[name] for row in filled]) for name in rows[0]}


def _trial_row(row: Arrays, seed: int) -> dict[str, NDArray[Any]]:
    """Other numbers of the same shapes and types."""
    random = np.random.default_rng(seed)
    found: dict[str, NDArray[Any]] = {}
    for idx, (name, array) in enumerate(row.items()):
        if array.dtype.kind == "f":
            found[name] = random.standard_normal(array.shape).astype(array.dtype)
        elif idx == 0:
            found[name] = random.integers(0, _INTEGER_TRIAL, array.shape).astype(array.dtype)
        else:
            found[name] = array  # a mask stays one
    return found


def _are_same(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> bool:
    return ours.tobytes() == theirs.tobytes()


def _too_large(num_rows: int) -> ModelMismatch:
    return ModelMismatch(
        f"{num_rows} rows do not fit into memory at once; set batch to a smaller number"
        if num_rows > 1
        else "a single row does not fit into memory"
    )
