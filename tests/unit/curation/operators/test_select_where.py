"""select.where keeps what the same condition keeps in pandas, and reads nothing else."""

from __future__ import annotations

import pyarrow as pa
import pytest

from headrace.curation.operators.select_where import select_where
from headrace.errors import InvalidInput
from headrace.testing import run_operator
from proofs.operators.table_comparisons import TABLE_COMPARISONS, generated_rows
from tests.unit.curation.operators.table_rows import kept_ids

ROWS = pa.table({"_id": list("abc"), "blur": [10.0, 40.0, None]})


def test_rows_are_those_of_pandas() -> None:
    comparison = next(each for each in TABLE_COMPARISONS if each.operator == "select.where")
    assert comparison.difference(800, 2) == 0


def test_null_and_false_leave_with_the_expression() -> None:
    found = run_operator(select_where, ROWS, where="blur >= 30")
    assert found["_dropped"].to_pylist() == ["not where blur >= 30", None, "not where blur >= 30"]


def test_parts_give_what_the_whole_gives() -> None:
    rows = generated_rows(100, seed=3)
    whole = kept_ids(select_where, rows, where="value > 0")
    parts = [kept_ids(select_where, rows[start : start + 9], where="value > 0") for start in range(0, 100, 9)]
    assert sorted(row for part in parts for row in part) == whole
    assert select_where.spec.is_rowwise


def test_columns_are_those_of_the_expression() -> None:
    spec = select_where.spec
    assert spec.columns_read(spec.bind({"where": "blur > 1"}), ROWS.schema) == ("blur",)


@pytest.mark.parametrize(
    "where", ["random() > 0.5", "(SELECT true)", "blur", "blurr > 1", "read_text('/etc/passwd') = ''"]
)
def test_what_reads_more_than_the_row_is_refused(where: str) -> None:
    with pytest.raises(InvalidInput):
        run_operator(select_where, ROWS, where=where)


def test_no_rows() -> None:
    assert run_operator(select_where, ROWS[:0], where="blur > 1").num_rows == 0
