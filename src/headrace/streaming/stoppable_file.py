"""A large file whose writing can be ended at any time, because no step of it takes long."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["StoppableFile"]

_PIECE_BYTES = 4 << 20
_SYNCED_BYTES = 32 << 20  # one sync of a whole page on a slow disk would hold up the end of a program for seconds


class StoppableFile(io.RawIOBase):
    """A new file; `check` is called before each piece and ends the writing by raising. For one thread."""

    def __init__(self, path: str, check: Callable[[], None]) -> None:
        super().__init__()
        self._check = check
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._position = 0
        self._num_unsynced = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, data: ReadableBuffer, /) -> int:
        """All of the data."""
        view = memoryview(data).cast("B")
        while len(view):
            self._check()
            written = os.write(self._descriptor, view[:_PIECE_BYTES])
            view = view[written:]
            self._position += written
            self._num_unsynced += written
            if self._num_unsynced >= _SYNCED_BYTES:
                os.fdatasync(self._descriptor)
                self._num_unsynced = 0
        return memoryview(data).nbytes

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()
