"""Numbers of another kind, none of them wrapped around."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from headrace.errors import InvalidInput
from headrace.streaming.transforms import ConvertDtype
from headrace.streaming.transforms.number_types import as_number_type, converted
from tests.unit.streaming.transforms.samples_for_transforms import apply

KINDS = ["bool", "int8", "uint8", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64", "complex64"]


@given(st.sampled_from(KINDS).flatmap(lambda kind: arrays.arrays(kind, 5)), st.sampled_from(KINDS))
def test_whole_numbers_are_kept_exactly_or_refused(array: np.ndarray, name: str) -> None:
    dtype = as_number_type(name)
    try:
        result = converted(array, dtype)
    except InvalidInput:
        return
    assert result.dtype == dtype
    if dtype.kind in "biu":
        assert [complex(value) for value in result.tolist()] == [complex(value) for value in array.tolist()]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([256], "uint8"), ([-1], "uint64"), ([0.5], "int32"), ([float("nan")], "int64"), ([2], "bool"), ([1j], "float32"),
     ([2.0**63], "int64"), ([float("inf")], "int32")],
)  # fmt: skip
def test_values_that_do_not_fit_are_refused(values: list[Any], dtype: str) -> None:
    with pytest.raises(InvalidInput, match=f"sample 'k', field 'x': is .* that {dtype} cannot hold exactly"):
        apply(ConvertDtype("x", dtype), {"x": np.array(values)})


def test_numbers_and_lists_become_arrays() -> None:
    assert apply(ConvertDtype("x", "float32"), {"x": 3})["x"].shape == ()
    assert apply(ConvertDtype("x", "float16"), {"x": [[1, 2], [3, 4]]})["x"].tolist() == [[1, 2], [3, 4]]
    assert np.isnan(apply(ConvertDtype("x", "float32"), {"x": [float("nan")]})["x"][0])


@pytest.mark.parametrize("value", [None, "3", [[1], [2, 3]], {"a": 1}])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput, match="expected numbers"):
        apply(ConvertDtype("x", "float32"), {"x": value})


@pytest.mark.parametrize("name", ["object", "str", "floaty", "datetime64[s]"])
def test_other_kinds_are_refused_at_once(name: str) -> None:
    with pytest.raises(InvalidInput, match="dtype is"):
        ConvertDtype("x", name)
