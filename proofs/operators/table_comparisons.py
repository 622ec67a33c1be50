"""Table operators against pandas, scipy, scikit-learn and rules that hold for any right answer."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from headrace.curation import find_operator
from headrace.testing import run_operator
from proofs.operators.comparison import Comparison, largest

__all__ = ["TABLE_COMPARISONS", "generated_items", "generated_rows", "identity_by_definition"]


def generated_rows(num_rows: int, *, seed: int) -> pa.Table:
    """Rows in no order of their ids, with ties, nulls, NaN and groups of very different size."""
    random = np.random.default_rng(seed)
    value = random.integers(-5, max(6, num_rows // 20), num_rows) / 2
    value[random.random(num_rows) < 0.05] = np.nan
    return pa.table(
        {
            "_id": [f"r{number:07d}" for number in random.permutation(num_rows)],
            "value": pa.array(value, mask=random.random(num_rows) < 0.05),
            "text": [f"t{number}" for number in random.integers(0, max(2, num_rows // 3), num_rows)],
            "group": [f"g{number}" for number in np.minimum(random.geometric(0.3, num_rows), 6)],
        }
    )


def _kept(operator: str, table: pa.Table, **settings: Any) -> list[bool]:
    dropped = run_operator(find_operator(operator), table, **settings)["_dropped"].to_pylist()
    return [reason is None for reason in dropped]


def _differing(found: list[bool], wanted: list[bool]) -> float:
    return float(sum(ours != theirs for ours, theirs in zip(found, wanted, strict=True)))


def _duplicates(num_rows: int, seed: int) -> float:
    table = generated_rows(num_rows, seed=seed)
    frame = table.to_pandas().sort_values(["value", "_id"], na_position="last", kind="stable")
    wanted = ~frame.duplicated(["text", "group"], keep="first")
    first = frame.groupby(["text", "group"])["_id"].transform("first").where(~wanted)
    found = run_operator(find_operator("exact.duplicates"), table, by=["text", "group"], order=["value"])
    origins = [None if pd.isna(origin) else origin for origin in first.sort_index().to_list()]
    differing: int = sum(ours != theirs for ours, theirs in zip(found["duplicate_of"].to_pylist(), origins))
    return differing + _differing(
        [reason is None for reason in found["_dropped"].to_pylist()], wanted.sort_index().to_list()
    )


def identity_by_definition(rows: list[dict[str, Any]], *, radius: int, least: float) -> list[str | None]:
    """Every pair looked at, every group walked; the smallest item of the group."""
    alike: dict[str, set[str]] = {row["item"]: set() for row in rows if row["item"] is not None}
    for left in rows:
        for right in rows:
            if None in (left["item"], right["item"], left["phash"], right["phash"], left["vector"], right["vector"]):
                continue
            if (left["phash"] ^ right["phash"]).bit_count() <= radius:
                one, other = np.array(left["vector"]), np.array(right["vector"])
                if one @ other >= least * np.sqrt(one @ one) * np.sqrt(other @ other):
                    alike[left["item"]].add(right["item"])
    found = {}
    for item in alike:
        group, waiting = {item}, [item]
        while waiting:
            new = alike[waiting.pop()] - group
            group |= new
            waiting += new
        found[item] = min(group)
    return [None if row["item"] is None else found[row["item"]] for row in rows]


def generated_items(num_rows: int, *, seed: int) -> pa.Table:
    """Copies, near copies in chains, lookalikes with other embeddings, and rows without content, hash or embedding."""
    random = np.random.default_rng(seed)
    num_things = max(1, num_rows // 4)
    hashes, vectors = random.integers(0, 2**64, num_things, dtype=np.uint64), random.normal(size=(num_things, 4))
    rows = []
    for number in range(num_rows):
        thing = int(random.integers(num_things))
        variant = int(random.integers(6))
        item = np.random.default_rng([thing, variant])
        flips = np.bitwise_or.reduce(np.uint64(1) << item.integers(0, 64, int(item.integers(0, 4)), dtype=np.uint64))
        vector = vectors[thing] + item.normal(scale=0.02, size=4) if variant < 4 else item.normal(size=4)
        is_there = random.random(3) > 0.03
        rows.append(
            {
                "_id": f"r{number:06d}",
                "content": f"{thing}/{variant}" if is_there[0] else None,
                "phash": int(hashes[thing] ^ flips) if is_there[1] else None,
                "vector": vector.tolist() if is_there[2] else None,
            }
        )
    kinds = [("_id", pa.string()), ("content", pa.string()), ("phash", pa.uint64()), ("vector", pa.list_(pa.float64()))]
    return pa.Table.from_pylist(rows, schema=pa.schema(kinds))


def _identity(num_rows: int, seed: int) -> float:
    table = generated_items(num_rows, seed=seed)
    settings: dict[str, Any] = {
        "content": "content",
        "phash": "phash",
        "radius": 4,
        "embedding": "vector",
        "least_cosine": 0.98,
    }
    found = run_operator(find_operator("identity.assign"), table, **settings)
    rows = [{**row, "item": item} for row, item in zip(table.to_pylist(), found["item_id"].to_pylist(), strict=True)]
    wanted = identity_by_definition(rows, radius=4, least=0.98)
    return float(sum(ours != theirs for ours, theirs in zip(found["identity_id"].to_pylist(), wanted)))


def _top_k(num_rows: int, seed: int) -> float:
    table = generated_rows(num_rows, seed=seed)
    frame = table.to_pandas().sort_values(["value", "_id"], ascending=[False, True]).dropna(subset=["value"])
    kept = set(frame.groupby("group").head(7)["_id"])
    return _differing(
        _kept("select.top_k", table, by="value", k=7, per=["group"]),
        [name in kept for name in table["_id"].to_pylist()],
    )


def _quantile(num_rows: int, seed: int) -> float:
    from scipy import stats

    table = generated_rows(num_rows, seed=seed)
    values = table["value"].to_numpy(zero_copy_only=False)
    known = values[~np.isnan(values)]
    low, high = stats.mstats.mquantiles(known, [0.2, 0.85], alphap=1, betap=1)
    wanted = [bool(low <= value <= high) for value in values]
    found = run_operator(find_operator("select.quantile"), table, by="value", lower=0.2, upper=0.85)
    shares = largest(
        abs(share - stats.percentileofscore(known, value, kind="strict") / 100)
        for share, value in zip(found["share_below"].to_pylist(), values)
        if share is not None
    )
    return _differing([reason is None for reason in found["_dropped"].to_pylist()], wanted) + (shares > 1e-12)


def _stratified(num_rows: int, seed: int) -> float:
    from sklearn.model_selection import train_test_split

    table = generated_rows(num_rows, seed=seed)
    groups = table["group"].to_pylist()
    chosen, _ = train_test_split(groups, train_size=num_rows // 3, stratify=groups, random_state=seed)
    kept = _kept("select.stratified", table, by=["group"], num_rows=num_rows // 3)
    found = Counter(group for group, stays in zip(groups, kept) if stays)
    wanted = Counter(chosen)
    assert sum(found.values()) == num_rows // 3
    return largest(abs(found[group] - wanted[group]) for group in wanted | found)


def _mix(num_rows: int, seed: int) -> float:
    table = generated_rows(num_rows, seed=seed)
    groups = table["group"].to_pylist()
    weights = {"g1": 2.5, "g2": 1.0, "g3": 0.3}
    wanted_rows = min(num_rows // 10, 60)
    kept = _kept("select.mix", table, by="group", weights=weights, num_rows=wanted_rows, seed=seed)
    found = Counter(group for group, stays in zip(groups, kept) if stays)
    if sum(found.values()) != wanted_rows or set(found) - set(weights):
        return float("inf")
    total = sum(map(Fraction, weights.values()))
    # Hamilton's method keeps the quota rule: nobody gets a whole row more or less than the exact share.
    return largest(float(abs(found[name] - wanted_rows * Fraction(weight) / total)) for name, weight in weights.items())


def _where(num_rows: int, seed: int) -> float:
    table = generated_rows(num_rows, seed=seed)
    frame = table.to_pandas()
    wanted = ((frame["value"] >= 1) & (frame["value"] < 9) | frame["group"].isin(["g2", "g4"])).to_list()
    return _differing(
        _kept("select.where", table, where="value >= 1 AND value < 9 OR \"group\" IN ('g2', 'g4')"), wanted
    )


TABLE_COMPARISONS = [
    Comparison("identity.assign", "every pair of rows looked at, every group walked", _identity, "rows that differ", 0),
    Comparison(
        "exact.duplicates",
        "pandas' duplicated after sort_values, and the first id of each group",
        _duplicates,
        "rows that differ",
        0,
        20_000,
    ),
    Comparison("select.top_k", "pandas' head of each group after sort_values", _top_k, "rows that differ", 0, 20_000),
    Comparison(
        "select.quantile", "scipy's mquantiles of type 7 and percentileofscore", _quantile, "rows that differ", 0, 5_000
    ),
    Comparison(
        "select.stratified",
        "rows of each group that scikit-learn's train_test_split draws, which breaks ties at random",
        _stratified,
        "rows of a group",
        1,
        20_000,
    ),
    Comparison(
        "select.mix",
        "the quota rule: each source within one row of its exact share",
        _mix,
        "rows of a source",
        0.9999,
        20_000,
    ),
    Comparison("select.where", "the same condition in pandas", _where, "rows that differ", 0, 20_000),
]
