"""Many small reads of a store: several at once where a request takes long, one after the other where it does not."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from headrace.storage.store import ObjectStore

__all__ = ["in_order"]

_PARALLEL_READS = 16

T = TypeVar("T")
R = TypeVar("R")


def in_order(store: ObjectStore, read: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """What `read` returns for each item, in order. On a remote store `read` runs in threads, a few items ahead."""
    if store.is_local:
        yield from map(read, items)
        return
    with ThreadPoolExecutor(_PARALLEL_READS, thread_name_prefix="headrace-read") as pool:
        ahead: deque[Future[R]] = deque()
        try:
            for item in items:
                ahead.append(pool.submit(read, item))
                if len(ahead) >= 2 * _PARALLEL_READS:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
