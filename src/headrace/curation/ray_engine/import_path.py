"""Where a process of the cluster finds the code of a project."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

__all__ = ["extend_import_path"]


def extend_import_path(folders: Sequence[str]) -> None:
    """Folders that were searched where the run was started come last, as far as this machine has them.

    Where nodes share a disk, or are one machine, this is all that a project needs.
    """
    for folder in folders:
        if os.path.isabs(folder) and os.path.isdir(folder) and folder not in sys.path:
            sys.path.append(folder)
