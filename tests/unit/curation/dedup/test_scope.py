"""Which rows are compared."""

from __future__ import annotations

import pyarrow as pa
import pytest

from headrace.curation.dedup.read_columns import read_columns
from headrace.curation.dedup.scope import comparison_scope
from headrace.errors import InvalidInput

TABLE = pa.table({"_id": list("abcd"), "source": ["x", None, "x", None]})


def test_groups_are_equal_values_and_null_is_one() -> None:
    assert comparison_scope(TABLE, within=None, across=None, operator="o").codes.tolist() == [0, 0, 0, 0]
    within = comparison_scope(TABLE, within="source", across=None, operator="o")
    assert not within.is_across
    assert within.codes[0] == within.codes[2] != within.codes[1] == within.codes[3]
    assert comparison_scope(TABLE, within=None, across="source", operator="o").is_across
    with pytest.raises(InvalidInput, match="o: within: source and across: source exclude each other"):
        comparison_scope(TABLE, within="source", across="source", operator="o")


def test_columns_that_settings_name_are_read() -> None:
    settings = {"column": "h", "within": None, "across": "source", "keep": {"column": "blur", "order": "lowest"}}
    assert read_columns(settings, TABLE.schema) == ["h", "source", "blur"]
    assert read_columns({**settings, "across": None, "keep": "first"}, TABLE.schema) == ["h"]
