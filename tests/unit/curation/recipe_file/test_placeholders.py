"""`${name}` is a value alone and text inside of a text."""

from __future__ import annotations

import pytest

from headrace.curation.recipe_file.nodes import node_of
from headrace.curation.recipe_file.placeholders import fill_placeholders
from headrace.curation.recipe_file.problems import Problems

VALUES = {
    "low": node_of(3), "half": node_of(0.5), "name": node_of("a"), "yes": node_of(True), "none": node_of(None),
    "names": node_of(["a", "b"]), "dollar": node_of("$"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${low}", 3), ("${ low }", 3), ("${half}", 0.5), ("${yes}", True), ("${none}", None), ("${names}", ["a", "b"]),
        ("x > ${low}", "x > 3"), ("${low}${low}", "33"), ("${yes} and ${none}", "true and null"), ("${half}.", "0.5."),
        ("$low", "$low"), ("$${low}", "${low}"), ("a $${low} ${low}", "a ${low} 3"), ("$$", "$$"), ("{low}", "{low}"),
        ("${dollar}{low}", "${low}"),
    ],
)  # fmt: skip
def test_placeholder_is_replaced(text: str, value: object) -> None:
    problems = Problems()
    assert fill_placeholders(node_of({"x": [text]}), VALUES, problems=problems).plain == {"x": [value]}
    assert not problems


@pytest.mark.parametrize("text", ["${lo}", "a ${names}", "${}", "${a.b}", "${low", "${low:-3}", "x ${1low}"])
def test_other_placeholders_are_problems(text: str) -> None:
    problems = Problems()
    fill_placeholders(node_of(text), VALUES, problems=problems)
    assert problems
