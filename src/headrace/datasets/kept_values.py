"""The values used last, so that what was read and verified once is not read again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["KeptValues"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class KeptValues(Generic[K, V]):
    """At most so many immutable values, by a name that says their content. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, name: K, read: Callable[[K], V]) -> V:
        """The value, read if it is not kept; threads that read it at once all get the same one."""
        with self._lock:
            known = self._values.get(name)
            if known is not None:
                self._values.move_to_end(name)
                return known
        value = read(name)
        with self._lock:
            value = self._values.setdefault(name, value)
            while len(self._values) > self._limit:
                self._values.popitem(last=False)
        return value
