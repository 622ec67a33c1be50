"""How much memory processes take: pages that several share count once (PSS)."""

from __future__ import annotations

import os
from collections.abc import Iterable

__all__ = ["held_bytes"]


def held_bytes(pids: Iterable[int]) -> dict[int, int]:
    """Bytes that each process holds; 0 for one that is gone, or where the system does not say."""
    return {pid: _held(pid) for pid in pids}


def _held(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return _resident(pid)
    return 0


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0
