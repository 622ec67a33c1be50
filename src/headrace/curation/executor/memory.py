"""How much memory processes take: pages that several share count once (PSS)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from headrace.errors import InvalidInput

__all__ = ["held_bytes", "require_measurable"]

_PROC = Path("/proc")


def require_measurable(proc: Path = _PROC) -> None:
    """Refuse a ceiling where nobody could keep it.

    Raises:
        InvalidInput: The system does not say what its processes hold; only Linux does, in /proc.
    """
    if not (proc / "self" / "statm").exists():
        raise InvalidInput(
            "--memory cannot be kept on this system: what processes hold is read from /proc, which only Linux has. "
            "Run without it, and limit the processes by the system's own means (a container, a job's limit)"
        )


def held_bytes(pids: Iterable[int]) -> dict[int, int]:
    """Bytes that each process holds; 0 for one that is gone. Needs `require_measurable`."""
    return {pid: _held(pid) for pid in pids}


def _held(pid: int) -> int:
    try:
        with open(f"{_PROC}/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return _resident(pid)
    return 0


def _resident(pid: int) -> int:
    try:
        with open(f"{_PROC}/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0
