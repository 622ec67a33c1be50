"""Temporary folders that say whose they are, so that those of killed processes are removed by the next one."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from headrace.datasets.collector_process import has_died, this_process

__all__ = ["make_owned_folder"]

_OWNER = "owner"


def make_owned_folder(prefix: str, *, root: str | None = None) -> Path:
    """A new folder; others of this prefix whose process is gone are removed.

    Args:
        root: Where; None: the system's temporary folder.
    """
    place = Path(root or tempfile.gettempdir())
    for owner in place.glob(f"{prefix}*/{_OWNER}"):
        try:
            is_left = has_died(owner.read_text(encoding="utf-8"))
        except OSError:  # somebody else removes it just now, or keeps it to themselves
            continue
        if is_left:
            shutil.rmtree(owner.parent, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    (folder / _OWNER).write_text(this_process() or "", encoding="utf-8")
    return folder
