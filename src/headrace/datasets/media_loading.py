"""Reads, checks and hashes media values on threads, ahead of the writer, in order and in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from headrace.datasets.batches import SampleBatch
from headrace.datasets.media import MediaHeader, MediaInput, MediaProbe
from headrace.errors import InvalidInput, NotFound, PermissionDenied
from headrace.storage.digests import check_of, digest_of

__all__ = ["LoadedBatch", "LoadedMedia", "load_batches"]

_TASK_VALUES = 64
_TASK_BYTES = 16 * 1024 * 1024
_AHEAD_TASKS = 12
_AHEAD_BYTES = 256 * 1024 * 1024
_EMPTY_HEADER = MediaHeader()


@dataclass(slots=True)
class LoadedMedia:
    """One media value, read and checked."""

    data: bytes | None  # None when it is adopted in place
    size: int  # bytes
    digest: bytes  # BLAKE3, 32 bytes
    check: bytes  # XXH3-128, 16 bytes
    header: MediaHeader


@dataclass(slots=True)
class LoadedBatch:
    """Rows with their media columns loaded; an invalid value is its error, so that the caller decides."""

    batch: SampleBatch
    media: dict[str, list[LoadedMedia | InvalidInput | None]]


@dataclass(slots=True)
class _Task:
    """One run of values of one media column, or the end of a batch (column None)."""

    loaded: LoadedBatch
    column: str | None
    future: Future[list[LoadedMedia | InvalidInput | None]] | None
    num_bytes: int


def load_batches(
    batches: Iterable[SampleBatch],
    *,
    probes: Mapping[str, MediaProbe],
    keep_bytes: bool,
    pool: ThreadPoolExecutor,
) -> Iterator[LoadedBatch]:
    """The batches in order with their media loaded, while the pool reads ahead of the caller.

    Ahead are at most a dozen tasks of 64 values or 16 MB, and never more than 256 MB whose size was known before.
    """
    window: deque[_Task] = deque()
    ahead_bytes = 0
    try:
        for task in _tasks(batches, probes, keep_bytes, pool):
            window.append(task)
            ahead_bytes += task.num_bytes
            while len(window) > _AHEAD_TASKS or (ahead_bytes > _AHEAD_BYTES and len(window) > 2):
                done = window.popleft()
                ahead_bytes -= done.num_bytes
                yield from _finish(done)
        while window:
            yield from _finish(window.popleft())
    finally:
        for task in window:
            if task.future is not None:
                task.future.cancel()


def _finish(task: _Task) -> Iterator[LoadedBatch]:
    if task.column is None:
        yield task.loaded
    elif task.future is not None:
        task.loaded.media[task.column].extend(task.future.result())


def _tasks(
    batches: Iterable[SampleBatch], probes: Mapping[str, MediaProbe], keep_bytes: bool, pool: ThreadPoolExecutor
) -> Iterator[_Task]:
    for batch in batches:
        loaded = LoadedBatch(batch, {})
        for name, values in batch.columns.items():
            if isinstance(values, list):
                loaded.media[name] = []
                for start, end, num_bytes in _runs(values):
                    future = pool.submit(_load_run, values[start:end], probes.get(name), keep_bytes)
                    yield _Task(loaded, name, future, num_bytes)
        yield _Task(loaded, None, None, 0)


def _runs(values: Sequence[MediaInput | None]) -> Iterator[tuple[int, int, int]]:
    """Bounds and known bytes of each run of values that one task loads."""
    start = 0
    size = 0
    for idx, value in enumerate(values):
        if value is not None:
            size += value.size or (0 if value.data is None else len(value.data))
        if idx - start + 1 >= _TASK_VALUES or size >= _TASK_BYTES:
            yield start, idx + 1, size
            start, size = idx + 1, 0
    if start < len(values):
        yield start, len(values), size


def _load_run(
    values: Sequence[MediaInput | None], probe: MediaProbe | None, keep_bytes: bool
) -> list[LoadedMedia | InvalidInput | None]:
    loaded: list[LoadedMedia | InvalidInput | None] = []
    for value in values:
        if value is None:
            loaded.append(None)
            continue
        try:
            data = value.load()
            if value.size is not None and len(data) != value.size:
                raise InvalidInput(
                    f"has {len(data)} bytes, {value.size} were announced; it changed while it was read", file=value.name
                )
            header = _EMPTY_HEADER if probe is None else probe(data, value.name)
        except InvalidInput as error:
            loaded.append(error)
            continue
        except FileNotFoundError as error:
            raise NotFound(
                f"{value.name}: no such file {value.path!r}; it vanished while it was read, or the index is wrong"
            ) from error
        except PermissionError as error:
            raise PermissionDenied(f"{value.name}: the file {value.path!r} may not be read") from error
        loaded.append(LoadedMedia(data if keep_bytes else None, len(data), digest_of(data), check_of(data), header))
    return loaded
