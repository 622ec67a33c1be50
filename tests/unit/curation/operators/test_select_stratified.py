"""select.stratified draws as many of each group as scikit-learn does."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from headrace.curation.operators.select_stratified import select_stratified
from headrace.testing import run_operator
from proofs.operators.table_comparisons import TABLE_COMPARISONS, generated_rows
from tests.unit.curation.operators.table_rows import kept_ids, shuffled


def rows(sizes: list[int]) -> pa.Table:
    groups = [f"g{idx}" for idx, size in enumerate(sizes) for _ in range(size)]
    return pa.table({"_id": [f"{idx:03d}" for idx in range(len(groups))], "g": pa.array(groups, pa.string())})


def sizes_kept(table: pa.Table, **settings: object) -> dict[str, int]:
    kept = set(kept_ids(select_stratified, table, by=["g"], **settings))
    return dict(Counter(group for row, group in zip(table["_id"].to_pylist(), table["g"].to_pylist()) if row in kept))


def test_counts_are_those_of_scikit_learn() -> None:
    comparison = next(each for each in TABLE_COMPARISONS if each.operator == "select.stratified")
    assert comparison.difference(900, 5) <= 1


@given(st.lists(st.integers(1, 20), max_size=6), st.integers(0, 80), st.sampled_from(["proportional", "equal"]))
def test_number_of_rows_is_exact_and_shares_are_kept(sizes: list[int], num_rows: int, allocation: str) -> None:
    found = sizes_kept(rows(sizes), num_rows=num_rows, allocation=allocation)
    assert sum(found.values()) == min(num_rows, sum(sizes))
    wanted = min(num_rows, sum(sizes))
    for idx, size in enumerate(sizes):
        kept = found.get(f"g{idx}", 0)
        assert kept <= size
        if allocation == "proportional":
            assert abs(kept - wanted * size / sum(sizes)) < 1
        else:
            assert kept == size or kept >= max(found.values(), default=0) - 1


@given(st.integers(0, 100))
def test_same_rows_whatever_their_order(seed: int) -> None:
    table = generated_rows(60, seed=seed)
    settings = {"by": ["group"], "num_rows": 23, "seed": seed}
    assert kept_ids(select_stratified, table, **settings) == kept_ids(select_stratified, shuffled(table), **settings)


def test_seed_draws_other_rows() -> None:
    table = rows([50, 50])
    drawn = {tuple(kept_ids(select_stratified, table, by=["g"], num_rows=20, seed=seed)) for seed in range(5)}
    assert len(drawn) == 5


def test_larger_sample_of_a_group_holds_the_smaller() -> None:
    table = rows([100])
    few, more = (set(kept_ids(select_stratified, table, by=["g"], num_rows=count)) for count in (10, 40))
    assert few < more


def test_null_is_a_group() -> None:
    table = pa.table({"_id": list("abcd"), "g": ["x", "x", None, None]})
    assert len(kept_ids(select_stratified, table, by=["g"], num_rows=2)) == 2
    found = run_operator(select_stratified, table, by=["g"], num_rows=2)
    assert found["_dropped"].drop_null().to_pylist() == ["not drawn: 1 of 2 rows of its group"] * 2


def test_no_rows() -> None:
    assert run_operator(select_stratified, rows([]), by=["g"], num_rows=4).num_rows == 0
