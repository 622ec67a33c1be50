"""dedup.semantic leaves one of embeddings that point the same way."""

from __future__ import annotations

import pyarrow as pa
import pytest

from headrace.curation.operators.dedup_semantic import dedup_semantic
from headrace.errors import InvalidInput
from headrace.testing import run_operator
from proofs.operators.dedup_comparisons import found_partition, semantic_recall
from proofs.operators.dedup_oracles import generated_embeddings
from tests.unit.curation.operators.table_rows import kept_ids, shuffled


def table_of(*vectors: list[float] | None, sources: str = "") -> pa.Table:
    return pa.table(
        {
            "_id": [chr(ord("a") + idx) for idx in range(len(vectors))],
            "embedding": pa.array(vectors, pa.list_(pa.float32(), 2)),
            "source": list(sources) or [""] * len(vectors),
        }
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_nearly_all_pairs_of_brute_force_are_found_and_no_others(seed: int) -> None:
    table = generated_embeddings(1_500, seed=seed)
    recall, strangers = semantic_recall(table)
    assert recall >= 0.95
    assert strangers == 0
    assert semantic_recall(table, num_cells=1) == (1.0, 0)


def test_order_of_rows_changes_no_cluster() -> None:
    table = generated_embeddings(400, seed=3)
    wanted = found_partition("dedup.semantic", table, seed=5)
    assert wanted
    assert found_partition("dedup.semantic", shuffled(table), seed=5) == wanted
    best = {"column": "_id", "order": "lowest"}
    assert kept_ids(dedup_semantic, table, keep=best) == kept_ids(dedup_semantic, shuffled(table), keep=best)


def test_dropped_rows_say_of_what_and_how_near() -> None:
    found = run_operator(dedup_semantic, table_of([2, 0], [9, 1], None, [0, 1], [0, 0], [0, 0]), threshold=0.99)
    assert found["cluster"].to_pylist() == ["a", "a", None, None, None, None]
    assert found["_dropped"].to_pylist()[1] == "duplicate of a"
    assert found["similarity"].to_pylist()[1] == pytest.approx(9 / 82**0.5)
    assert found["_dropped_threshold"].to_pylist()[1] == "0.99"


def test_within_and_across_a_column() -> None:
    table = table_of([1, 0], [2, 0], [3, 0], [4, 0], [0, 1], [0, 2], sources="xxyyzz")
    assert kept_ids(dedup_semantic, table) == ["a", "e"]
    assert kept_ids(dedup_semantic, table, within="source") == ["a", "c", "e"]
    assert kept_ids(dedup_semantic, table, across="source") == ["a", "e", "f"]


def test_marking_no_rows_one_row_and_other_columns() -> None:
    assert run_operator(dedup_semantic, table_of([1, 0], [1, 0]), action="mark")["_dropped"].null_count == 2
    assert run_operator(dedup_semantic, table_of()).num_rows == 0
    assert kept_ids(dedup_semantic, table_of([1, 0])) == ["a"]
    assert kept_ids(dedup_semantic, table_of(None, None)) == ["a", "b"]
    with pytest.raises(InvalidInput, match=r"dedup.semantic: column 'source' holds string; expected lists of floats"):
        run_operator(dedup_semantic, table_of([1, 0]), column="source")
