"""The order in which stages can run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["find_cycle", "ordered_stages"]


def ordered_stages(reads: Mapping[str, Sequence[str]]) -> list[str]:
    """Names so that each comes after all that it reads; otherwise in the order given. Without those of a cycle.

    Args:
        reads: What each stage reads; names that are no keys (sources) count as there.
    """
    done: list[str] = []
    placed: set[str] = set()
    waiting = list(reads)
    while waiting:
        left = []
        for name in waiting:
            if all(origin in placed or origin not in reads for origin in reads[name]):
                done.append(name)
                placed.add(name)
            else:
                left.append(name)
        if len(left) == len(waiting):
            break
        waiting = left
    return done


def find_cycle(reads: Mapping[str, Sequence[str]]) -> list[str]:
    """A cycle as names, the first one again at the end; empty where there is none."""
    ordered = set(ordered_stages(reads))
    rest = {name: [origin for origin in reads[name] if origin in reads and origin not in ordered] for name in reads}
    start = next((name for name in reads if name not in ordered), None)
    if start is None:
        return []
    way = [start]
    while rest[way[-1]][0] not in way:
        way.append(rest[way[-1]][0])
    way.append(rest[way[-1]][0])
    return way[way.index(way[-1]) :]
