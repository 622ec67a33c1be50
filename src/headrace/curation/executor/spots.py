"""Where each running task is just now, in memory that outlives the process that says so."""

from __future__ import annotations

import mmap
import os
import struct
import time
from typing import Final, NamedTuple

from headrace.storage.nameless_file import nameless_file

__all__ = ["NOBODY", "Spot", "Spots"]

NOBODY: Final = -1
"""No row, or no step, by itself."""

_LAYOUT = struct.Struct("<qqd")
_BYTES = 64  # a cache line for each


class Spot(NamedTuple):
    """What a task is at."""

    place: int  # of the row in its task
    step_idx: int
    since: float  # `time.monotonic`, the same clock in all processes


class Spots:
    """One spot for each task that may run at once. Each is written by one thread and read by the pool."""

    def __init__(self, num_spots: int) -> None:
        """All say `NOBODY`. `close` it, or a descriptor is left open."""
        self.descriptor = nameless_file(num_spots * _BYTES, label="headrace-spots")
        self._memory = mmap.mmap(self.descriptor, num_spots * _BYTES)
        for slot in range(num_spots):
            self.write(slot, NOBODY, NOBODY)

    @classmethod
    def inherited(cls, descriptor: int) -> Spots:
        """Those of the process that started this one."""
        spots = cls.__new__(cls)
        spots.descriptor = descriptor
        spots._memory = mmap.mmap(descriptor, 0)
        return spots

    def write(self, slot: int, place: int, step_idx: int) -> None:
        """From now on it is at this."""
        _LAYOUT.pack_into(self._memory, slot * _BYTES, place, step_idx, time.monotonic())

    def read(self, slot: int) -> Spot:
        """What it was at when it last said so."""
        return Spot(*_LAYOUT.unpack_from(self._memory, slot * _BYTES))

    def close(self) -> None:
        """Give the memory back; harmless when it is done already."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self._memory.close()
            self.descriptor = -1
