"""The merge of sources written out: one identity, one field, one value at a time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["ordered_votes", "said"]

Row = Mapping[str, Any]


def said(value: Any) -> dict[Any, float]:
    """What a value says and how sure: lists of names, lists of {"name", "score"}, single values; the highest counts."""
    found: dict[Any, float] = {}
    for item in value if isinstance(value, list) else [value]:
        name, score = (item["name"], item["score"]) if isinstance(item, dict) else (item, 1.0)
        if name is not None:
            found[name] = max(score, found.get(name, 0.0))
    return found


def ordered_votes(
    rows: Sequence[Row],
    identity: Any,
    field: str,
    weights: Mapping[str, float],
    function: str,
    given: Mapping[str, Any],
) -> list[tuple[Any, float, list[str]]] | None:
    """(value, confidence, sources), the surest first; None where no source says anything."""
    spoken = [row for row in rows if row[field] is not None]
    mentions = [(row["source"], name) for row in spoken for name in _names(row[field])]
    frequency = Counter(name for _, name in mentions)
    is_single = not any(isinstance(row[field], list) for row in spoken)
    used = {s: {name for of, name in mentions if of == s or is_single} for s in weights}
    vocabulary = {s: set(given.get(s, used[s])) for s in weights}
    first: dict[str, dict[Any, float]] = {}
    for row in sorted(spoken, key=lambda row: row["_id"]):
        if row["image"] == identity:
            first.setdefault(row["source"], said(row[field]))
    if not first:
        return None
    votes = []
    for tag in {tag for each in first.values() for tag in each}:
        p = {s: each.get(tag, 0.0) for s, each in first.items() if tag in vocabulary[s]}
        names = sorted(s for s in p if p[s] > 0)
        if names:
            vote = math.fsum(weights[s] * p[s] for s in p) / math.fsum(weights[s] for s in p)
            either = 1 - math.prod(1 - weights[s] * p[s] for s in p)
            votes.append((tag, vote if function == "weighted_vote" else either, names))
    return sorted(votes, key=lambda vote: (-round(vote[1], 11), -frequency[vote[0]], vote[0]))


def _names(value: Any) -> list[Any]:
    items = value if isinstance(value, list) else [value]
    names = [item["name"] if isinstance(item, dict) else item for item in items]
    return [name for name in names if name is not None]
