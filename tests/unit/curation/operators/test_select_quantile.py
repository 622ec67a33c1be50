"""select.quantile cuts where scipy does."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.curation.operators.select_quantile import select_quantile
from headrace.errors import InvalidInput
from headrace.testing import run_operator
from proofs.operators.table_comparisons import TABLE_COMPARISONS, generated_rows
from tests.unit.curation.operators.table_rows import kept_ids, shuffled


def rows(values: list[float | None]) -> pa.Table:
    return pa.table({"_id": [f"{idx:02d}" for idx in range(len(values))], "v": pa.array(values, pa.float64())})


def test_rows_are_those_of_scipy() -> None:
    comparison = next(each for each in TABLE_COMPARISONS if each.operator == "select.quantile")
    assert comparison.difference(500, 4) == 0


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.floats(0, 1), st.floats(0, 1))
def test_kept_are_those_between_the_quantiles(values: list[float], one: float, other: float) -> None:
    lower, upper = sorted((one, other))
    low, high = np.quantile(values, [lower, upper])
    table = rows([*values])
    assert kept_ids(select_quantile, table, by="v", lower=lower, upper=upper) == [
        f"{idx:02d}" for idx, value in enumerate(values) if low <= value <= high
    ]


def test_ties_stay_or_leave_together() -> None:
    assert kept_ids(select_quantile, rows([1, 1, 1, 2]), by="v", lower=0.1) == ["00", "01", "02", "03"]


def test_reasons_name_value_and_cut() -> None:
    found = run_operator(select_quantile, rows([0, 10, 20, None, math.nan]), by="v", lower=0.25, upper=0.75)
    assert found["_dropped"].to_pylist() == [
        "v is below the 0.25 quantile", None, "v is above the 0.75 quantile", "v is null", "v is null"
    ]  # fmt: skip
    assert found["_dropped_value"].to_pylist() == ["0", None, "20", None, None]
    assert found["_dropped_threshold"].to_pylist() == ["5", None, "15", None, None]
    assert found["share_below"].to_pylist() == [0.0, pytest.approx(1 / 3), pytest.approx(2 / 3), None, None]


def test_everything_stays_by_default_but_nulls() -> None:
    assert kept_ids(select_quantile, rows([3, None, 1]), by="v") == ["00", "02"]
    assert kept_ids(select_quantile, rows([None, None]), by="v") == []


def test_order_of_rows_does_not_matter() -> None:
    table = generated_rows(200, seed=1)
    assert kept_ids(select_quantile, table, by="value", lower=0.3) == kept_ids(
        select_quantile, shuffled(table), by="value", lower=0.3
    )


def test_wrong_bounds_and_wrong_columns_are_refused() -> None:
    with pytest.raises(InvalidInput, match="expected lower up to upper"):
        run_operator(select_quantile, rows([1]), by="v", lower=0.9, upper=0.1)
    with pytest.raises(InvalidInput, match="less than or equal to 1"):
        run_operator(select_quantile, rows([1]), by="v", upper=1.5)
    with pytest.raises(InvalidInput, match="expected numbers"):
        run_operator(select_quantile, rows([1]), by="_id")


def test_no_rows() -> None:
    assert run_operator(select_quantile, rows([]), by="v").num_rows == 0
