"""Alone among the processes of a machine, and on the disk before anybody relies on it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["FileLock", "locked", "sync"]


class FileLock:
    """A lock file, held from the start until `release`; a killed holder leaves nothing locked.

    A process that is forked meanwhile holds nothing: its copy must be released too, which does not unlock the file.
    """

    def __init__(self, path: str, *, waits: bool = True) -> None:
        """Wait until nobody else holds it.

        Raises:
            BlockingIOError: Somebody does, and `waits` is not set.
        """
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._pid = os.getpid()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BaseException:
            self.release()
            raise

    @classmethod
    def try_for(cls, path: str) -> FileLock | None:
        """The lock if nobody holds it."""
        try:
            return cls(path, waits=False)
        except BlockingIOError:
            return None

    def release(self) -> None:
        """Let others in; nothing if that was done."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        if self._pid == os.getpid():
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing is not enough: a forked process may hold a copy
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold a lock file; a killed holder leaves nothing locked."""
    lock = FileLock(path)
    try:
        yield
    finally:
        lock.release()


def sync(path: str) -> None:
    """Put a file's bytes, or a folder's names, on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
