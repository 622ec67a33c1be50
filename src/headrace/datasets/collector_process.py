"""Which process a collector was, so that its neighbours on one machine know at once when it has died."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["has_died", "this_process"]

_PROC = Path("/proc")


def this_process(proc: Path = _PROC) -> str | None:
    """Boot, process namespace, number and start time; None where the system does not tell."""
    return _described(os.getpid(), proc)


def has_died(description: str | None, proc: Path = _PROC) -> bool:
    """Whether that process is surely gone: it ran since this machine started, in this namespace, and does no more.

    False says nothing: it may be alive, or have run on another machine or in another container.
    """
    mine = this_process(proc)
    if description is None or mine is None:
        return False
    place, _, process = description.rpartition(" ")
    number = process.partition("-")[0]
    if place != mine.rpartition(" ")[0] or not number.isdigit():
        return False
    return _described(int(number), proc) != description


def _described(number: int, proc: Path) -> str | None:
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = os.readlink(proc / "self/ns/pid")
        # The name in brackets may hold anything, so count from behind it; field 22 is the start time.
        fields = (proc / str(number) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        # A process that was killed and not yet waited for does nothing any more.
        return None if fields[0] in "ZX" else f"{boot} {namespace} {number}-{fields[19]}"
    except (OSError, IndexError):
        return None
