"""Folders for lakes that live for a second; in memory where possible, because a kill loses no page cache."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["scratch_folder"]


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder, removed at the end."""
    memory = "/dev/shm"  # mkdtemp makes a private folder in it
    folder = Path(tempfile.mkdtemp(prefix="headrace-proof-", dir=memory if os.access(memory, os.W_OK) else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
