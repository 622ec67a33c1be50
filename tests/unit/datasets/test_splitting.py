"""Splits: shares, refusals, and the sides of fixed keys."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from headrace.datasets.splitting import assign_splits, check_fractions
from headrace.errors import InvalidInput

HALVES = {"a": 0.5, "b": 0.5}


def keys(num_rows: int) -> list[bytes]:
    return [b"%d" % idx for idx in range(num_rows)]


def test_split_of_fixed_keys_never_changes() -> None:
    """A change here would move the rows of every split that users have taken."""
    sides = assign_splits({"train": 0.6, "val": 0.3, "test": 0.1}, keys=keys(20), seed=7)
    assert sides.dtype == np.int32
    assert sides.tolist() == EXPECTED
    negative = assign_splits({"train": 0.6, "val": 0.3, "test": 0.1}, keys=keys(20), seed=-1)
    assert negative.tolist() != sides.tolist()


EXPECTED = [0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 2, 0, 1, 1, 0, 0, 1, 0]


def test_split_accepts_bytes_and_every_string_and_binary_type() -> None:
    plain = assign_splits(HALVES, keys=keys(50), seed=1)
    texts = [key.decode() for key in keys(50)]
    for array in (
        pa.array(keys(50)),
        pa.array(texts),
        pa.array(texts, pa.large_string()),
        pa.array(texts, pa.string_view()),
        pa.array(texts).dictionary_encode(),
        pa.chunked_array([texts[:20], texts[20:]]),
    ):
        np.testing.assert_array_equal(assign_splits(HALVES, keys=array, seed=1), plain)
    assert len(assign_splits(HALVES, keys=pa.array([b"ab", b"cd"], pa.binary(2)), seed=1)) == 2


def test_split_without_strata_meets_the_shares_on_average() -> None:
    sides = assign_splits({"train": 0.8, "val": 0.15, "test": 0.05}, keys=keys(20_000), seed=3)
    shares = np.bincount(sides, minlength=3) / 20_000
    np.testing.assert_allclose(shares, [0.8, 0.15, 0.05], atol=0.012)


def test_split_with_strata_is_exact_in_each_stratum() -> None:
    strata = pa.array(["rare"] * 5 + ["common"] * 100 + [None] * 10)
    sides = assign_splits({"train": 0.9, "val": 0.1}, keys=keys(115), seed=3, strata=strata)
    assert np.bincount(sides[:5], minlength=2).tolist() == [5, 0]  # 4.5 and 0.5: the first of equal remainders
    assert np.bincount(sides[5:105]).tolist() == [90, 10]
    assert np.bincount(sides[105:]).tolist() == [9, 1]


def test_split_strata_may_be_lists() -> None:
    strata = pa.array([["a"], ["b"], ["a"], ["b"]])
    sides = assign_splits(HALVES, keys=keys(4), seed=0, strata=strata)
    assert sides[0] + sides[2] == 1
    assert sides[1] + sides[3] == 1


def test_split_with_groups_and_strata_stratifies_whole_groups() -> None:
    groups = pa.array(np.arange(1000) // 10)
    strata = pa.array(np.arange(1000) // 500)
    sides = assign_splits({"a": 0.8, "b": 0.2}, keys=keys(1000), seed=5, strata=strata, groups=groups)
    assert all(len(set(sides[start : start + 10])) == 1 for start in range(0, 1000, 10))
    assert np.bincount(sides[:500]).tolist() == [400, 100]
    assert np.bincount(sides[500:]).tolist() == [400, 100]


def test_split_refuses_a_group_in_several_strata() -> None:
    with pytest.raises(InvalidInput, match=r"group 'x' has rows in several strata \(1 groups do\)"):
        assign_splits(HALVES, keys=keys(3), seed=0, groups=pa.array(["x", "x", "y"]), strata=pa.array([1, 2, 1]))


def test_split_with_equal_keys_in_a_stratum_keeps_them_together() -> None:
    sides = assign_splits(HALVES, keys=[b"same"] * 4, seed=0, strata=pa.array(["s"] * 4))
    assert len(set(sides.tolist())) == 1


def test_split_of_no_rows_is_empty() -> None:
    assert assign_splits(HALVES, keys=[], seed=0).shape == (0,)
    assert assign_splits(HALVES, keys=pa.array([], pa.string()), seed=0, strata=pa.array([])).shape == (0,)


def test_split_with_one_side_holds_all() -> None:
    assert assign_splits({"all": 1}, keys=keys(5), seed=0).tolist() == [0] * 5


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ({}, "expected names with their shares"),
        ({"a": 0.5}, "add up to 0.5"),
        ({"a": 0.5, "b": 0.6}, "add up to 1.1"),
        ({"a": 1.5, "b": -0.5}, "share of 'a' is 1.5"),
        ({"a": 1.0, "b": 0.0}, "share of 'b' is 0.0"),
        ({"a": float("nan"), "b": 0.5}, "share of 'a' is nan"),
        ({"a": True}, "share of 'a' is True"),
        ({"a": "1"}, "share of 'a' is '1'"),
        ({"1a": 1.0}, "'1a' is no name"),
        ({"a/b": 1.0}, "'a/b' is no name"),
        ({"": 1.0}, "'' is no name"),
        ({1: 1.0}, "1 is no name"),
    ],
)
def test_split_refuses_wrong_fractions(fractions: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        check_fractions(fractions)
    assert message in str(error.value)


def test_split_accepts_thirds() -> None:
    check_fractions({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})
    check_fractions({f"s{idx}": 0.1 for idx in range(10)})


@pytest.mark.parametrize("seed", [1.5, "7", True, 2**63, None])
def test_split_refuses_a_wrong_seed(seed: object) -> None:
    with pytest.raises(InvalidInput, match="seed"):
        assign_splits(HALVES, keys=keys(2), seed=seed)  # type: ignore[arg-type]


def test_split_refuses_missing_and_odd_keys() -> None:
    with pytest.raises(InvalidInput, match="1 rows have no key"):
        assign_splits(HALVES, keys=pa.array(["a", None]), seed=0)
    with pytest.raises(InvalidInput, match="1 rows have no group"):
        assign_splits(HALVES, keys=keys(2), seed=0, groups=pa.array(["a", None]))
    with pytest.raises(InvalidInput, match="expected strings or bytes"):
        assign_splits(HALVES, keys=pa.array([1, 2]), seed=0)
    with pytest.raises(InvalidInput, match="expected bytes"):
        assign_splits(HALVES, keys=["a"], seed=0)
    with pytest.raises(InvalidInput, match="3 groups for 2 keys"):
        assign_splits(HALVES, keys=keys(2), seed=0, groups=pa.array([1, 2, 3]))
