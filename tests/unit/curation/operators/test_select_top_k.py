"""select.top_k ranks as pandas sorts."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.curation.operators.select_top_k import select_top_k
from headrace.errors import InvalidInput
from headrace.testing import run_operator
from proofs.operators.table_comparisons import TABLE_COMPARISONS, generated_rows
from tests.unit.curation.operators.table_rows import kept_ids, shuffled

ROWS = pa.table(
    {"_id": list("abcdef"), "v": [1.0, 3.0, None, 3.0, math.nan, -2.0], "g": ["x", "x", "x", "y", "y", None]}
)


def test_rows_are_those_of_pandas() -> None:
    comparison = next(each for each in TABLE_COMPARISONS if each.operator == "select.top_k")
    assert comparison.difference(800, 3) == 0


@given(st.lists(st.one_of(st.none(), st.floats(width=32)), max_size=15), st.integers(0, 16), st.booleans())
def test_kept_values_are_the_largest(values: list[float | None], k: int, largest: bool) -> None:
    table = pa.table({"_id": [f"{idx:02d}" for idx in range(len(values))], "v": pa.array(values, pa.float64())})
    kept = kept_ids(select_top_k, table, by="v", k=k, largest=largest)
    known = sorted((value for value in values if value is not None and value == value), reverse=largest)
    assert sorted((values[int(row)] or 0 for row in kept), reverse=largest) == known[:k]
    assert kept == kept_ids(select_top_k, shuffled(table), by="v", k=k, largest=largest)


def test_ties_go_by_id_and_nulls_leave() -> None:
    found = run_operator(select_top_k, ROWS, by="v", k=2)
    assert found["rank"].to_pylist() == [3, 1, None, 2, None, 4]
    assert found["_dropped"].to_pylist() == [
        "v is not among the 2 largest", None, "v is null", None, "v is null", "v is not among the 2 largest"
    ]  # fmt: skip
    assert found["_dropped_value"].to_pylist() == ["1", None, None, None, None, "-2"]
    assert found["_dropped_threshold"].to_pylist() == ["3", None, None, None, None, "3"]


def test_groups_are_ranked_by_themselves_and_null_is_one() -> None:
    assert kept_ids(select_top_k, ROWS, by="v", k=1, per=["g"]) == ["b", "d", "f"]
    assert select_top_k.spec.key_columns(select_top_k.spec.bind({"by": "v", "k": 1, "per": ["g"]}), ROWS.schema) == (
        "g",
    )


def test_text_and_times_have_an_order_and_lists_have_none() -> None:
    assert kept_ids(select_top_k, ROWS, by="g", k=1) == ["d"]
    rows = pa.table({"_id": ["a"], "v": pa.array([[1]])})
    with pytest.raises(InvalidInput, match="have no order"):
        run_operator(select_top_k, rows, by="v", k=1)


def test_zero_keeps_nothing_and_negative_is_refused() -> None:
    assert kept_ids(select_top_k, ROWS, by="v", k=0) == []
    with pytest.raises(InvalidInput, match=r"setting k of select\.top_k is -1"):
        run_operator(select_top_k, ROWS, by="v", k=-1)


def test_no_rows() -> None:
    assert run_operator(select_top_k, generated_rows(0, seed=0), by="value", k=3).num_rows == 0
