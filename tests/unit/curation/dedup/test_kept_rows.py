"""Of each cluster one row stays, by the rule."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from headrace.curation.dedup.kept_rows import Keep, keep_columns, keep_rows
from headrace.errors import InvalidInput

TABLE = pa.table({"_id": list("dcbafe"), "blur": [1.0, 7.0, 7.0, float("nan"), None, 2.0]})
CLUSTERS = np.array([0, 0, 0, 0, 4, 5])


@pytest.mark.parametrize(
    ("keep", "stays"),
    [
        pytest.param("first", "d", id="first"),
        pytest.param({"column": "blur", "order": "highest"}, "b", id="highest, the smaller id of two"),
        pytest.param({"column": "blur"}, "b", id="highest by default"),
        pytest.param({"column": "blur", "order": "lowest"}, "d", id="lowest, NaN is worse"),
    ],
)
def test_rule_chooses_the_row(keep: Keep, stays: str) -> None:
    ids = TABLE["_id"].combine_chunks()
    found = keep_rows(TABLE, ids, CLUSTERS, keep=keep)
    assert ids.take(pa.array(found.kept)).to_pylist() == [*stays * 4, "f", "e"]
    assert found.is_alone.tolist() == [False] * 4 + [True] * 2
    assert keep_columns(keep) == ([] if keep == "first" else ["blur"])


def test_result_tells_what_was_measured() -> None:
    found = keep_rows(TABLE, TABLE["_id"].combine_chunks(), CLUSTERS, keep="first")
    measured = np.array([0, 2, 9, 3, 0, 0], dtype=np.uint8)
    result = found.result(measured, name="distance", threshold=6, is_near=lambda each: each <= 6, action="drop")
    assert result["cluster"].to_pylist() == ["d", "d", "d", "d", None, None]
    assert result["distance"].to_pylist() == [0, 2, 9, 3, None, None]
    assert result["_dropped"].to_pylist() == [
        None, "duplicate of d", "duplicate of d through others", "duplicate of d", None, None,
    ]  # fmt: skip
    assert result["_dropped_value"].to_pylist() == [None, 2, 9, 3, None, None]
    assert result["_dropped_threshold"].to_pylist() == [None, 6, 6, 6, None, None]
    marked = found.result(measured, name="distance", threshold=6, is_near=lambda each: each <= 6, action="mark")
    assert marked.column_names == ["cluster", "distance"]


@pytest.mark.parametrize(
    "keep",
    [pytest.param({"order": "highest"}, id="no column"), pytest.param({"column": "x", "order": "best"}, id="order")],
)
def test_rule_without_sense_is_refused(keep: Keep) -> None:
    with pytest.raises(InvalidInput, match="expected first, or a column and an order"):
        keep_columns(keep)
