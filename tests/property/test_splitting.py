"""Laws of splits over random rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from headrace.datasets.splitting import assign_splits

FRACTIONS = st.lists(st.integers(1, 20), min_size=1, max_size=5).map(
    lambda parts: {f"side{idx}": part / sum(parts) for idx, part in enumerate(parts)}
)
KEYS = st.lists(st.binary(max_size=12), unique=True, max_size=60)
SEEDS = st.integers(-(2**63), 2**63 - 1)


@given(FRACTIONS, KEYS, SEEDS)
def test_split_deals_each_row_to_one_side(fractions: dict[str, float], keys: list[bytes], seed: int) -> None:
    sides = assign_splits(fractions, keys=keys, seed=seed)
    assert sides.shape == (len(keys),)
    assert set(sides.tolist()) <= set(range(len(fractions)))


@given(FRACTIONS, KEYS, SEEDS, st.data())
def test_split_is_stable_when_rows_come_and_independent_of_order(
    fractions: dict[str, float], keys: list[bytes], seed: int, data: st.DataObject
) -> None:
    alone = dict(zip(keys, assign_splits(fractions, keys=keys, seed=seed).tolist(), strict=True))
    more = data.draw(st.permutations(keys + [key + b"+new" for key in keys if key + b"+new" not in alone]))
    for key, side in zip(more, assign_splits(fractions, keys=more, seed=seed).tolist(), strict=True):
        assert alone.get(key, side) == side


@given(FRACTIONS, KEYS, SEEDS, st.data())
def test_split_keeps_groups_together(
    fractions: dict[str, float], keys: list[bytes], seed: int, data: st.DataObject
) -> None:
    groups = [data.draw(st.integers(0, 5)) for _ in keys]
    sides = assign_splits(fractions, keys=keys, seed=seed, groups=pa.array(groups, pa.int64()))
    side_of: dict[int, int] = {}
    for group, side in zip(groups, sides.tolist(), strict=True):
        assert side_of.setdefault(group, side) == side


@given(FRACTIONS, KEYS, SEEDS, st.data())
def test_split_strata_are_exact_and_independent_of_order(
    fractions: dict[str, float], keys: list[bytes], seed: int, data: st.DataObject
) -> None:
    strata = {key: data.draw(st.sampled_from(["a", "b", None])) for key in keys}
    sides = assign_splits(fractions, keys=keys, seed=seed, strata=pa.array([strata[key] for key in keys], pa.string()))
    shares = np.array(list(fractions.values()))
    for stratum in ("a", "b", None):
        mine = np.array([strata[key] == stratum for key in keys], dtype=bool)
        counts = np.bincount(sides[mine], minlength=len(shares))
        assert np.all(np.abs(counts - shares * mine.sum()) < 1 + 1e-6)
    shuffled = data.draw(st.permutations(keys))
    again = assign_splits(
        fractions, keys=shuffled, seed=seed, strata=pa.array([strata[key] for key in shuffled], pa.string())
    )
    assert dict(zip(keys, sides.tolist(), strict=True)) == dict(zip(shuffled, again.tolist(), strict=True))
    other = [key for key in keys if strata[key] != "a"]
    without = assign_splits(
        fractions, keys=other, seed=seed, strata=pa.array([strata[key] for key in other], pa.string())
    )
    found = dict(zip(keys, sides.tolist(), strict=True))
    assert [found[key] for key in other] == without.tolist()  # no other stratum changes
