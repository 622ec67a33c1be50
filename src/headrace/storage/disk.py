"""The few system calls that make a file durable, as a seam: a test hands in a disk that is full or fails."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from typing import Protocol

__all__ = ["Disk", "SystemDisk"]

_MAX_BUFFERS = 512  # below IOV_MAX, which is 1024 on Linux

_WRITE_BYTES = 256 * 1024
"""Most bytes of one call. A call of megabytes makes Linux take page cache in blocks of megabytes, and a virtual machine
has given just those back to its host: 480 MB took 1.3 s in calls of 32 MiB and 0.17 s in calls of up to 1 MiB."""


class Disk(Protocol):
    """Each method is one step that may fail with `OSError`; paths are absolute."""

    def create(self, path: str) -> int:
        """Open a new file for writing and return its descriptor; fails if the name is taken."""
        ...

    def write(self, descriptor: int, buffers: Sequence[memoryview]) -> None:
        """Append all bytes of all buffers."""
        ...

    def sync_file(self, descriptor: int) -> None:
        """Return once the file's bytes have reached the device."""
        ...

    def close(self, descriptor: int) -> None:
        """Give the descriptor back."""
        ...

    def link(self, source: str, target: str) -> None:
        """Give the file a second name; fails with `FileExistsError` if that name is taken."""
        ...

    def unlink(self, path: str) -> None:
        """Remove a name."""
        ...

    def make_folder(self, path: str) -> None:
        """Create one folder; fails with `FileExistsError` if the name is taken."""
        ...

    def sync_folder(self, path: str) -> None:
        """Return once the names in the folder have reached the device."""
        ...


class SystemDisk:
    """The disks of this machine."""

    def create(self, path: str) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)

    def write(self, descriptor: int, buffers: Sequence[memoryview]) -> None:
        pending = [
            buffer[start : start + _WRITE_BYTES]
            for buffer in buffers
            for start in range(0, buffer.nbytes, _WRITE_BYTES)
        ]
        position = 0
        while position < len(pending):
            end = position
            num_bytes = 0
            while end < len(pending) and end - position < _MAX_BUFFERS:
                num_bytes += pending[end].nbytes
                if num_bytes > _WRITE_BYTES:
                    break
                end += 1
            written = os.writev(descriptor, pending[position:end])
            # A call may write less than asked, in the middle of a buffer.
            while written and written >= pending[position].nbytes:
                written -= pending[position].nbytes
                position += 1
            if written:
                pending[position] = pending[position][written:]

    def sync_file(self, descriptor: int) -> None:
        # macOS: fsync leaves the bytes in the drive's cache.
        full_sync: int | None = getattr(fcntl, "F_FULLFSYNC", None)
        if full_sync is not None:
            fcntl.fcntl(descriptor, full_sync)
        else:
            os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def link(self, source: str, target: str) -> None:
        os.link(source, target)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def make_folder(self, path: str) -> None:
        os.mkdir(path)

    def sync_folder(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
