"""Comparisons with numbers, as filters write them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from headrace.datasets.columns import MEDIA_VIEW_TYPE
from headrace.datasets.filter_comparisons import number_comparisons
from headrace.errors import InvalidInput

SCHEMA = pa.schema([("Blur", pa.float64()), ("größe", pa.int32()), ("label", pa.string()), ("image", MEDIA_VIEW_TYPE)])


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("blur >= 20.50", ["Blur >= 20.50"]),
        ("-3e2 < blur AND NOT (größe <= 5)", ["Blur > -3e2", "größe <= 5"]),
        ("größe BETWEEN 2 AND 9 OR blur = 1", ["größe >= 2", "größe <= 9", "Blur = 1"]),
        ("image.width > 64::INTEGER", ["image.width > 64"]),
        ("blur > 1 AND blur > 1", ["Blur > 1"]),
        ("blur > größe AND blur + 1 > 2 AND label > '3' AND abs(blur) < 2", []),
        ("label = 'a'", []),
    ],
    ids=["plain", "mirrored and not", "between", "field and cast", "twice", "no numbers", "text"],
)
def test_comparisons_are_read_from_the_tree(expression: str, found: list[str]) -> None:
    assert [str(comparison) for comparison in number_comparisons(expression, SCHEMA)] == found


def test_what_is_no_expression_is_refused() -> None:
    with pytest.raises(InvalidInput):
        number_comparisons("blur >=", SCHEMA)
