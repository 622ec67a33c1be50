"""Torch with one thread in the calls of this process: several share the cores, and bits do not depend on how many."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import torch

__all__ = ["one_thread"]


class _Entered:
    """Who computes just now; torch's number of threads belongs to the whole process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_inside = 0
        self._before = 0

    def enter(self) -> None:
        with self._lock:
            if not self._num_inside:
                self._before = torch.get_num_threads()
            self._num_inside += 1
            torch.set_num_threads(1)  # also where it is 1: OpenMP keeps a number for each thread

    def leave(self) -> None:
        with self._lock:
            self._num_inside -= 1
            if not self._num_inside:
                torch.set_num_threads(self._before)


_entered = _Entered()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Inside of it torch computes with the calling thread alone; what was set before comes back with the last."""
    _entered.enter()
    try:
        yield
    finally:
        _entered.leave()
