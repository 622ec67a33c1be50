"""exact.duplicates keeps the first of equal rows, as pandas does."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.curation.operators.exact_duplicates import exact_duplicates
from headrace.errors import InvalidInput
from headrace.testing import run_operator
from proofs.operators.table_comparisons import TABLE_COMPARISONS, generated_rows
from tests.unit.curation.operators.table_rows import kept_ids, shuffled

MEDIA = pa.struct([("size", pa.int64()), ("format", pa.string()), ("digest", pa.binary())])


def origins(table: pa.Table, **settings: object) -> dict[str, str | None]:
    found = run_operator(exact_duplicates, table, **settings)  # type: ignore[arg-type]  # settings are objects
    return dict(zip(table["_id"].to_pylist(), found["duplicate_of"].to_pylist()))


def test_duplicates_are_those_of_pandas() -> None:
    comparison = next(each for each in TABLE_COMPARISONS if each.operator == "exact.duplicates")
    assert comparison.difference(800, 1) == 0


@given(st.lists(st.sampled_from(["a", "b", None, ""]), max_size=12), st.integers(0, 5))
def test_one_of_each_stays_whatever_the_order(values: list[str | None], seed: int) -> None:
    table = pa.table({"_id": [f"{idx:02d}" for idx in range(len(values))], "text": pa.array(values, pa.string())})
    kept = kept_ids(exact_duplicates, table)
    assert len(kept) == len({value for value in values if value is not None}) + values.count(None)
    assert kept == kept_ids(exact_duplicates, shuffled(table, seed=seed))
    for row, origin in origins(table).items():
        assert (origin is None) == (row in kept)
        assert origin is None or (values[int(origin)] == values[int(row)] and origin < row)


def test_media_is_compared_by_digest() -> None:
    digests = [b"1", b"2", b"1", None, None]
    rows = [
        None if digest is None else {"size": idx, "format": "png", "digest": digest}
        for idx, digest in enumerate(digests)
    ]
    table = pa.table({"_id": list("abcde"), "image": pa.array(rows, MEDIA), "note": list("vwxyz")})
    assert origins(table) == {"a": None, "b": None, "c": "a", "d": None, "e": None}
    assert exact_duplicates.spec.columns_read(exact_duplicates.spec.bind({}), table.schema) == ("image",)
    assert exact_duplicates.spec.key_columns(exact_duplicates.spec.bind({}), table.schema) == ("image",)


def test_order_says_which_one_stays() -> None:
    table = pa.table({"_id": list("abcd"), "text": ["x"] * 4, "pixels": [5.0, 9.0, 9.0, math.nan]})
    assert set(origins(table, by=["text"], order=["pixels"], descending=True).values()) == {None, "b"}
    assert set(origins(table, by=["text"], order=["pixels"]).values()) == {None, "a"}


def test_zeros_are_equal_and_nan_equals_nothing() -> None:
    table = pa.table({"_id": list("abcd"), "value": [0.0, -0.0, math.nan, math.nan]})
    assert origins(table) == {"a": None, "b": "a", "c": None, "d": None}


def test_marking_drops_nothing() -> None:
    table = pa.table({"_id": ["a", "b"], "text": ["x", "x"]})
    found = run_operator(exact_duplicates, table, drop=False)
    assert found["_dropped"].null_count == 2
    assert found["duplicate_of"].to_pylist() == [None, "a"]


def test_reason_names_the_row_that_stays() -> None:
    table = pa.table({"_id": ["a", "b"], "text": ["x", "x"]})
    assert run_operator(exact_duplicates, table)["_dropped"].to_pylist() == [None, "duplicate of a"]


def test_no_rows_and_no_ids() -> None:
    assert run_operator(exact_duplicates, generated_rows(0, seed=0)).num_rows == 0
    with pytest.raises(InvalidInput, match="needs the rows' ids"):
        run_operator(exact_duplicates, pa.table({"text": ["x"]}))


def test_unknown_column_is_refused_with_the_nearest() -> None:
    with pytest.raises(InvalidInput, match=r"reads column 'txt', which is not there\. Did you mean 'text'"):
        run_operator(exact_duplicates, generated_rows(3, seed=0), by=["txt"])
