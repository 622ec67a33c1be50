"""Open file descriptors kept for the next read."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections import OrderedDict

__all__ = ["OpenFile", "OpenFiles"]


class OpenFile:
    """A descriptor that is closed when its last user lets go of it, so eviction never cuts off a reader."""

    __slots__ = ("descriptor", "identity")

    def __init__(self, path: str) -> None:
        self.descriptor = -1
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(self.descriptor)
        self.identity = (status.st_dev, status.st_ino)

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)


class OpenFiles:
    """At most `limit` descriptors, the least recently used one closed first. Safe from several threads."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._files: OrderedDict[str, OpenFile] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, path: str) -> OpenFile:
        """The open file of that name; one that was replaced or removed meanwhile is not served from here."""
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its writer
            raise FileNotFoundError(errno.ENOENT, "not a regular file", path)
        with self._lock:
            file = self._files.get(path)
            if file is not None and file.identity == (status.st_dev, status.st_ino):
                self._files.move_to_end(path)
                return file
        opened = OpenFile(path)
        with self._lock:
            self._files[path] = opened
            self._files.move_to_end(path)
            evicted = [self._files.popitem(last=False)[1] for _ in range(len(self._files) - self._limit)]
        del evicted  # closes outside of the lock
        return opened

    def forget(self, path: str) -> None:
        """Close the file once nobody reads it."""
        with self._lock:
            self._files.pop(path, None)
