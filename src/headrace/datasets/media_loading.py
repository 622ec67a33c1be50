"""Reads, checks and hashes media values on threads, ahead of the writer, in order and in bounded memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from headrace.datasets.media import MediaHeader, MediaInput, MediaProbe
from headrace.errors import InvalidInput, NotFound, PermissionDenied
from headrace.storage.digests import check_of, digest_of

__all__ = ["LoadedMedia", "load_media"]

_TASK_VALUES = 64
_TASK_BYTES = 16 * 1024 * 1024
_EMPTY_HEADER = MediaHeader()


@dataclass(slots=True)
class LoadedMedia:
    """One media value, read and checked."""

    data: bytes | None  # None when it is adopted in place
    size: int  # bytes
    digest: bytes  # BLAKE3, 32 bytes
    check: bytes  # XXH3-128, 16 bytes
    header: MediaHeader


def load_media(
    values: Sequence[MediaInput | None],
    *,
    probe: MediaProbe | None,
    keep_bytes: bool,
    pool: ThreadPoolExecutor,
) -> Iterator[LoadedMedia | InvalidInput | None]:
    """The loaded values in order; an invalid one comes as its error, so that the caller decides.

    At most a few tasks of 64 values or 16 MB are in memory at a time.
    """
    window = (os.cpu_count() or 2) + 2
    pending: deque[Future[list[LoadedMedia | InvalidInput | None]]] = deque()
    try:
        for start, end in _tasks(values):
            pending.append(pool.submit(_load_run, values[start:end], probe, keep_bytes))
            if len(pending) >= window:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


def _tasks(values: Sequence[MediaInput | None]) -> Iterator[tuple[int, int]]:
    start = 0
    size = 0
    for idx, value in enumerate(values):
        size += 0 if value is None else (value.size or (len(value.data) if value.data is not None else 0))
        if idx - start + 1 >= _TASK_VALUES or size >= _TASK_BYTES:
            yield start, idx + 1
            start, size = idx + 1, 0
    if start < len(values):
        yield start, len(values)


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
                raise InvalidInput(f"has {len(data)} bytes, {value.size} were announced; it changed while it was read", file=value.name)
            header = _EMPTY_HEADER if probe is None else probe(data, value.name)
        except InvalidInput as error:
            loaded.append(error)
            continue
        except FileNotFoundError as error:
            raise NotFound(f"{value.name}: no such file {value.path!r}; it vanished while it was read, or the index is wrong") from error
        except PermissionError as error:
            raise PermissionDenied(f"{value.name}: the file {value.path!r} may not be read") from error
        loaded.append(LoadedMedia(data if keep_bytes else None, len(data), digest_of(data), check_of(data), header))
    return loaded
