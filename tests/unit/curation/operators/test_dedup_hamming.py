"""dedup.hamming leaves one of near hashes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.curation.operators.dedup_hamming import dedup_hamming
from headrace.errors import InvalidInput
from headrace.testing import run_operator
from proofs.operators.dedup_comparisons import DEDUP_COMPARISONS, found_partition
from proofs.operators.dedup_oracles import generated_hashes
from tests.unit.curation.operators.table_rows import kept_ids, shuffled


def table_of(hashes: list[int | None], sources: str = "") -> pa.Table:
    return pa.table(
        {
            "_id": [chr(ord("a") + idx) for idx in range(len(hashes))],
            "phash": pa.array(hashes, pa.uint64()),
            "source": pa.array(list(sources) or [""] * len(hashes), pa.string()),
        }
    )


def test_clusters_are_those_of_all_pairs() -> None:
    assert next(each for each in DEDUP_COMPARISONS if each.operator == "dedup.hamming").difference(300, 4) == 0


@given(st.integers(0, 1 << 20), st.integers(0, 10))
def test_order_of_rows_changes_no_cluster(seed: int, distance: int) -> None:
    table = generated_hashes(30, seed=seed)
    wanted = found_partition("dedup.hamming", table, max_distance=distance)
    assert found_partition("dedup.hamming", shuffled(table, seed=seed), max_distance=distance) == wanted
    best = {"column": "phash", "order": "lowest"}
    settings = {"max_distance": distance, "keep": best}
    assert kept_ids(dedup_hamming, table, **settings) == kept_ids(dedup_hamming, shuffled(table, seed=seed), **settings)


def test_dropped_rows_say_of_what_and_how_far() -> None:
    found = run_operator(dedup_hamming, table_of([0b1, 0b0, 2**63, 0b111, None, None]), max_distance=1)
    assert found["cluster"].to_pylist() == ["a", "a", "a", None, None, None]
    assert found["distance"].to_pylist() == [0, 1, 2, None, None, None]
    assert found["_dropped"].to_pylist()[:3] == [None, "duplicate of a", "duplicate of a through others"]
    assert found["_dropped_value"].to_pylist()[:3] == [None, "1", "2"]
    assert found["_dropped_threshold"].to_pylist()[:3] == [None, "1", "1"]


def test_within_and_across_a_column() -> None:
    table = table_of([5, 5, 5, 5, 9, 9], "xxyyzz")
    assert kept_ids(dedup_hamming, table, max_distance=0) == ["a", "e"]
    assert kept_ids(dedup_hamming, table, max_distance=0, within="source") == ["a", "c", "e"]
    # 9 occurs in one source only.
    assert kept_ids(dedup_hamming, table, max_distance=0, across="source") == ["a", "e", "f"]
    with pytest.raises(InvalidInput, match="exclude each other"):
        run_operator(dedup_hamming, table, within="source", across="source")


def test_signed_hashes_are_the_same_bits() -> None:
    table = pa.table({"_id": ["a", "b"], "h": pa.array([-1, 2**63 - 1], pa.int64())})
    assert kept_ids(dedup_hamming, table, column="h", max_distance=1) == ["a"]
    assert kept_ids(dedup_hamming, table, column="h", max_distance=0) == ["a", "b"]


def test_marking_drops_nothing() -> None:
    found = run_operator(dedup_hamming, table_of([1, 1]), action="mark")
    assert found["_dropped"].null_count == 2
    assert found["cluster"].to_pylist() == ["a", "a"]


def test_no_rows_one_row_and_other_columns() -> None:
    assert run_operator(dedup_hamming, table_of([])).num_rows == 0
    assert kept_ids(dedup_hamming, table_of([7])) == ["a"]
    assert kept_ids(dedup_hamming, table_of([None, None])) == ["a", "b"]
    with pytest.raises(InvalidInput, match=r"column '_id' holds string; expected hashes as whole numbers of 64 bits"):
        run_operator(dedup_hamming, table_of([7]), column="_id")
    with pytest.raises(InvalidInput, match=r"reads column 'phas', which is not there\. Did you mean 'phash'"):
        run_operator(dedup_hamming, table_of([7]), keep={"column": "phas"})
    with pytest.raises(InvalidInput, match="max_distance"):
        dedup_hamming.spec.bind({"max_distance": 17})


def test_best_row_of_a_million_equal_ones() -> None:
    num_rows = 1_000_000
    table = pa.table(
        {
            "_id": pa.array(np.arange(num_rows)).cast(pa.string()),
            "phash": pa.array(np.zeros(num_rows, dtype=np.uint64)),
            "blur": pa.array(np.arange(num_rows) % 1000 / 7),
        }
    )
    assert kept_ids(dedup_hamming, table, keep={"column": "blur", "order": "highest"}) == ["100999"]
