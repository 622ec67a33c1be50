"""Rows that stay, and why the others left."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from headrace.curation.table_stages.filter_stage import filter_rows, read_comparison
from headrace.datasets.filters import Filter
from headrace.errors import InvalidInput
from tests.stage_lakes import open_stage_store, put_rows

TABLE = pa.table(
    {
        "_id": ["a", "b", "c", "d"],
        "blur": [31.5, 12.0, None, 30.0],
        "label": ["cat", "it's", "dog", None],
    }
)


def test_comparison_gives_value_and_threshold(tmp_path: Path) -> None:
    store = open_stage_store(tmp_path)
    found = filter_rows(store, put_rows(store, TABLE, part_rows=2), expression="blur >= 30")
    assert store.table(found.rows).column("_id").to_pylist() == ["a", "d"]
    assert found.num_in == 4
    assert store.table(found.dropped).to_pylist() == [
        {"_id": "b", "reason": "blur is not >= 30", "value": "12.0", "threshold": "30"},
        {"_id": "c", "reason": "blur is null", "value": None, "threshold": "30"},
    ]


def test_other_expression_gives_the_values_that_it_reads(tmp_path: Path) -> None:
    store = open_stage_store(tmp_path)
    found = filter_rows(store, put_rows(store, TABLE), expression="blur > 20 AND label = 'cat'")
    record = store.table(found.dropped).to_pylist()[0]
    assert record == {
        "_id": "b",
        "reason": "not (blur > 20 AND label = 'cat')",
        "value": "blur = 12.0, label = it's",
        "threshold": None,
    }


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("blur >= 30", ("blur", ">=", "30")),
        (' "blur"<-1.5e3 ', ("blur", "<", "-1.5e3")),
        ("label = 'it''s'", ("label", "=", "it's")),
        ("BLUR > 1", ("blur", ">", "1")),
        ("blur > blur", None),
        ("NOT blur > 3", None),
        ("blur + 1 > 3", None),
    ],
)
def test_comparison_is_taken_apart(expression: str, wanted: tuple[str, str, str] | None) -> None:
    found = read_comparison(expression, Filter.parse(expression, TABLE.schema))
    assert wanted == (None if found is None else (found.column, found.sign, found.threshold))


def test_nothing_dropped_and_no_rows(tmp_path: Path) -> None:
    store = open_stage_store(tmp_path)
    empty = put_rows(store, TABLE.slice(0, 0))
    found = filter_rows(store, empty, expression="blur > 0")
    assert (found.rows.num_rows, found.dropped.num_rows, found.num_in) == (0, 0, 0)


def test_long_values_are_cut(tmp_path: Path) -> None:
    store = open_stage_store(tmp_path)
    rows = put_rows(store, pa.table({"_id": ["a"], "text": ["x" * 1000]}))
    found = filter_rows(store, rows, expression="text = 'y'")
    assert len(store.table(found.dropped).column("value")[0].as_py()) == 200


def test_rows_without_ids_are_refused(tmp_path: Path) -> None:
    store = open_stage_store(tmp_path)
    with pytest.raises(InvalidInput, match="no column _id"):
        filter_rows(store, put_rows(store, pa.table({"blur": [1.0]})), expression="blur > 3")
