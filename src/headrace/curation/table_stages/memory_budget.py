"""How the memory of a whole process tree is divided: the caller, its workers, and the engine inside each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import InvalidInput

__all__ = ["MemoryBudget", "divide_memory", "memory_of_each", "resident_bytes"]

MIB = 1 << 20
_CALLER_BYTES = 96 * MIB  # what the caller adds: parts on their way through it, the result's part that is being written
_WORKER_BYTES = 150 * MIB  # a Python with Arrow and DuckDB open, measured at 110, and buffers outside of DuckDB's count
_ENGINE_FLOOR_BYTES = 64 * MIB  # DuckDB sorts and spills with this; below it single steps fail
_ENGINE_SHARE = 0.7  # of what is left: DuckDB counts neither Parquet's buffers nor Arrow's, nor what malloc keeps
_UNKNOWN_BYTES = 256 * MIB


@dataclass(frozen=True, slots=True)
class MemoryBudget:
    """Bytes for each part of the tree."""

    num_workers: int  # 0: no room for any beside the caller
    engine_bytes: int  # DuckDB in each worker
    piece_bytes: int  # Arrow bytes that a worker may read at once when it scatters
    whole_engine_bytes: int  # DuckDB in the caller, without workers


def divide_memory(memory_bytes: int, *, num_workers: int) -> MemoryBudget:
    """Divide what the caller does not use already.

    Raises:
        InvalidInput: Too little for DuckDB to work at all; names the smallest that does.
    """
    resident = resident_bytes()
    free = memory_bytes - resident - _CALLER_BYTES
    whole = int(free * _ENGINE_SHARE)
    if whole < _ENGINE_FLOOR_BYTES:
        least = resident + _CALLER_BYTES + int(_ENGINE_FLOOR_BYTES / _ENGINE_SHARE) + MIB
        raise InvalidInput(
            f"sql: {memory_bytes:,} bytes of memory are too few: this process holds {resident:,} already. "
            f"Give at least {-(-least // MIB)} MiB"
        )
    for count in range(num_workers, 0, -1):
        room = free // count - _WORKER_BYTES
        engine = int(room * _ENGINE_SHARE)
        if engine >= _ENGINE_FLOOR_BYTES:
            return MemoryBudget(count, engine, min(room // 4, 192 * MIB), whole)
    return MemoryBudget(0, 0, 0, whole)


def memory_of_each(memory_bytes: int, *, num_workers: int) -> MemoryBudget:
    """Where workers do not share the caller's memory: each may take as much, and so may the caller.

    Raises:
        InvalidInput: As `divide_memory`.
    """
    whole = divide_memory(memory_bytes, num_workers=0).whole_engine_bytes
    room = memory_bytes - _WORKER_BYTES
    return MemoryBudget(num_workers, int(room * _ENGINE_SHARE), min(room // 4, 192 * MIB), whole)


def resident_bytes() -> int:
    """Memory that this process holds now."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError):
        return _UNKNOWN_BYTES  # not Linux
    return pages * os.sysconf("SC_PAGE_SIZE")
