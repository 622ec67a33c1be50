"""A plan: which rows of a provider an epoch holds, fixed before any media byte is read.

Rows that a filter, `max_samples` or a resumed epoch leaves out are a bitmap with prefix sums, so a plan of a billion
rows takes 125 MB + 31 MB, mapped from disk by all processes of a node; without any of them it takes nothing. Weights
are fixed-point prefix sums: draw j of n falls at the point (j * total + offset) / n, whose row one search finds.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from blake3 import blake3

from headrace.errors import InvalidInput, NotFound
from headrace.schema.near_misses import near_miss
from headrace.storage.canonical import canonical_json
from headrace.streaming.file_lock import locked, sync
from headrace.streaming.permutations import ORDER_VERSION
from headrace.streaming.provider import Provider

__all__ = ["Plan", "PlanRules", "build_plan"]

_DOCUMENT = "plan.json"
_WORD_ROWS = 256  # rows that one prefix sum covers
_WEIGHT_UNIT = 1 << 24  # fixed point: the mean weight
Weights = str | Sequence[float] | np.ndarray | None


@dataclass(frozen=True, slots=True)
class PlanRules:
    """What makes a plan of a provider's rows."""

    where: str | None = None
    max_samples: int | None = None
    weights: Weights = None  # a column's name, or one number for each row of the provider

    def to_json(self) -> dict[str, Any]:
        """A document that names the rules; arrays by their digest."""
        weights = self.weights
        if weights is not None and not isinstance(weights, str):
            weights = blake3(np.ascontiguousarray(weights, dtype="<f8").tobytes()).hexdigest()
        return {"where": self.where, "max_samples": self.max_samples, "weights": weights}


class Plan:
    """Ordinals 0 … num_samples - 1 over the rows that are left. Immutable, thread-safe, picklable."""

    def __init__(self, folder: str | None, *, plan_id: str, num_rows: int, seed: int = 0) -> None:
        """Open a plan. `folder` holds its arrays; None where every row belongs once."""
        self.id = plan_id
        self.num_rows = num_rows
        self._folder = folder
        self._seed = seed
        if folder is not None and not _is_complete(folder):
            raise NotFound(f"{folder} lost files of the plan; open the dataset again to make it anew")
        self._kept = _mapped(folder, "kept.npy")  # uint8 [ceil(num_rows / 256) * 32], bit r % 8 of byte r // 8
        self._prefix = _mapped(folder, "prefix.npy")  # int64 [num_words + 1]
        self._weights = _mapped(folder, "weights.npy")  # int64 [num_kept + 1], prefix sums
        self.num_kept = num_rows if self._prefix is None else int(self._prefix[-1])
        self.num_samples = self.num_kept if self._weights is None or int(self._weights[-1]) else 0

    def __reduce__(self) -> tuple[object, ...]:
        return _reopen, (self._folder, self.id, self.num_rows, self._seed)

    @property
    def is_weighted(self) -> bool:
        """Whether an ordinal is a draw: rows may come several times or never."""
        return self._weights is not None

    def rows(self, ordinals: np.ndarray, *, epoch: int = 0) -> np.ndarray:
        """Row numbers of the provider, int64 [num_ordinals]; `epoch` moves the draws of a weighted plan."""
        if self._weights is not None:
            ordinals = self._drawn(self._weights, ordinals, epoch=epoch)
        if self._kept is None or self._prefix is None:
            return ordinals
        word = np.searchsorted(self._prefix, ordinals, side="right") - 1
        rank = ordinals - self._prefix[word]  # within its word
        bytes_of_word = self._kept.reshape(-1, _WORD_ROWS // 8)[word]  # [num_ordinals, 32]
        bits = np.unpackbits(bytes_of_word, axis=1, bitorder="little")  # [num_ordinals, 256]
        place = np.argmax(np.cumsum(bits, axis=1, dtype=np.int16) == (rank + 1)[:, None], axis=1)
        rows: np.ndarray = word * _WORD_ROWS + place
        return rows

    def row(self, ordinal: int) -> int:
        """The row number of one ordinal, as `rows` gives it in epoch 0."""
        if self._weights is None and self._kept is None:
            return ordinal
        return int(self.rows(np.array([ordinal], dtype=np.int64))[0])

    def _drawn(self, weights: np.ndarray, draws: np.ndarray, *, epoch: int) -> np.ndarray:
        if not len(draws):
            return draws
        total = int(weights[-1])
        key = blake3(f"headrace.draws.{ORDER_VERSION}/{self._seed}/{epoch}".encode()).digest(length=8)
        offset = int.from_bytes(key, "little") % total
        points = np.array([(int(draw) * total + offset) // self.num_samples for draw in draws.tolist()], dtype=np.int64)
        drawn: np.ndarray = np.searchsorted(weights, points, side="right") - 1
        return drawn

    def __repr__(self) -> str:
        return f"<Plan {self.id[:12]} {self.num_samples:,} samples of {self.num_rows:,} rows>"


def build_plan(
    provider: Provider,
    *,
    rules: PlanRules,
    folder: str | os.PathLike[str],
    seed: int = 0,
    without: np.ndarray | None = None,
    without_id: str | None = None,
) -> Plan:
    """The plan of these rows, made once and kept in `folder` by its id.

    Args:
        without: Rows to leave out, int64 [num_without] by number: those that a changed dataset's epoch had already.
        without_id: Names them.

    Raises:
        InvalidInput: A filter or weights that do not fit the columns or rows.
    """
    document = {"format": 1, "rows": provider.identity, "num_rows": provider.num_rows, **rules.to_json()}
    if without_id is not None:
        document["without"] = without_id
    plan_id = blake3(canonical_json(document)).hexdigest()
    target = os.path.join(folder, plan_id)
    if rules.where is None and rules.max_samples is None and rules.weights is None and without is None:
        return Plan(None, plan_id=plan_id, num_rows=provider.num_rows, seed=seed)
    if not _is_complete(target):
        with locked(target + ".lock"):
            if not _is_complete(target):
                _build(provider, rules=rules, target=target, document=document, without=without)
    return Plan(target, plan_id=plan_id, num_rows=provider.num_rows, seed=seed)


def _build(
    provider: Provider, *, rules: PlanRules, target: str, document: dict[str, Any], without: np.ndarray | None
) -> None:
    kept = np.ones(provider.num_rows, dtype=bool)
    if rules.where is not None:
        from headrace.datasets.filters import Filter  # brings DuckDB, which worker processes do without

        condition = Filter.parse(rules.where, provider.schema)
        start = 0
        for table in provider.narrow(condition.columns or provider.schema.names[:1]):
            kept[start : start + table.num_rows] = condition.mask(table)
            start += table.num_rows
    if rules.max_samples is not None:
        if rules.max_samples < 1:
            raise InvalidInput(f"max_samples is {rules.max_samples}: expected a whole number from 1")
        kept[np.flatnonzero(kept)[rules.max_samples :]] = False
    if without is not None:  # after the limit: the rest of an epoch is what the whole one would hold, less what it had
        kept[without] = False
    weights = None if rules.weights is None else _weights(provider, rules.weights)[kept]
    shutil.rmtree(target, ignore_errors=True)  # of which somebody removed a file
    temporary = f"{target}.{secrets.token_hex(8)}.tmp"
    try:
        _write_arrays(temporary, kept, weights, document)
        os.replace(temporary, target)
        sync(os.path.dirname(target))
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _write_arrays(temporary: str, kept: np.ndarray, weights: np.ndarray | None, document: dict[str, Any]) -> None:
    Path(temporary).mkdir(parents=True)
    padded = np.zeros(-(-len(kept) // _WORD_ROWS) * _WORD_ROWS, dtype=bool)
    padded[: len(kept)] = kept
    counts = padded.reshape(-1, _WORD_ROWS).sum(axis=1, dtype=np.int64)
    np.save(f"{temporary}/kept.npy", np.packbits(padded, bitorder="little"))
    np.save(f"{temporary}/prefix.npy", np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))
    if weights is not None:
        np.save(f"{temporary}/weights.npy", _fixed_point(weights))
    Path(temporary, _DOCUMENT).write_text(json.dumps(document, indent=1), encoding="utf-8")
    for name in os.listdir(temporary):
        sync(os.path.join(temporary, name))
    sync(temporary)


def _is_complete(folder: str) -> bool:
    """Whether all files of a plan are there; cleaners of temporary folders go by file."""
    try:
        document = json.loads(Path(folder, _DOCUMENT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    names = ["kept.npy", "prefix.npy", *(["weights.npy"] if document["weights"] is not None else [])]
    return all(os.path.exists(os.path.join(folder, name)) for name in names)


def _weights(provider: Provider, weights: str | Sequence[float] | np.ndarray) -> np.ndarray:
    """One weight for each row of the provider, float64 [num_rows]."""
    if isinstance(weights, str):
        names = provider.schema.names
        if weights not in names:
            raise InvalidInput(
                f"weights={weights!r}: {provider.name} has no such column.{near_miss(weights, names)} Columns: "
                f"{', '.join(names)}"
            )
        kind = provider.schema.field(weights).type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            raise InvalidInput(f"weights={weights!r} is {kind}: expected a column of numbers", column=weights)
        pieces = [table.column(weights).fill_null(0) for table in provider.narrow([weights])]
        values = np.concatenate([np.asarray(piece.to_numpy(), dtype=np.float64) for piece in pieces])
    else:
        values = np.asarray(weights, dtype=np.float64).reshape(-1)
        if len(values) != provider.num_rows:
            raise InvalidInput(
                f"{len(values)} weights for {provider.num_rows} rows of {provider.name}; expected one for each row"
            )
    wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(wrong):
        raise InvalidInput(f"the weight of row {wrong[0]} is {values[wrong[0]]}: expected finite numbers from 0")
    return values


def _fixed_point(weights: np.ndarray) -> np.ndarray:
    """Prefix sums of the weights in units of 2^-24 of their mean, int64 [num_kept + 1]."""
    if len(weights) and weights.max() <= 0:
        raise InvalidInput("all weights are 0: expected at least one row to draw")
    weights = weights / weights.max() if len(weights) else weights  # so that no sum overflows or vanishes
    total = weights.sum()
    scaled = np.rint(weights * (len(weights) / total if len(weights) else 1.0) * _WEIGHT_UNIT).astype(np.int64)
    return np.concatenate([[0], np.cumsum(scaled)]).astype(np.int64)


def _mapped(folder: str | None, name: str) -> np.ndarray | None:
    path = None if folder is None else os.path.join(folder, name)
    if path is None or not os.path.exists(path):
        return None
    array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _reopen(folder: str | None, plan_id: str, num_rows: int, seed: int) -> Plan:
    return Plan(folder, plan_id=plan_id, num_rows=num_rows, seed=seed)
