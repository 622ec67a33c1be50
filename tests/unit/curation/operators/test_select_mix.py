"""select.mix keeps the proportion of the weights."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.curation.operators.select_mix import select_mix
from headrace.errors import InvalidInput
from headrace.testing import run_operator
from proofs.operators.table_comparisons import TABLE_COMPARISONS
from tests.unit.curation.operators.table_rows import kept_ids, shuffled


def rows(sizes: dict[str | None, int]) -> pa.Table:
    sources = [source for source, size in sizes.items() for _ in range(size)]
    return pa.table({"_id": [f"{idx:03d}" for idx in range(len(sources))], "s": pa.array(sources, pa.string())})


def sizes_kept(table: pa.Table, **settings: object) -> dict[str, int]:
    kept = set(kept_ids(select_mix, table, by="s", **settings))
    return dict(Counter(source for row, source in zip(table["_id"].to_pylist(), table["s"].to_pylist()) if row in kept))


def test_quota_rule_holds() -> None:
    comparison = next(each for each in TABLE_COMPARISONS if each.operator == "select.mix")
    assert comparison.difference(900, 6) < 1


def test_as_many_as_the_scarcest_source_allows() -> None:
    assert sizes_kept(rows({"a": 10, "b": 90}), weights={"a": 1, "b": 3}) == {"a": 10, "b": 30}
    assert sizes_kept(rows({"a": 10, "b": 9}), weights={"a": 1, "b": 3}) == {"a": 3, "b": 9}


@given(
    st.dictionaries(
        st.sampled_from("abcd"), st.tuples(st.integers(1, 30), st.sampled_from([0.1, 0.3, 1.0, 2.5, 7.0])), min_size=1
    )
)
def test_default_takes_no_row_twice_and_keeps_the_proportion(sources: dict[str, tuple[int, float]]) -> None:
    weights = {name: weight for name, (_, weight) in sources.items()}
    found = sizes_kept(rows({name: size for name, (size, _) in sources.items()}), weights=weights)
    total = sum(Fraction(repr(weight)) for weight in weights.values())
    for name, (size, weight) in sources.items():
        exact = sum(found.values()) * Fraction(repr(weight)) / total
        assert found.get(name, 0) <= size
        assert abs(found.get(name, 0) - exact) < 1


def test_rows_without_weight_leave() -> None:
    table = rows({"a": 2, "b": 2, None: 1})
    found = run_operator(select_mix, table, by="s", weights={"a": 1})
    assert found["_dropped"].to_pylist() == [
        None, None, "source 'b' has no weight", "source 'b' has no weight", "source None has no weight"
    ]  # fmt: skip


def test_same_rows_whatever_their_order_and_others_by_seed() -> None:
    table = rows({"a": 40, "b": 40})
    settings = {"by": "s", "weights": {"a": 1, "b": 1}, "num_rows": 20}
    assert kept_ids(select_mix, table, seed=3, **settings) == kept_ids(select_mix, shuffled(table), seed=3, **settings)
    assert kept_ids(select_mix, table, seed=3, **settings) != kept_ids(select_mix, table, seed=4, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": {}}, "weights is empty"),
        ({"weights": {"a": 1, "c": 1}}, "there are no rows of source 'c'"),
        ({"weights": {"a": 1, "b": 1}, "num_rows": 50}, "take 25 of 'a', and there are 3"),
        ({"weights": {"a": 0}}, "greater than 0"),
        ({"weights": {"a": "1"}}, "expected number by text"),
    ],
)
def test_impossible_mix_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        kept_ids(select_mix, rows({"a": 3, "b": 40}), by="s", **settings)


def test_no_rows() -> None:
    assert run_operator(select_mix, rows({}), by="s", weights={"a": 1}).num_rows == 0
