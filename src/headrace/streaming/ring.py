"""Memory for batches that is used again and again: slots of one region that worker processes may share.

The region is a file without a name (memfd where there is one), so nothing is left in /dev/shm or on disk however the
processes end, and only pages that were touched take memory. A slot is free again when nobody holds an array in it.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import threading
import weakref
from collections.abc import Callable
from functools import partial
from multiprocessing import reduction
from typing import Any

import numpy as np

from headrace.errors import InvalidInput
from headrace.storage.nameless_file import nameless_file
from headrace.units import format_bytes

__all__ = ["Ring", "Slot", "SlotRoom"]

_ALIGNMENT = 64


class Slot:
    """Room for one batch, filled from the front. For one thread."""

    def __init__(self, region: mmap.mmap, *, start: int, size: int, release: Callable[[], None] | None = None) -> None:
        """Args:
        release: Called when the slot and the last array in it are gone; without it somebody else knows when.
        """
        self._source: Any = region
        self._start = start
        self._size = size
        self._used = 0
        if release is not None:
            self._source = (ctypes.c_char * size).from_buffer(region, start)
            self._start = 0
            weakref.finalize(self._source, release).atexit = False
        first = np.frombuffer(self._source, dtype=np.uint8, count=1, offset=self._start)
        self._address: int = first.__array_interface__["data"][0]

    def allocate(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        """An uninitialised array in the slot.

        Raises:
            InvalidInput: The batch is larger than a slot.
        """
        return self.array(self.reserve(int(np.prod(shape, dtype=np.int64)) * dtype.itemsize), shape, dtype)

    def reserve(self, num_bytes: int) -> int:
        """The offset in the slot of so many bytes that are taken from now on."""
        offset = -(-self._used // _ALIGNMENT) * _ALIGNMENT
        if offset + num_bytes > self._size:
            raise InvalidInput(
                f"a batch takes more than {format_bytes(self._size)}: make batch_size smaller, or raise slot_bytes"
            )
        self._used = offset + num_bytes
        return offset

    def array(self, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        """The array that lies there."""
        count = int(np.prod(shape, dtype=np.int64))
        if count == 0:
            return np.empty(shape, dtype)
        flat = np.frombuffer(self._source, dtype=dtype, count=count, offset=self._start + offset)
        return flat.reshape(shape)

    def offset_of(self, array: np.ndarray) -> int | None:
        """Where an array lies in the slot; None if it lies elsewhere or is not contiguous."""
        offset: int = array.__array_interface__["data"][0] - self._address
        return offset if array.flags.c_contiguous and offset >= 0 and offset + array.nbytes <= self._used else None


class SlotRoom:
    """Room in a slot as long as there is some, else anywhere."""

    def __init__(self, slot: Slot | None) -> None:
        self._slot = slot

    def __call__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        if self._slot is not None:
            try:
                return self._slot.allocate(shape, dtype)
            except InvalidInput:  # larger than a slot
                pass
        return np.empty(shape, dtype)


class Ring:
    """Slots of equal size. The process that made it deals them out; copies in other processes only write and read."""

    def __init__(self, num_slots: int, *, slot_bytes: int) -> None:
        page = mmap.PAGESIZE
        self.num_slots = num_slots
        self.slot_bytes = -(-slot_bytes // page) * page
        self._descriptor = nameless_file(num_slots * self.slot_bytes, label="headrace-ring")
        self._region = mmap.mmap(self._descriptor, num_slots * self.slot_bytes)
        self._free = list(range(num_slots))
        self._lock = threading.Lock()

    @property
    def num_free(self) -> int:
        """Slots that nobody holds."""
        return len(self._free)

    def take(self) -> int | None:
        """A free slot's number; None if all are held."""
        with self._lock:
            return self._free.pop() if self._free else None

    def give_back(self, number: int) -> None:
        """The slot is free again. Any thread, also while garbage is collected."""
        self._free.append(number)  # one atomic step: a finaliser may run while this thread holds the lock

    def slot(self, number: int, *, is_owned: bool) -> Slot:
        """The slot of that number, empty; one that is owned gives itself back when it is not used any more."""
        release = partial(self.give_back, number) if is_owned else None
        return Slot(self._region, start=number * self.slot_bytes, size=self.slot_bytes, release=release)

    def __getstate__(self) -> dict[str, Any]:
        return {
            "num_slots": self.num_slots,
            "slot_bytes": self.slot_bytes,
            "descriptor": reduction.DupFd(self._descriptor),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.num_slots = state["num_slots"]
        self.slot_bytes = state["slot_bytes"]
        self._descriptor = state["descriptor"].detach()
        self._region = mmap.mmap(self._descriptor, self.num_slots * self.slot_bytes)
        self._free = []
        self._lock = threading.Lock()

    def __del__(self) -> None:
        descriptor = getattr(self, "_descriptor", -1)
        if descriptor >= 0:
            os.close(descriptor)  # the mapping lives on as long as arrays do
