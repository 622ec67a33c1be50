"""Memory that processes share without a name for it: nothing is left in /dev/shm or on disk however they end."""

from __future__ import annotations

import os
import tempfile

__all__ = ["nameless_file"]


def nameless_file(num_bytes: int, *, label: str) -> int:
    """The descriptor of a file of zeros, memfd where there is one; only pages that are touched take memory.

    Args:
        label: What /proc shows.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create(label, os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:  # it has no name from the start
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, num_bytes)
    return descriptor
