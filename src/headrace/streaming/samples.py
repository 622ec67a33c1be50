"""From row numbers to samples: read, named, transformed, with the stated policy for bad ones."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from headrace.errors import DataCorrupted, HeadraceError, InvalidInput, MissingExtra, NotFound
from headrace.streaming.sample_random import SampleRandom

if TYPE_CHECKING:
    from headrace.streaming.options import OnError
    from headrace.streaming.plan import Plan
    from headrace.streaming.provider import Provider

__all__ = [
    "FailedSample",
    "MadeSamples",
    "OutputBuffers",
    "Sample",
    "SampleContext",
    "SampleMaker",
    "Stage",
    "describe_stage",
]

Sample = dict[str, Any]
Transform = Callable[..., Sample]

_MAX_SUBSTITUTES = 16
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FailedSample:
    """The quarantine record of a sample that could not be made."""

    key: str
    row: int
    position: int
    epoch: int
    reason: str


class OutputBuffers:
    """Where the samples of one batch write large results, so that collating copies nothing."""

    def __init__(self, num_samples: int, allocate: Callable[[tuple[int, ...], np.dtype[Any]], np.ndarray]) -> None:
        self._num_samples = num_samples
        self._allocate = allocate
        self.arrays: dict[str, np.ndarray] = {}  # by field, [num_samples, *shape]

    def output(self, name: str, idx: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        """Room for a sample's value; of its own where samples have different shapes."""
        array = self.arrays.get(name)
        if array is None:
            array = self.arrays[name] = self._allocate((self._num_samples, *shape), dtype)
        if array.shape[1:] != shape or array.dtype != dtype:
            return np.empty(shape, dtype)
        room: np.ndarray = array[idx]
        return room


class SampleContext:
    """What a transform may know besides the sample. One sample, one thread."""

    __slots__ = ("_buffers", "_given", "_idx", "_random", "_seed", "epoch", "key")

    def __init__(self, *, key: str, seed: int, epoch: int, buffers: OutputBuffers | None = None, idx: int = 0) -> None:
        self.key = key
        self.epoch = epoch
        self._seed = seed
        self._buffers = buffers
        self._idx = idx
        self._random: SampleRandom | None = None
        self._given: set[str] = set()

    @property
    def random(self) -> SampleRandom:
        """Seeded from (seed, epoch, key of the sample)."""
        if self._random is None:
            self._random = SampleRandom(seed=self._seed, epoch=self.epoch, key=self.key)
        return self._random

    def output(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> np.ndarray:
        """Uninitialised room for the field `name` of this sample; in a batch it is the batch's own memory."""
        dtype = np.dtype(dtype)
        if self._buffers is None or name in self._given:
            return np.empty(shape, dtype)  # the room of the batch may hold what a second transform reads
        self._given.add(name)
        return self._buffers.output(name, self._idx, shape, dtype)


@dataclass(slots=True)
class Stage:
    """Where one batch is just now; a watchdog and the statistics read it."""

    name: str = "queued"  # "queued", "read", "transform", "collate", "done"
    key: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)


def describe_stage(number: int, stage: Stage) -> str:
    """A batch under way in words."""
    sample = f" (sample {stage.key})" if stage.key is not None and stage.name == "transform" else ""
    return f"batch {number}: {stage.name}{sample}"


@dataclass(frozen=True, slots=True)
class MadeSamples:
    """Samples and the rows that they were made of, int64 [num_samples]."""

    samples: list[Sample]
    rows: np.ndarray


@dataclass(frozen=True, slots=True)
class SampleMaker:
    """Makes samples of a provider's rows. Immutable and picklable if the transforms are."""

    provider: Provider
    plan: Plan
    columns: tuple[str, ...]  # "_id" first
    transforms: tuple[Transform, ...]
    on_error: OnError
    seed: int

    def read(self, rows: np.ndarray) -> list[Sample]:
        """The samples of some rows, int64 [num_rows], before any transform."""
        values = self.columns_of(rows)
        names = list(values)
        return [dict(zip(names, row)) for row in zip(*values.values())]

    def columns_of(self, rows: np.ndarray) -> dict[str, list[Any]]:
        """The same values column by column, `_id` first."""
        return self.provider.read(rows, self.columns)

    def transformed(self, sample: Sample, context: SampleContext) -> Sample:
        """The sample after all transforms.

        Raises:
            InvalidInput: A transform gave something that is no sample, or failed; names the sample.
        """
        key = sample["_id"]
        for transform in self.transforms:
            try:
                result = transform(sample, context) if getattr(transform, "needs_context", False) else transform(sample)
            except HeadraceError:
                raise
            except Exception as error:
                raise InvalidInput(
                    f"sample {key!r}: {_transform_name(transform)} failed: {type(error).__name__}: {error}"
                ) from error
            if not isinstance(result, Mapping):
                raise InvalidInput(
                    f"sample {key!r}: {_transform_name(transform)} gave {type(result).__name__}, expected a dict; to "
                    "leave samples out use where="
                )
            sample = dict(result)
            sample.setdefault("_id", key)
        return sample

    def one(self, row: int, *, epoch: int = 0) -> Sample:
        """The sample of one row, or its error."""
        sample = dict(zip(self.columns, self.provider.read_one(row, self.columns)))
        return self.finished(sample, epoch=epoch) if self.transforms else sample

    def finished(self, sample: Sample, *, epoch: int) -> Sample:
        """A sample that was read, after all transforms, with memory of its own."""
        return self.transformed(sample, SampleContext(key=sample["_id"], seed=self.seed, epoch=epoch))

    def many(
        self,
        rows: np.ndarray,  # int64 [num_samples]
        *,
        positions: np.ndarray,  # int64 [num_samples]
        epoch: int,
        buffers: OutputBuffers,
        stage: Stage,
        failed: list[FailedSample],
    ) -> MadeSamples:
        """The samples of one batch in order. One that is bad raises, or another takes its place.

        Raises:
            HeadraceError: Also with substitutes where the sample is not to blame: a store that does not answer, rights
                or packages that are missing.
        """
        used = rows
        started = time.perf_counter()
        stage.name = "read"
        try:
            samples: Sequence[Sample | HeadraceError] = self.read(rows)
        except HeadraceError as error:
            if self.on_error == "raise" or not _says_bad_sample(error):
                raise
            samples = [self._read_or_error(row) for row in rows.tolist()]
        stage.seconds["read"] = time.perf_counter() - started
        stage.name = "transform"
        made: list[Sample] = []
        for idx, sample in enumerate(samples):
            try:
                if isinstance(sample, HeadraceError):
                    raise sample
                if self.transforms:
                    stage.key = sample["_id"]
                    context = SampleContext(key=stage.key, seed=self.seed, epoch=epoch, buffers=buffers, idx=idx)
                    sample = self.transformed(sample, context)
                made.append(sample)
            except HeadraceError as error:
                if self.on_error == "raise" or not _says_bad_sample(error):
                    raise
                other, sample = self._substitute(
                    int(rows[idx]), error, position=int(positions[idx]), epoch=epoch, buffers=buffers, idx=idx,
                    failed=failed,
                )  # fmt: skip
                made.append(sample)
                used = rows.copy() if used is rows else used
                used[idx] = other
        return MadeSamples(made, used)

    def _read_or_error(self, row: int) -> Sample | HeadraceError:
        try:
            return self.read(np.array([row], dtype=np.int64))[0]
        except HeadraceError as error:
            if not _says_bad_sample(error):
                raise
            return error

    def _substitute(
        self,
        row: int,
        error: HeadraceError,
        *,
        position: int,
        epoch: int,
        buffers: OutputBuffers,
        idx: int,
        failed: list[FailedSample],
    ) -> tuple[int, Sample]:
        """The row and sample of another place of the plan, the same one on every run."""
        failed.append(self._record(row, error, position=position, epoch=epoch))
        tried = {row}
        for attempt in range(4 * _MAX_SUBSTITUTES):
            name = f"headrace.substitute.1/{self.seed}/{epoch}/{position}/{attempt}"
            draw = int.from_bytes(blake3(name.encode()).digest(length=8), "little")
            ordinal = (draw * self.plan.num_samples) >> 64
            other = int(self.plan.rows(np.array([ordinal], dtype=np.int64), epoch=epoch)[0])
            if other in tried or len(tried) > _MAX_SUBSTITUTES:
                continue
            tried.add(other)
            try:
                (sample,) = self.read(np.array([other], dtype=np.int64))
                context = SampleContext(key=sample["_id"], seed=self.seed, epoch=epoch, buffers=buffers, idx=idx)
                return other, self.transformed(sample, context)
            except HeadraceError as again:
                if not _says_bad_sample(again):
                    raise
                failed.append(self._record(other, again, position=position, epoch=epoch))
        raise DataCorrupted(
            f"{len(tried)} samples in a row could not be made in place of row {row} of {self.provider.name}; the "
            f"first: {error}"
        )

    def _record(self, row: int, error: HeadraceError, *, position: int, epoch: int) -> FailedSample:
        try:
            (key,) = self.provider.read_one(row, ("_id",))
        except HeadraceError as unnamed:
            if not _says_bad_sample(unnamed):
                raise
            key = f"row {row}"
        _logger.warning("sample left out key=%s position=%d epoch=%d: %s", key, position, epoch, error)
        return FailedSample(key, row, position, epoch, str(error))


def _says_bad_sample(error: HeadraceError) -> bool:
    """Whether another sample may do better: no other one cures a store that is away or a package that is missing."""
    return isinstance(error, InvalidInput | NotFound | DataCorrupted) and not isinstance(error, MissingExtra)


def _transform_name(transform: Transform) -> str:
    name = getattr(transform, "__name__", None)
    return f"transform {name}" if name else repr(transform)
