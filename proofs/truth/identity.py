"""Identities of drawings on four platforms are the true ones, whatever the order in which files arrive.

A case is a number of drawings and a number of its own: drawings, variants of them with one detail changed, and
amateurs' sketches, as files that were resized, encoded anew, cut and marked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from headrace.curation import find_operator
from headrace.testing import run_operator
from proofs.outcomes import CaseResult
from proofs.truth.pictures import SETTINGS, files_of, picture_table

_LEAST_F1 = 0.97
_MOST_FALSE_MERGES = 0.001  # share of the variants of a drawing
_ONE_BY_ONE = 40  # rows that arrive one at a time


def cases(*, is_full: bool) -> list[str]:
    """Drawings and number."""
    return (
        [f"{drawings}/{number}" for drawings, number in ((250, 1), (250, 2), (250, 3), (250, 4))]
        if is_full
        else ["24/1"]
    )


def skip_reason() -> str | None:
    """Runs anywhere."""
    return None


def check(case: str, *, seed: int) -> CaseResult:
    """Find identities in several orders and compare them with the truth."""
    result = CaseResult(case)
    num_drawings, _, number = case.partition("/")
    drawn = (seed * 31 + int(number)) % 100_000
    files = files_of(int(num_drawings), seed=drawn)
    table = picture_table(files, seed=drawn)
    truth = table["shows"].to_pylist()
    whole = _identities(table)
    pairs, right, wanted = _pair_counts(whole, truth)
    result.count("pairs found", pairs)
    result.count("pairs found that are true", right)
    result.count("true pairs", wanted)
    of = dict(zip(truth, whole))
    variants = {file.shows: f"{file.drawing}/" for file in files if file.detail}
    merged = [shown for shown, original in variants.items() if of[shown] == of[original]]
    result.count("variants", len(variants))
    result.count("variants merged with their drawing", len(merged))
    f1 = 2 * right / max(pairs + wanted, 1)
    if f1 < _LEAST_F1:
        result.violations.append(f"pair F1 is {f1:.4f}; at least {_LEAST_F1} is asked for")
    if len(merged) > _MOST_FALSE_MERGES * len(variants):
        result.violations.append(f"{len(merged)} of {len(variants)} variants are one with their drawing: {merged[:3]}")
    random = np.random.default_rng([seed, 9])
    rows = dict(zip(table["_id"].to_pylist(), whole))
    some = table.take(pa.array(random.permutation(table.num_rows)[:_ONE_BY_ONE]))
    alone = dict(zip(some["_id"].to_pylist(), _identities(some)))
    orders: list[tuple[str, pa.Table, list[int], dict[str, str]]] = [
        ("at once, mixed", table, [table.num_rows], rows),
        ("in four parts", table, [*sorted(random.integers(1, table.num_rows, 3).tolist()), table.num_rows], rows),
        ("one at a time", some, list(range(1, some.num_rows + 1)), alone),
    ]
    for name, arriving, stops, expected in orders:
        mixed = arriving.take(pa.array(random.permutation(arriving.num_rows)))
        last, resolved = _arrived(mixed, stops)
        result.runs += len(stops)
        for said, found in (("ids", last), ("first ids by way of aliases", resolved)):
            apart = [row for row, identity in found.items() if identity != expected[row]]
            if apart:
                result.violations.append(f"{name}: {said} of {len(apart)} rows differ, such as that of {apart[0]}")
    return result


def notes(counts: dict[str, float]) -> list[str]:
    """Quality over all cases."""
    found, right, wanted = (counts.get(name, 0) for name in ("pairs found", "pairs found that are true", "true pairs"))
    merged, variants = counts.get("variants merged with their drawing", 0), counts.get("variants", 0)
    return [
        f"pair F1 {2 * right / max(found + wanted, 1):.4f}",
        f"true pairs found: {right:,.0f} of {wanted:,.0f}; false ones: {found - right:,.0f}",
        f"near variants merged with their drawing: {merged:.0f} of {variants:,.0f}",
    ]


def _identities(table: pa.Table, **settings: Any) -> list[str]:
    found: list[str] = run_operator(find_operator("identity.assign"), table, **SETTINGS, **settings)[
        "identity_id"
    ].to_pylist()
    return found


def _arrived(table: pa.Table, stops: Sequence[int]) -> tuple[dict[str, str], dict[str, str]]:
    """(ids at the end, the ids given first followed through the aliases), by row."""
    known = pa.nulls(0, pa.string())
    first: dict[str, str] = {}
    aliases: dict[str, str] = {}
    for stop in stops:
        before = pa.concat_arrays([known, pa.nulls(stop - len(known), pa.string())])
        part = table.slice(0, stop)
        part = part.set_column(part.column_names.index("before"), "before", before)
        now = _identities(part, known="before")
        for row, old, new in zip(part["_id"].to_pylist(), before.to_pylist(), now):
            first.setdefault(row, new)
            if old is not None and old != new:
                aliases[old] = new
        known = pa.array(now, pa.string())
    last = dict(zip(table["_id"].to_pylist(), known.to_pylist()))
    return last, {row: _followed(identity, aliases) for row, identity in first.items()}


def _followed(identity: str, aliases: dict[str, str]) -> str:
    while identity in aliases:
        identity = aliases[identity]
    return identity


def _pair_counts(found: Sequence[str], truth: Sequence[str]) -> tuple[int, int, int]:
    """Pairs that were found, those of them that are true, and all true ones."""
    sizes, both, true = Counter(found), Counter(zip(found, truth)), Counter(truth)
    counts = [sum(size * (size - 1) // 2 for size in each.values()) for each in (sizes, both, true)]
    return counts[0], counts[1], counts[2]
