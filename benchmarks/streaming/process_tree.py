"""Memory of a process and all that it started: proportional set size, without the page cache of mapped data."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["memory_of_tree"]


def memory_of_tree(pid: int, *, without: Path) -> int:
    """Bytes, where a page shared by n processes counts as an n-th; mappings of files below `without` are left out."""
    prefix = os.fspath(without)
    return sum(_memory(member, prefix) for member in _tree(pid))


def _tree(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                status = Path(f"/proc/{name}/stat").read_text(encoding="utf-8", errors="replace")
            except OSError:  # gone since it was listed
                continue
            parent = int(status[status.rindex(")") + 2 :].split()[1])
            children.setdefault(parent, []).append(int(name))
    found, left = [], [pid]
    while left:
        member = left.pop()
        found.append(member)
        left += children.get(member, [])
    return found


def _memory(pid: int, prefix: str) -> int:
    total = 0
    try:
        lines = Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # gone since it was listed
        return 0
    is_data = False
    for line in lines:
        words = line.split(None, 5)
        if not words[0].endswith(":"):  # a mapping's first line: address, rights, offset, device, inode, path
            is_data = len(words) == 6 and words[5].startswith(prefix)
        elif words[0] == "Pss:" and not is_data:
            total += int(words[1]) * 1024
    return total
